"""Reads every file of a folder, each in a process of its own that may do nothing but read it.

One JSON line per file: how it ended, what it did that it may not, seconds and bytes of memory.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
from pathlib import Path

from samplebench.checkpoints.edm_pickle import read
from samplebench.errors import InputError

ADDRESS_SPACE = 1 << 30
SECONDS = 20
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def attempt(path: Path) -> dict[str, object]:
    """Reads `path` in this process, which afterwards is of no further use."""
    deeds: list[str] = []

    def hook(event: str, arguments: tuple) -> None:
        # Whatever a program can do to the world is announced, importing torch included.
        if event == "open" and arguments[0] == os.fspath(path) and not arguments[2] & WRITING:
            return
        deeds.append(f"{event} {arguments!r}"[:200])
        raise RuntimeError("forbidden")

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    ended, message = "read", ""
    status = open("/proc/self/status")  # before the hook
    start = time.process_time()
    sys.addaudithook(hook)
    try:
        read(path)
    except BaseException as error:
        ended, message = type(error).__name__, str(error)
        ended = "refused" if type(error) is InputError else ended
    seconds = time.process_time() - start
    memory = int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) * 1024
    return {
        "ended": ended,
        "message": message,
        "deeds": deeds,
        "seconds": seconds,
        "memory": memory,
    }


def main(folder: str) -> None:
    for path in sorted(Path(folder).iterdir()):
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(there, json.dumps(attempt(path)).encode())
            os._exit(0)
        os.close(there)
        with os.fdopen(here, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        if status:
            died = signal.strsignal(status & 0x7F) if status & 0x7F else f"exit {status >> 8}"
            told = json.dumps({"ended": died}).encode()
        print(json.dumps({"name": path.stem, **json.loads(told)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
