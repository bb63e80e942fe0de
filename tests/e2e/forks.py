"""A process that has loaded the libraries and forks one child per command line.

Run as a script it reads one request per line from stdin and answers each with the child's exit
code. A child is what the installed command is, a process of its own with its own streams, working
folder and environment, but it does not spend a second or two on importing torch again.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

# What the commands import sooner or later; their own modules each child imports itself.
LIBRARIES = "torch pandas matplotlib.backends.backend_agg matplotlib.figure scipy.linalg jinja2"
SECONDS = 300


class Forks:
    """Two such processes, asked by turns: what hangs on the order of a set differs between them."""

    def __init__(self, executable: Path, environment: dict[str, str]) -> None:
        self.executable, self.environment = executable, environment
        self.servers: list[subprocess.Popen] = []

    def _next(self) -> subprocess.Popen:
        if len(self.servers) == 2:
            self.servers.reverse()
            return self.servers[0]
        seed = {"PYTHONHASHSEED": str(1 + len(self.servers))}
        started = subprocess.Popen(
            [sys.executable, __file__, str(self.executable)],
            env=self.environment | seed,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.servers.insert(0, started)
        return started

    def run(self, words: list[str], folder: Path, environment: dict[str, str], streams: Path):
        """(exit code, stdout, stderr) of the command line; `streams` is an empty folder."""
        out, err = streams / "out", streams / "err"
        request = [words, str(folder), environment, str(out), str(err)]
        server = self._next()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def close(self) -> None:
        for server in self.servers:
            server.stdin.close()
            server.wait()
            server.stdout.close()


def _become(executable: str, request: list) -> None:
    """Makes this forked process what a shell would have started."""
    words, folder, environment, out, err = request
    for number, path in enumerate((os.devnull, out, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [executable, *words]
    added = environment.get("PYTHONPATH")
    sys.path[:1] = [str(Path(executable).parent), *([added] if added else [])]
    signal.alarm(SECONDS)


def _answer(main, executable: str, request: list) -> int:
    """What the forked process does, and the exit code of it."""
    _become(executable, request)
    try:
        return main()
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _serve(main, executable: str) -> None:
    """Answers requests until there are no more."""
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            # Not `sys.exit`: taking all these modules apart takes longer than most commands.
            os._exit(_answer(main, executable, json.loads(line)))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, f"{code}\n".encode())


if __name__ == "__main__":
    for library in LIBRARIES.split():
        __import__(library)
    from samplebench.cli import main

    gc.collect()
    gc.freeze()  # so that a child's collector does not copy every page
    _serve(main, sys.argv[1])
