"""The fixture `assert_curve`, in test suites that these tests write."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import samplebench
from samplebench.results.tables import read_csv
from samplebench.testing import curve

pytest_plugins = ["pytester"]
HERE = Path(samplebench.__file__).parents[1]
ROOT = Path(__file__).resolve().parents[3]
# As somebody has it in a repository: the coefficient 1 is what a bug changes.
SAMPLER = """
def mine(model, x, grid, *, noise=None, callback=None):
    for s, t in zip(grid[:-1].tolist(), grid[1:].tolist()):
        x = x + {} * (t - s) / s * (x - model(x, s))
    return x
"""
SUITE = """
def test_mine(assert_curve):
    assert_curve("curves/mine.csv", model="digits-exact", sampler="./mine.py:mine", nfe=[3],
                 num_samples=32{})
"""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """The curve of the sampler without a bug. Its sweep loads here what runs of pytest within
    this process would load again and again, and torch cannot be loaded twice."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "mine.py").write_text(SAMPLER.format(1))
    words = {"model": "digits-exact", "sampler": "./mine.py:mine", "nfe": [3], "num_samples": 32}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        curve.updated(Path("mine.csv"), folder / "cells" / "one", words, subset=False)
        gate = curve.GateWords(("3sigma",), False, False, False)
        assert curve.checked(Path("mine.csv"), folder / "cells" / "one", words, gate, "") == ""
    return folder


@pytest.fixture
def suite(pytester, monkeypatch, baseline):
    """A suite with one test; `suite.run(...)` runs it in this process."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("CI", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    return Suite(pytester)


class Suite:
    def __init__(self, pytester):
        self.pytester, self.folder = pytester, pytester.path
        self.write()
        self.bug(1)

    def write(self, more=""):
        (self.folder / "test_curves.py").write_text(SUITE.format(more))

    def bug(self, factor):
        (self.folder / "mine.py").write_text(SAMPLER.format(factor))

    def run(self, *words):
        done = self.pytester.runpytest_inprocess("-p", "samplebench.pytest_plugin", *words)
        return done, "\n".join(done.outlines + done.errlines)

    @property
    def cells(self):
        return sorted(self.folder.glob(".pytest_cache/d/samplebench/*/cells/*.json"))


def test_missing_updated_green_red_updated(suite):
    """The way of a sampler that changes, from its first curve on."""
    done, out = suite.run()
    done.assert_outcomes(failed=1)
    assert "samplebench: curves/mine.csv does not exist; measure it with: " in out
    assert "pytest test_curves.py::test_mine --samplebench-update, look at" in out
    assert "Traceback" not in out and not suite.cells

    done, out = suite.run("--samplebench-update")
    done.assert_outcomes(passed=1)
    assert "samplebench: baselines written" in out and "mine.csv: 1 row (1 new)" in out
    assert (suite.folder / "curves" / "mine.provenance.json").is_file()

    (cell,) = suite.cells
    before = cell.stat().st_mtime_ns
    done, out = suite.run()
    done.assert_outcomes(passed=1)
    assert suite.cells == [cell] and cell.stat().st_mtime_ns == before
    assert "baselines written" not in out

    suite.bug(1.05)
    done, out = suite.run()
    done.assert_outcomes(failed=1)
    (old,) = read_csv(suite.folder / "curves" / "mine.csv")
    assert "samplebench: not the curves of curves/mine.csv" in out
    assert f"fd-digits         {old['fd-digits']:.4g}" in out and "status  model" in out
    assert "sigma" in out and "1 moved" in out and "relative tolerance 1e-06" in out
    command = "pytest test_curves.py::test_mine --samplebench-update"
    assert f"intended? {command} makes these results the baseline" in out
    assert len(suite.cells) == 2

    done, out = suite.run("--samplebench-update")
    assert "changed" in out and "mine.csv: 1 row (1 changed)" in out
    done, _ = suite.run()
    done.assert_outcomes(passed=1)
    suite.bug(1)
    done, _ = suite.run()
    done.assert_outcomes(failed=1)
    # Both cells were there: the first code's is known again.
    assert len(suite.cells) == 2


@pytest.fixture
def made(suite, baseline):
    """The suite with its baseline, and a bug."""
    (suite.folder / "curves").mkdir()
    for name in ("mine.csv", "mine.provenance.json"):
        shutil.copy(baseline / name, suite.folder / "curves")
    suite.bug(1.01)
    return suite


@pytest.mark.parametrize(
    ("more", "passes"),
    [
        (', tolerance="fd-digits:90%"', True),
        (', tolerance=["3sigma", "fd-digits<=1"]', False),
        (', tolerance="low"', False),
        (", tolerance=3", False),
        (', subset="false"', False),
        (', nffe=[3]', False),
        (', out="there"', False),
        (', sampler="./nowhere.py:mine"', False),
    ],
)  # fmt: skip
def test_words_mean_what_the_command_line_means(made, more, passes):
    if "sampler=" in more or "nfe" in more:
        text = SUITE.format("").replace('sampler="./mine.py:mine", nfe=[3]', more.strip(", "))
        (made.folder / "test_curves.py").write_text(text)
    else:
        made.write(more)
    done, out = made.run()
    done.assert_outcomes(**{"passed" if passes else "failed": 1})
    assert "Traceback" not in out and "INTERNALERROR" not in out
    assert "During handling" not in out
    if not passes:
        assert "samplebench: " in out


def test_a_bound_that_is_not_met_is_no_matter_of_the_baseline(made):
    made.bug(1)
    made.write(', tolerance=["90%", "fd-digits<=0.1"]')
    done, out = made.run()
    done.assert_outcomes(failed=1)
    assert "then change the bound" in out and "--samplebench-update" not in out


def test_a_part_keeps_the_rest(made):
    """Several tests share a file: each compares its own points, and an update keeps the others'."""
    made.bug(1)
    more = SUITE.replace("test_mine", "test_more").replace("[3]", "[4]").format(", subset=True")
    made.write(", subset=True")
    with (made.folder / "test_curves.py").open("a") as file:
        file.write(more)
    done, out = made.run()
    done.assert_outcomes(passed=1, failed=1)
    assert "nothing to compare" in out
    made.run("--samplebench-update")
    rows = read_csv(made.folder / "curves" / "mine.csv")
    assert [row["nfe"] for row in rows] == [3, 4]
    done, _ = made.run()
    done.assert_outcomes(passed=2)


def test_paths_begin_at_the_root_folder(made, monkeypatch):
    made.bug(1)
    (made.folder / "pytest.ini").write_text("[pytest]\n")
    (made.folder / "deep").mkdir()
    text = SUITE.format("").replace(
        "):\n", ", monkeypatch, tmp_path):\n    monkeypatch.chdir(tmp_path)\n", 1
    )
    (made.folder / "deep" / "test_deep.py").write_text(text)
    monkeypatch.chdir(made.folder / "deep")
    done, _ = made.run("test_deep.py")
    done.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "words", [("-p", "no:cacheprovider"), ("-o", "cache_dir=a-file")], ids=["none", "not writable"]
)
def test_without_a_cache(made, words):
    made.bug(1)
    (made.folder / "a-file").write_text("")
    done, _ = made.run(*words, "-W", "ignore::pytest.PytestCacheWarning")
    done.assert_outcomes(passed=1)


def test_the_command_is_for_a_shell_in_the_folder_of_the_run(made, monkeypatch):
    (made.folder / "pytest.ini").write_text("[pytest]\n")
    (made.folder / "deep").mkdir()
    head = "import pytest\n\n@pytest.mark.parametrize('n', [\"it's $(x)\"])"
    text = SUITE.format("").replace("mine.csv", "no.csv").replace("(assert", "(n, assert")
    (made.folder / "deep" / "test_deep.py").write_text(head + text)
    monkeypatch.chdir(made.folder / "deep")
    _, out = made.run("test_deep.py")
    words = shlex.split(out.partition("measure it with: ")[2].partition(",")[0])
    assert words == ["pytest", "test_deep.py::test_mine[it's $(x)]", "--samplebench-update"]


@pytest.mark.parametrize("how", ["ini", "variable"])
def test_a_server_updates_only_where_it_is_told_to(made, monkeypatch, how):
    """Else a line that somebody forgot would pass every curve."""
    baseline = made.folder / "curves" / "mine.csv"
    before = baseline.read_bytes()
    monkeypatch.setenv("CI", "true")
    if how == "ini":
        (made.folder / "pytest.ini").write_text("[pytest]\naddopts = --samplebench-update\n")
    else:
        monkeypatch.setenv("PYTEST_ADDOPTS", "--samplebench-update")
    done, out = made.run()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "every curve would pass" in out and baseline.read_bytes() == before
    done, _ = made.run("--samplebench-update")
    done.assert_outcomes(passed=1)
    assert baseline.read_bytes() != before


@pytest.mark.parametrize("text", [SAMPLER.format("None"), "raise KeyError(1)"])
def test_a_sampler_that_fails_shows_where(made, text):
    (made.folder / "mine.py").write_text(text)
    done, out = made.run()
    done.assert_outcomes(failed=1)
    assert "samplebench: " in out and 'mine.py", line ' in out
    assert out.count("Traceback") == 1 and "INTERNALERROR" not in out and "--debug" not in out


# what others notice of it


def python(*words, cwd, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, text=True, timeout=300,
        env={**kept, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", **more},
    )  # fmt: skip


def test_a_suite_without_curves_loads_nothing_heavy(tmp_path):
    (tmp_path / "test_other.py").write_text(
        "import sys\n\n\ndef test_other():\n"
        "    assert 'samplebench.pytest_plugin' in sys.modules\n"
        "    heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'scipy', 'jinja2', 'requests'}\n"
        "    assert not heavy & {*sys.modules}\n"
    )
    words = ("-m", "pytest", "-q", "-p", "samplebench.pytest_plugin")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = python(*words, cwd=tmp_path, **alone)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


def test_the_fixture_is_listed(suite):
    assert re.search(r"^assert_curve -- .*fixture.py", suite.run("--fixtures")[1], re.M)


def test_it_can_be_imported_without_pytest(tmp_path):
    code = (
        "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None\n"
        "import samplebench.pytest_plugin\n"
    )
    assert python("-c", code, cwd=tmp_path).returncode == 0


def test_pytest_finds_it():
    """By the entry point of the project's file, and of the installed distribution if it is this."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = project["entry-points"]["pytest11"]["samplebench"]
    point = importlib.metadata.EntryPoint("samplebench", named, "pytest11")
    assert point.load().__name__ == "samplebench.pytest_plugin"


@pytest.mark.slow
@pytest.mark.parametrize("cache", [(), ("-p", "no:cacheprovider")], ids=["cache", "none"])
def test_workers_share_a_suite(made, cache):
    """An update loses no point of another worker's, wherever their cells are."""
    made.bug(1)
    first, rest = SUITE.format(", subset=True"), ""
    for nfe in (4, 5, 6):
        rest += first.replace("test_mine", f"test_{nfe}").replace("[3]", f"[{nfe}]")
    (made.folder / "test_curves.py").write_text(first + rest)
    words = ("-m", "pytest", "-p", "samplebench.pytest_plugin", "-p", "xdist", "-n", "2", *cache)
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = python(*words, "--samplebench-update", cwd=made.folder, **alone)
    assert done.returncode == 0 and done.stdout.count("mine.csv: ") == 4, done.stdout
    rows = read_csv(made.folder / "curves" / "mine.csv")
    assert sorted(row["nfe"] for row in rows) == [3, 4, 5, 6]
    made.bug(1.01)
    done = python(*words, cwd=made.folder, **alone)
    assert done.returncode == 1 and "4 failed" in done.stdout, done.stdout
    assert done.stdout.count("not the curves of") >= 4


def test_the_gate_words_are_the_options_of_check():
    from samplebench.cli import parser

    commands = next(a.choices for a in parser()._actions if isinstance(a.choices, dict))
    options = {action.dest for action in commands["check"]._actions}
    assert set(curve.GateWords._fields) <= options
