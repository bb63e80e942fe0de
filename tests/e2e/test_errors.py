"""A user's mistake ends with one line that names it; what was computed is left alone.

Every row is tried in this process, and again with the installed command in a process of its own.
"""

from __future__ import annotations

import shutil
import sys

import pytest

from samplebench.cli import main
from samplebench.registry import discretizations, samplers
from tests.e2e.refusals import ANEW, FILES, FILES_OF_SWEEP, INSTALLED, OTHERS, RUN


def rows_of(table):
    """Its words, those that are not in `INSTALLED` marked slow."""
    slow = pytest.mark.slow
    return [pytest.param(w, marks=[] if w in INSTALLED else slow) for w in table]


def words_of_run(words):
    """A run that would go on in the finished sweep, were it not for its last words."""
    given = words.replace("=", " ").split()
    rest = {"--num-samples": "128", "--sampler": "euler,heun", "--out": "sweep", "--nfe": "5"}
    if "--config" in given:
        del rest["--sampler"], rest["--nfe"]
    added = [w for pair in rest.items() if pair[0] not in given for w in pair]
    # What was wrong comes last, so that an option without its value is one.
    return ["run", *added, *words.split()]


def test_the_table_is_long_enough():
    assert len(RUN) + len(OTHERS) >= 40
    assert {*INSTALLED, *ANEW} <= {*RUN, *OTHERS}


@pytest.fixture(scope="module")
def place(tmp_path_factory, finished):
    """A working folder with a finished sweep and all the files above."""
    import numpy as np

    folder = tmp_path_factory.mktemp("errors")
    shutil.copytree(finished, folder / "sweep")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("not ours")
    for name, content in FILES.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    for name, change in FILES_OF_SWEEP.items():
        (folder / name).write_text(change((folder / "sweep" / "results.csv").read_text()))
    np.savez(folder / "images.npz", images=np.zeros((3, 1, 8, 8), np.uint8))
    return folder


def everything(folder):
    """All files of a folder with their bytes; what Python caches is not looked at."""
    files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


@pytest.fixture
def untouched(place):
    """Nothing in the working folder was changed, made or lost by the test."""
    before = everything(place)
    yield
    assert everything(place) == before


@pytest.fixture
def here(place, monkeypatch, capsys):
    """`here(words)`: the command line in this process -> (code, stdout, stderr)."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    monkeypatch.delitem(sys.modules, "mistakes", raising=False)
    for registry in (samplers, discretizations):
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def run(words):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.usefixtures("untouched")
class TestHere:
    @pytest.mark.parametrize("words", RUN)
    def test_run(self, words, here, one_line):
        one_line(here(words_of_run(words)), *RUN[words])

    @pytest.mark.parametrize("words", OTHERS)
    def test_other_commands(self, words, here, one_line):
        one_line(here(words.split()), *OTHERS[words])


@pytest.mark.usefixtures("untouched")
class TestInstalled:
    @pytest.mark.parametrize("words", rows_of(RUN))
    def test_run(self, words, samplebench, place, one_line):
        done = samplebench(*words_of_run(words), cwd=place, path=place)
        one_line(done, *RUN[words])

    @pytest.mark.parametrize("words", rows_of(OTHERS))
    def test_other_commands(self, words, samplebench, place, one_line):
        one_line(samplebench(*words.split(), cwd=place, path=place), *OTHERS[words])

    @pytest.mark.parametrize("words", ANEW)
    def test_with_everything_imported_anew(self, words, installed, place, one_line):
        done = installed(*words_of_run(words), cwd=place, path=place)
        one_line(done, *RUN[words])

    def test_debug_shows_the_traceback(self, samplebench, place):
        done = samplebench("list", "sampler", "--debug", cwd=place)
        assert done.code == 1
        assert "Traceback" in done.err
        assert "unknown kind 'sampler'" in done.err
