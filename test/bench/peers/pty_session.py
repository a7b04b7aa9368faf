"""Times a program at a terminal of 100 x 40: when its first prompt is shown, and how long a key takes to be seen.

usage: pty_session.py PROMPT_REGEX SETUP_JSON KEYS COMMAND...
SETUP_JSON: list of [text to type, regex to wait for] before keys are timed; KEYS: number of keys (0: none).
Prints one JSON line: {"promptSeconds": s, "keySeconds": [s, ...]}.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

prompt, setup, keys, command = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
started = time.perf_counter()
pid, fd = pty.fork()
if pid == 0:
    os.environ.pop("CI", None)
    os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="40")
    os.execvp(command[0], command)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))


def read_until(found, seconds=120.0):
    """Reads until `found(text so far)`; answers what terminals are asked."""
    text, end = "", time.perf_counter() + seconds
    while time.perf_counter() < end:
        if not select.select([fd], [], [], 0.5)[0]:
            continue
        piece = os.read(fd, 65536).decode("utf8", "replace")
        if "\x1b[6n" in piece:
            os.write(fd, b"\x1b[1;1R")
        text += piece
        if found(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)):
            return
    raise SystemExit(f"never seen: {text[-2000:]!r}")


read_until(lambda text: re.search(prompt, text))
times = {"promptSeconds": time.perf_counter() - started, "keySeconds": []}
for typed, wanted in setup:
    time.sleep(0.3)
    os.write(fd, typed.encode())
    read_until(lambda text: re.search(wanted, text))
for done in range(1, keys + 1):
    time.sleep(0.06)
    began = time.perf_counter()
    os.write(fd, "ж".encode())
    read_until(lambda text: "ж" * done in text)
    times["keySeconds"].append(time.perf_counter() - began)
os.kill(pid, signal.SIGKILL)
print(json.dumps(times))
