"""Whatever is in a results folder: one line that names it, no hang, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
from contextlib import suppress

import pytest

from samplebench.bench import plan as planning
from samplebench.bench.progress import Progress
from samplebench.bench.ready import ready
from samplebench.bench.request import Request
from samplebench.bench.run import execute
from samplebench.bench.stop import Interrupted, Stop
from samplebench.cli import main
from samplebench.files.sealed import json_checksum
from samplebench.results.store import Store
from tests.e2e.hostile import OLDER, cases, victim

CASES = list(cases())
WORDS = {
    "sampler": "euler", "nfe": "4,5,6", "num_samples": 64, "batch_size": 32, "keep": "images",
}  # fmt: skip
FLAGS = [w for k, v in WORDS.items() for w in (f"--{k.replace('_', '-')}", str(v))]
RUN = ("run", *FLAGS, "--out", "sweep", "--quiet")
COMMANDS = {
    "report": ("report", "sweep"),
    "check": ("check", "sweep", "--baseline", "baseline.csv"),
    "dry run": (*RUN, "--dry-run"),
    "run": RUN,
}
SECONDS = 20  # after which a command hangs


def test_there_are_enough():
    assert len(CASES) // 2 >= 200 and len({case.name for case in CASES}) == len(CASES)


def half(folder):
    """Of the sweep in a folder, the last cell until its first block."""
    plan = ready(planning.make(Request.of(**WORDS, out="sweep")), True)
    last = list(plan.cells)[-1]
    for path in [*folder.glob(f"cells/{last}*"), *folder.glob("scores/*")]:
        if path.parent.name == "cells" or last in path.read_text():
            path.unlink()
    store, stop = Store(folder), Stop()
    with store.locked(), suppress(Interrupted):
        stop.signal = signal.SIGTERM
        execute(plan, store, Progress(True), stop)
    assert victim(folder, "rows") and victim(folder, "state")


@pytest.fixture(scope="module")
def sparing():
    """What takes as long as all else here and is no part of it: the page, figures, the disk."""
    from samplebench.bench import loaded
    from samplebench.files.atomic import write_atomic
    from samplebench.report import html, plots

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(html, "render_html", lambda *_: "page")
        draw = lambda _, out: [write_atomic(out / "toy.svg", b"<svg/>")]  # noqa: E731
        patched.setattr(plots, "write_figures", draw)
        patched.setattr(loaded, "gflop_per_evaluation", lambda *_: None)
        patched.setattr(os, "fsync", lambda number: None)
        yield


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory, sparing):
    """Of each kind of folder one: "whole" with a finished sweep, "half" with one under way, and
    "older" as older versions wrote it; with their `baseline.csv` and, in the end, `table.csv`."""
    found = {}
    for name in ("whole", "half"):
        found[name] = folder = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(folder)
            assert main([*RUN]) == 0
            shutil.copy("sweep/results.csv", "table.csv")
            if name == "half":
                half(folder / "sweep")
                assert main([*COMMANDS["report"]]) == 0
            shutil.copy("sweep/results.csv", "baseline.csv")
    found["older"] = tmp_path_factory.mktemp("older")
    shutil.copytree(OLDER, found["older"] / "sweep")
    shutil.copy(OLDER / "results.csv", found["older"] / "baseline.csv")
    return found


@pytest.fixture
def place(sweeps, tmp_path, monkeypatch):
    """`place(name)`: the results folder in a copy."""

    def copied(name):
        shutil.copytree(sweeps[name], tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        return tmp_path / "sweep"

    return copied


@pytest.fixture
def call(capsys, caplog):
    """`call(words)`: the command in this process -> (code, lines on stderr and warnings)."""

    def hang(number, frame):
        raise TimeoutError("the command hangs")

    def run(words):
        caplog.clear()
        before = signal.signal(signal.SIGALRM, hang)
        signal.alarm(SECONDS)
        try:
            code = main(list(words))
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        return code, [*capsys.readouterr().err.splitlines(), *caplog.messages]

    return run


def content(path):
    """What is at a path, links not followed, without opening what is no file; of a record what it
    says, not when it was written."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind != stat.S_IFREG:
        return kind, os.readlink(path) if kind == stat.S_IFLNK else ""
    data = path.read_bytes()
    with suppress(ValueError, RecursionError, AttributeError):
        found = json.loads(data)
        again = ("checksum", "seconds", "provenance")
        if read_json_checksum(found):
            return kind, json.dumps({k: v for k, v in found.items() if k not in again})
    return kind, data


def read_json_checksum(found):
    """Whether an object carries the checksum of its content."""
    return found.get("checksum") == json_checksum(found)


def everything(folder):
    """By path what is there."""
    return {p.relative_to(folder).as_posix(): content(p) for p in sorted(folder.rglob("*"))}


def lost(before, after):
    """What of a folder is no longer there, under its own name or another one.

    Tables, pages and requests are written again by every run, and half a cell becomes a whole one.
    """
    there = list(after.values())
    made = ("results.csv", "report.html", "figures/", "requests/")
    gone = {name for name, found in before.items() if found not in there}
    return {name for name in gone if not name.startswith(made) and ".partial." not in name}


def thinned(found):
    """Every third one, the others marked slow."""
    slow = [pytest.mark.slow]
    return [
        pytest.param(case, id=case.name, marks=slow if i % 3 else [])
        for i, case in enumerate(found)
    ]


@pytest.mark.skipif(os.name != "posix", reason="pipes and sockets are POSIX's")
@pytest.mark.parametrize("case", thinned(CASES))
def test_one_line_and_nothing_lost(case, place, call):
    folder = place(case.folder)
    path = victim(folder, case.role)
    case.damage(path)
    damaged, at = content(path), path.relative_to(folder).as_posix()
    before, table = everything(folder), folder.parent / "table.csv"
    for name, words in COMMANDS.items():
        code, lines = call(words)
        after = everything(folder)
        assert lost(before, after) == set()
        if code:
            assert not case.fine, lines
            assert code in (2, 3) and len(lines) == 1, lines
            assert lines[0].startswith("samplebench: error: ")
            refused = case.folder == "older" and "was written by an older samplebench" in lines[0]
            assert case.names(at) in lines[0] or refused, lines
            assert after[at] == damaged
        else:
            assert name not in case.seen, f"{name} takes it for whole"
            if name != "run":
                assert lines == []
        before = after
    # The last was the run.
    if not code:
        assert (folder / "results.csv").read_bytes() == table.read_bytes()
        assert len(lines) == case.aside
    if case.aside:
        assert code == 0 and lines[0].startswith(f"{path.relative_to(folder.parent)} is damaged (")
        assert content(path.with_name(f"{path.name}.corrupt")) == damaged
        assert call(COMMANDS["report"]) == (0, [])


@pytest.mark.skipif(os.name != "posix", reason="pipes and sockets are POSIX's")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name)
        for case in CASES
        if case.role == "moments" and not case.fine
    ],
)
def test_score_names_what_it_would_use(case, place, call):
    """Or sets it aside, and says what was not kept."""
    folder = place("whole")
    path = victim(folder, "moments")
    case.damage(path)
    for other in [*folder.glob("cells/*.features-*"), *folder.glob("cells/*.images.npz")]:
        other.unlink()
    before = everything(folder)
    words = ("score", "sweep", "--metric", "fd-digits", "--reference", "digits", "--quiet")
    code, lines = call(words)
    assert code == 2 and lost(before, everything(folder)) == set()
    assert any(path.name in line for line in lines) and len(lines) <= 2 + case.aside, lines
