"""A process that has loaded the libraries and forks one child per command line.

Run as a script it reads one request per line from stdin and answers each with the child's exit
code. A child is what the installed command is, a process of its own with its own streams, working
folder and environment, but it does not spend a second or two on importing torch again.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from select import select

# What the commands import sooner or later; their own modules each child imports itself.
LIBRARIES = """
torch torch._dynamo torch.utils.flop_counter safetensors.torch msgpack tomlkit filelock pandas
scipy.linalg scipy.integrate matplotlib.backends.backend_agg matplotlib.backends.backend_svg
matplotlib.figure matplotlib.style plotly.offline jinja2 PIL.PngImagePlugin
"""
SECONDS = 300
WIDTH = 12  # bytes of a number that the process tells


class Child:
    """A command line under way in a process of its own; as much of `Popen` as the tests use."""

    def __init__(self, server: subprocess.Popen, out: Path, err: Path) -> None:
        self.server, self.out, self.err = server, out, err
        self.pid, self.returncode = self._told(), None

    def _told(self) -> int:
        return int(os.read(self.server.stdout.fileno(), WIDTH))

    def poll(self, seconds: float | None = 0) -> int | None:
        """Its exit code, None if it has not ended after so long."""
        if self.returncode is None and select([self.server.stdout], [], [], seconds)[0]:
            self.returncode = self._told()
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Its stdout and stderr, once it has ended."""
        assert self.poll(timeout) is not None, f"still running after {timeout} s"
        return self.out.read_text(encoding="utf-8"), self.err.read_text(encoding="utf-8")


class Forks:
    """Such processes, asked by turns: what hangs on the order of a set differs between them."""

    def __init__(self, executable: Path, environment: dict[str, str]) -> None:
        self.executable, self.environment = executable, environment
        self.servers: list[subprocess.Popen] = []
        self.children: list[Child] = []

    def _server(self) -> subprocess.Popen:
        """The one of at least two that has waited longest."""
        self.children = [child for child in self.children if child.poll() is None]
        busy = [child.server for child in self.children]
        free = [server for server in self.servers if server not in busy]
        if not free or len(self.servers) < 2:
            command = [sys.executable, __file__, str(self.executable)]
            seed = {"PYTHONHASHSEED": str(1 + len(self.servers))}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            free = [subprocess.Popen(command, env=self.environment | seed, bufsize=0, **pipes)]
        else:
            self.servers.remove(free[0])
        self.servers.append(free[0])
        return free[0]

    def start(
        self,
        words: list[str],
        folder: Path,
        environment: dict[str, str],
        streams: Path,
        script: Path | None = None,
    ) -> Child:
        """The command line, or that of another script; `streams` is an empty folder."""
        out, err = streams / "out", streams / "err"
        # It may be killed before it has opened them.
        out.touch()
        err.touch()
        server = self._server()
        request = [str(script or ""), words, str(folder), environment, str(out), str(err)]
        server.stdin.write(json.dumps(request).encode() + b"\n")
        self.children.append(Child(server, out, err))
        return self.children[-1]

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.poll(None)
        for server in self.servers:
            server.communicate()


def _become(program: str, request: list) -> None:
    """Makes this forked process what a shell would have started."""
    words, folder, environment, out, err = request
    for number, path in enumerate((os.devnull, out, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [program, *words]
    added = environment.get("PYTHONPATH")
    sys.path[:1] = [str(Path(program).parent), *([added] if added else [])]
    signal.alarm(SECONDS)


def _answer(main, executable: str, request: list) -> int:
    """What the forked process does, and the exit code of it."""
    script, *rest = request
    _become(script or executable, rest)
    try:
        return runpy.run_path(script, run_name="__main__") and 0 if script else main()
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _serve(main, executable: str) -> None:
    """Answers requests until there are no more: the number of a process, then its exit code."""
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            # Not `sys.exit`: taking all these modules apart takes longer than most commands.
            os._exit(_answer(main, executable, json.loads(line)))
        os.write(1, f"{child:{WIDTH}}".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, f"{code:{WIDTH}}".encode())


if __name__ == "__main__":
    for library in LIBRARIES.split():
        __import__(library)
    from samplebench.cli import main

    gc.collect()
    gc.freeze()  # so that a child's collector does not copy every page
    _serve(main, sys.argv[1])
