"""The installed command, driven as a subprocess from another folder."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.pages import CHROMIUM

_spec = importlib.util.spec_from_file_location("forks", Path(__file__).with_name("forks.py"))
_forks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_forks)

EXECUTABLE = Path(sys.executable).parent / "samplebench"
# Elsewhere a process with torch in it may not be forked.
FORKED = sys.platform == "linux"
SMALL = ("--num-samples", "128", "--sampler", "euler,heun", "--nfe", "5,10")


class Done(NamedTuple):
    code: int
    out: str
    err: str


def environment(path: Path | None = None) -> dict[str, str]:
    """One thread per process, no colours, and `path` as the only entry of PYTHONPATH."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SAMPLEBENCH_GOLDENS")}
    added = {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "TQDM_DISABLE": ""}
    return {**kept, **added, **({"PYTHONPATH": str(path)} if path else {})}


def call(command: list, cwd: Path, path: Path | None = None, threads: int = 1) -> Done:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(path) | {"OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        timeout=300 if threads == 1 else 2400,
        stdin=subprocess.DEVNULL,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def installed():
    """`installed("run", ..., cwd=folder, path=folder of modules)` -> Done of the command itself.

    Each call imports all anew; threads=2: long work.
    """
    assert EXECUTABLE.is_file(), "install the package first: pip install -e ."
    return lambda *words, cwd, path=None, threads=1: call([EXECUTABLE, *words], cwd, path, threads)


@pytest.fixture(scope="session")
def fork(tmp_path_factory):
    """`fork(words, folder, environment, script)`: a process that runs the command, or a script.

    It comes from one that has loaded the libraries.
    """
    forks = _forks.Forks(EXECUTABLE, environment())

    def start(words, folder, environment, script=None):
        streams = tmp_path_factory.mktemp("streams")
        return forks.start([str(word) for word in words], folder, environment, streams, script)

    yield start
    forks.close()


@pytest.fixture(scope="session")
def command(installed, fork):
    """The same, but the libraries are there already."""

    def run(*words, cwd, path=None, threads=1):
        # A sitecustomize.py is read by a new interpreter alone.
        anew = path is not None and (Path(path) / "sitecustomize.py").exists()
        if threads > 1 or anew or not FORKED:
            return installed(*words, cwd=cwd, path=path, threads=threads)
        child = fork(words, cwd, environment(path))
        out, err = child.communicate()
        return Done(child.returncode, out, err)

    return run


@pytest.fixture
def samplebench(command, tmp_path):
    """The same in tmp_path."""
    return lambda *words, cwd=tmp_path, path=None: command(*words, cwd=cwd, path=path)


@pytest.fixture
def python(tmp_path):
    """`python("-c", ...)` -> Done, with tmp_path as working folder."""
    return lambda *words: call([sys.executable, *words], tmp_path)


@pytest.fixture
def script(fork, python, tmp_path):
    """`script(path, ...)` -> Done of `python path ...`, with the libraries there already."""

    def run(path, *words):
        if not FORKED:
            return python(path, *words)
        child = fork(words, tmp_path, environment(), path)
        out, err = child.communicate()
        return Done(child.returncode, out, err)

    return run


@pytest.fixture
def start(fork, tmp_path):
    """`start("run", ...)` -> a running process, killed at the end of the test at the latest.

    It has the libraries already, unless it is `anew`.
    """
    running = []

    def begin(*words, anew=False):
        if FORKED and not anew:
            running.append(fork(words, tmp_path, environment()))
            return running[-1]
        process = subprocess.Popen(
            [str(word) for word in (EXECUTABLE, *words)],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def finished(command, tmp_path_factory):
    """A small finished sweep that no test may change; `copied` is for the others."""
    folder = tmp_path_factory.mktemp("finished")
    done = command("run", *SMALL, "--out", "sweep", cwd=folder)
    assert done.code == 0, done.err
    before = snapshot(folder / "sweep")
    yield folder / "sweep"
    assert snapshot(folder / "sweep") == before


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished sweep as `sweep` in the working folder."""
    return Path(shutil.copytree(finished, tmp_path / "sweep"))


def snapshot(folder: Path) -> dict:
    """Every finished cell with its bytes and its time of writing."""
    found = sorted((folder / "cells").glob("*[!z]"))
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in found if p.name[0] != "."}


@pytest.fixture
def cells():
    """`cells(folder)`: name -> (time of writing, bytes) of every finished cell and its sheet."""
    return snapshot


@pytest.fixture
def rows():
    """`rows(folder)`: results.csv as dictionaries of strings."""

    def read(folder):
        with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture
def wait():
    """`wait(condition, process)`: until the condition holds or the process has ended."""

    def until(condition, process, seconds=120.0):
        end = time.monotonic() + seconds
        while not condition():
            if process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    return until


@pytest.fixture
def one_line():
    """`one_line(done, code, message)`: one line on stderr that names the thing, no other word."""

    def check(done, code, message):
        found, out, err = done
        assert "Traceback" not in err
        assert (found, out) == (code, ""), err
        first, *more = err.splitlines()
        assert re.match(r"samplebench( \w+)?: error: \S", first), err
        assert message in first
        hints = [bool(re.fullmatch(r"  \(see samplebench.* --help\)", line)) for line in more]
        assert hints in ([], [True]), err

    return check


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had by root, nor in many containers.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def opened(browser):
    """`with opened(path, width, scheme) as page`: fails on a console error or a request."""

    @contextmanager
    def visit(path, width=1440, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        yield page
        assert said == []
        assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
        context.close()

    return visit
