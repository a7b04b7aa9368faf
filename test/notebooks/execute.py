"""Executes notebooks with nbclient and the kernel `llama-pro`, one after another.

Usage: python execute.py [--save] [--timeout SECONDS] NOTEBOOK...

Prints one JSON line a notebook: its path, its seconds, and the error of the cell that failed, if any. With --save
the outputs are written into the notebook.
"""
import argparse
import json
import sys
import time

import nbclient
import nbformat

# what differs from machine to machine and from run to run is not kept in a saved notebook
VOLATILE = ("execution",)


def execute(path, *, save, timeout):
    notebook = nbformat.read(path, as_version=4)
    started = time.monotonic()
    error = None
    client = nbclient.NotebookClient(
        notebook, timeout=timeout, kernel_name="llama-pro", store_widget_state=False, allow_errors=False
    )
    try:
        client.execute()
    except nbclient.exceptions.CellExecutionError as failure:
        error = str(failure)
    except nbclient.exceptions.CellTimeoutError as failure:
        error = str(failure)
    seconds = round(time.monotonic() - started, 1)
    if save and error is None:
        for cell in notebook.cells:
            for key in VOLATILE:
                cell.metadata.pop(key, None)
        nbformat.write(notebook, path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return {"path": path, "seconds": seconds, "error": error, "outputs": len(outputs)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("notebooks", nargs="+")
    options = parser.parse_args()
    failed = False
    for path in options.notebooks:
        result = execute(path, save=options.save, timeout=options.timeout)
        failed = failed or result["error"] is not None
        print(json.dumps(result), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
