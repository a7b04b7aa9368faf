"""Starts an installed kernel as every front end does, by its name, and runs cells in it.

Usage: python start_installed.py <kernel name> <code>...   Prints one JSON object: a list of [status, text] per cell.
"""
import json
import sys

from jupyter_client.manager import KernelManager

name, *cells = sys.argv[1:]
manager = KernelManager(kernel_name=name)
manager.start_kernel()
client = manager.client()
client.start_channels()
results = []


def run(code):
    shown = []

    def on_output(message):
        content = message["content"]
        text = content.get("text") or content.get("data", {}).get("text/plain") or content.get("evalue")
        if text is not None:
            shown.append(text)

    reply = client.execute_interactive(code, timeout=60, output_hook=on_output)
    results.append([reply["content"]["status"], "".join(shown)])


try:
    client.wait_for_ready(timeout=60)
    for code in cells:
        run(code)
    manager.restart_kernel(now=False)
    client.wait_for_ready(timeout=60)
    run("typeof kept")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=False)
print(json.dumps(results))
