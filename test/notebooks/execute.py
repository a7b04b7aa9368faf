"""Executes notebooks with nbclient and the kernel `llama-pro`, one after another, each in an empty folder of its own.

Usage: python execute.py [--save] [--timeout SECONDS] NOTEBOOK...

Prints one JSON line a notebook: its path, its seconds, the error of the cell that failed, if any, the number of its
outputs, and those of them that stand as if their work had not ended. With --save the outputs are written into the
notebook, unless a cell failed or an output is unfinished.
"""
import argparse
import json
import queue
import sys
import tempfile
import time

import nbclient
import nbformat
from nbclient.util import ensure_async

# what differs from machine to machine and from run to run is not kept in a saved notebook
VOLATILE = ("execution",)

# how long nothing must come from the kernel, after the last cell, before its outputs are taken to be complete
QUIET_SECONDS = 2


class Client(nbclient.NotebookClient):
    """A client that, like a front end, shows what a cell sends after it has returned: in the output of that cell.

    nbclient drops every message that does not answer the cell being executed. A run that goes on in the background is
    shown below the cell that started it, so there the notebook would keep the first thing that was shown of it.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = {}

    async def _async_poll_output_msg(self, parent_msg_id, cell, cell_index):
        self.asked[parent_msg_id] = (cell, cell_index)
        while True:
            message = await ensure_async(self.kc.iopub_channel.get_msg(timeout=None))
            try:
                self.take(message)
            except nbclient.client.CellExecutionComplete:
                # only the cell that is being executed becomes idle
                break
        if cell_index == max(i for i, one in enumerate(self.nb.cells) if one.cell_type == "code"):
            await self.drain()

    async def drain(self):
        """Takes what still comes, until nothing does."""
        while True:
            try:
                self.take(await ensure_async(self.kc.iopub_channel.get_msg(timeout=QUIET_SECONDS)))
            except queue.Empty:
                return

    def take(self, message):
        """Puts a message where its cell is; one about something shown goes there, whoever sent it."""
        cell = self.asked.get(message["parent_header"].get("msg_id"))
        if cell is not None:
            self.process_message(message, *cell)
        elif message["msg_type"] == "update_display_data":
            self._update_display_id(message["content"]["transient"]["display_id"], message)


def is_empty(output):
    """Whether an output shows nothing: the place of a live page, once its run has ended."""
    return "data" in output and not any(output["data"].values())


def unfinished(notebook):
    """Outputs that say that something is about to begin, or nothing where no picture says it, as 'cell N: TEXT'."""
    found = []
    for index, cell in enumerate(notebook.cells):
        outputs = cell.get("outputs", [])
        has_picture = any("image/svg+xml" in output.get("data", {}) for output in outputs)
        for output in outputs:
            text = output.get("data", {}).get("text/plain", "")
            if ": starting " in text or (is_empty(output) and not has_picture):
                found.append(f"cell {index}: {text}")
    return found


def execute(path, *, save, timeout):
    notebook = nbformat.read(path, as_version=4)
    started = time.monotonic()
    error = None
    with tempfile.TemporaryDirectory() as folder:
        client = Client(
            notebook,
            timeout=timeout,
            kernel_name="llama-pro",
            store_widget_state=False,
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (nbclient.exceptions.CellExecutionError, nbclient.exceptions.CellTimeoutError) as failure:
            error = str(failure)
    seconds = round(time.monotonic() - started, 1)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    left = unfinished(notebook)
    if save and error is None and not left:
        for cell in notebook.cells:
            for key in VOLATILE:
                cell.metadata.pop(key, None)
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not is_empty(output)]
        nbformat.write(notebook, path)
    return {"path": path, "seconds": seconds, "error": error, "outputs": len(outputs), "unfinished": left}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("notebooks", nargs="+")
    options = parser.parse_args()
    failed = False
    for path in options.notebooks:
        result = execute(path, save=options.save, timeout=options.timeout)
        failed = failed or result["error"] is not None or len(result["unfinished"]) > 0
        print(json.dumps(result), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
