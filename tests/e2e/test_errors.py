"""A user's mistake ends with one line that names it; what was computed is left alone."""

from __future__ import annotations

import json
import os
import re

import pytest

SMALL = ("--num-samples", "128", "--sampler", "euler,heun", "--nfe", "5,10")
MODULE = """
def broken(model, x, grid, *, noise=None, callback=None):
    raise ValueError("the user's own mistake")

def gives_nothing(model, x, grid, *, noise=None, callback=None):
    for sigma in grid.tolist()[:-1]:
        model(x, sigma)

number = 3
"""
FILES = {
    "cut.toml": "nfe = [5\n",
    "word.toml": "nfee = [5]\n",
    "table.toml": "nfe = {a = 1}\n",
    "nested.toml": "nfe = [[5]]\n",
    "rho.toml": "rho = [[3]]\n",
    "number.toml": "sampler = 5\n",
    "grid.toml": "discretization = 5\n",
    "levels.toml": 'discretization = [[5, "a"]]\n',
    "param.toml": "param = [1]\n",
    "value.toml": "[param.edm]\nS_churn = [1, [2]]\n",
    "deep.toml": "[param.edm.S_churn]\na = 1\n",
    "bool.toml": "nfe = [true]\n",
    "bytes.toml": b"\xff\xfe\x00",
    "plain.txt": "text\n",
    "mymod.py": MODULE,
    "syntax.py": "def f(:\n",
}

# words -> (exit code, what the message must contain)
RUN = {
    "--sampler eulr": (2, "unknown sampler 'eulr'; did you mean 'euler'?"),
    "--model digts-exact": (2, "unknown model 'digts-exact'; did you mean 'digits-exact'?"),
    "--metric fd-digit": (2, "unknown metric 'fd-digit'; did you mean 'fd-digits'?"),
    "--protocol digit": (2, "unknown protocol 'digit'; did you mean 'digits'?"),
    "--discretization emd": (2, "unknown discretization 'emd'; did you mean 'edm'?"),
    "--noise portabel --quiet": (2, "unknown noise mode 'portabel'; did you mean 'portable'?"),
    "--dtype float63 --quiet": (2, "unknown dtype 'float63'"),
    "--state-dtype float63 --quiet": (2, "unknown dtype 'float63'"),
    "--device gpu": (2, "unknown device 'gpu'"),
    "--device xla": (3, "device 'xla' cannot be used here"),
    "--nfe 0": (2, "--nfe 0 is out of range"),
    "--nfe ten": (2, "--nfe ten is not a whole number"),
    "--nfe=": (2, "--nfe is empty"),
    "--nfe 5,,10": (2, "--nfe is empty or has an empty item"),
    "--nfe 1e9": (2, "--nfe 1e9 is out of range"),
    "--nfe -5": (2, "--nfe -5 is out of range"),
    "--nfe 5.5": (2, "--nfe 5.5 is not a whole number"),
    "--nfe 1": (2, "nfe=1 is too small for sampler euler"),
    "--nfe 2 --sampler heun": (2, "nfe=2 is too small for sampler heun"),
    "--rho nan": (2, "rho=nan"),
    "--rho -1": (2, "rho=-1"),
    "--rho 0": (2, "rho=0"),
    "--rho 1e-300 --quiet": (2, "rho"),
    "--rho seven": (2, "rho=seven"),
    "--num-samples 1": (2, "--num-samples 1 is out of range"),
    "--seed -1": (2, "--seed -1 is out of range"),
    "--repeats 0": (2, "--repeats 0 is out of range"),
    "--batch-size none": (2, "--batch-size none is not a whole number"),
    "--param edm.S_chrun=1 --sampler edm": (2, "did you mean 'S_churn'?"),
    "--param heun.alpha": (2, "write SAMPLER.NAME=VALUE"),
    "--param heun.alpha=high": (2, "heun.alpha='high' must be a number"),
    "--param heun.alpha=nan": (2, "heun.alpha=nan is not a number"),
    "--param heun.alpha=2 --quiet": (2, "alpha=2.0"),
    "--param euler.schedule=fast --quiet": (2, "unknown schedule 'fast'"),
    "--param ddim.eta=1": (2, "unknown sampler in --param 'ddim'"),
    "--sampler ddim --param ddim.eta=7 --quiet": (2, "eta=7.0"),
    "--discretization 1/2/3": (2, "must be a decreasing list"),
    "--discretization 3/2/x": (2, "explicit levels are numbers"),
    "--discretization 5/3/-1 --quiet": (2, "explicit noise levels"),
    "--sampler nowhere:f": (2, "No module named 'nowhere'"),
    "--sampler mymod:missing": (2, "mymod:missing"),
    "--sampler mymod:number": (2, "mymod:number' is not callable"),
    "--sampler mymod:broken --quiet": (2, "mymod:broken"),
    "--sampler mymod:gives_nothing --quiet": (2, "mymod:gives_nothing"),
    "--sampler syntax:f": (2, "syntax:f"),
    "--sampler ../mymod:broken": (2, "../mymod:broken"),
    "--config missing.toml": (2, "--config missing.toml cannot be read"),
    "--config .": (2, "--config . cannot be read"),
    "--config cut.toml": (2, "--config cut.toml is not TOML"),
    "--config bytes.toml": (2, "--config bytes.toml is not TOML"),
    "--config word.toml": (2, "unknown option 'nfee'; did you mean 'nfe'?"),
    "--config table.toml": (2, "nfe"),
    "--config nested.toml": (2, "nfe"),
    "--config rho.toml": (2, "rho"),
    "--config number.toml": (2, "--sampler 5 is not a name"),
    "--config grid.toml": (2, "discretization"),
    "--config levels.toml": (2, "explicit levels are numbers"),
    "--config param.toml": (2, "param must be a table"),
    "--config value.toml": (2, "S_churn"),
    "--config deep.toml": (2, "S_churn"),
    "--config bool.toml": (2, "--nfe True is not a whole number"),
    "--smapler euler": (2, "unknown option '--smapler'; did you mean '--sampler'?"),
    "euler": (2, "unrecognized arguments: euler"),
    "--nfe": (2, "expected one argument"),
    "--out plain.txt": (2, "plain.txt exists and is not a results folder"),
    "--out foreign": (2, "foreign exists and is not a results folder"),
    "--out plain.txt/below": (3, "plain.txt/below"),
}
OTHERS = {
    "rnu": (2, "unknown command 'rnu'; did you mean 'run'?"),
    "--vresion": (2, "--vresion"),
    "list sampler": (2, "unknown kind 'sampler'; did you mean 'samplers'?"),
    "report": (2, "the following arguments are required: DIR"),
    "report nowhere": (2, "nowhere is not a results folder"),
    "report foreign": (2, "foreign is not a results folder"),
    "check sweep": (2, "required: --baseline"),
    "check sweep --baseline nowhere.csv": (2, "nowhere.csv does not exist"),
    "check nowhere --baseline sweep/results.csv": (2, "nowhere does not exist"),
    "check sweep --baseline sweep/results.csv --tolerance low": (2, "--tolerance low"),
    "check sweep --baseline sweep/results.csv --tolerance -1": (2, "--tolerance -1"),
    "check sweep --baseline sweep/results.csv --tolerance nan": (2, "--tolerance nan"),
    "reference": (2, "required: action"),
    "reference mak": (2, "mak"),
    "reference describe": (2, "name a reference"),
    "reference describe digitz": (2, "unknown reference 'digitz'; did you mean 'digits'?"),
    "reference describe plain.txt": (2, "plain.txt is not a reference"),
    "reference make": (2, "needs --images PATH and --out FILE"),
    "reference make --images foreign --out x.npz --extractor digit": (2, "did you mean 'digits'?"),
    "reference make --images foreign --out x.npz": (2, "foreign holds no images"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, finished):
    """A working folder with a finished sweep and all the files above."""
    import shutil

    folder = tmp_path_factory.mktemp("errors")
    shutil.copytree(finished, folder / "sweep")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "thesis.txt").write_text("not ours")
    for name, content in FILES.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def fails(samplebench):
    """`fails(words, code, message, cwd)`: one line on stderr, nothing on stdout."""

    def check(words, code, message, cwd, path=None):
        done = samplebench(*words, cwd=cwd, path=path)
        assert "Traceback" not in done.err
        assert done.code == code, done.err
        assert done.out == ""
        first, *more = done.err.splitlines()
        assert re.match(r"samplebench( \w+)?: error: \S", first), done.err
        assert message in first
        assert [bool(re.fullmatch(r"  \(see samplebench.* --help\)", m)) for m in more] in (
            [],
            [True],
        ), done.err

    return check


# These take seconds, and differ little from others that are tried always.
LATE = (
    "--state-dtype float63 --quiet",
    "--device xla",
    "--nfe 2 --sampler heun",
    "--metric fd-digit",
    "--param heun.alpha=high",
    "--param euler.schedule=fast --quiet",
    "--sampler ddim --param ddim.eta=7 --quiet",
    "--sampler mymod:missing",
    "--sampler mymod:number",
    "--sampler mymod:gives_nothing --quiet",
)


@pytest.mark.parametrize(
    "words",
    [pytest.param(w, marks=[pytest.mark.slow] if w in LATE else []) for w in RUN],
)
def test_run(words, place, fails, cells):
    before = cells(place / "sweep")
    code, message = RUN[words]
    given = words.split()
    rest = {"--num-samples": "128", "--sampler": "euler,heun", "--out": "sweep"}
    if "--config" in given:
        del rest["--sampler"]
    added = [w for pair in rest.items() if pair[0] not in given for w in pair]
    # What was wrong comes last, so that an option without its value is one.
    fails(["run", *added, *given], code, message, place, path=place)
    assert cells(place / "sweep") == before
    assert sorted(path.name for path in (place / "foreign").iterdir()) == ["thesis.txt"]


@pytest.mark.parametrize("words", OTHERS)
def test_other_commands(words, place, fails, cells):
    before = cells(place / "sweep")
    fails(words.split(), *OTHERS[words], place)
    assert cells(place / "sweep") == before
    assert not (place / "x.npz").exists()


def test_debug_shows_the_traceback(samplebench, place):
    done = samplebench("list", "sampler", "--debug", cwd=place)
    assert done.code == 1
    assert "Traceback" in done.err
    assert "unknown kind 'sampler'" in done.err


DAMAGES = ("cut", "no values", "list", "another cell", "not text")


@pytest.mark.parametrize(
    ("verb", "damage"),
    [
        pytest.param(v, d, marks=[pytest.mark.slow] if v == "run" and d not in DAMAGES[:2] else [])
        for v in ("run", "report", "check")
        for d in DAMAGES
    ],
)
def test_a_damaged_cell_is_named(copied, fails, cells, tmp_path, verb, damage):
    victim = sorted((copied / "cells").glob("*.json"))[1]
    record = json.loads(victim.read_text())
    changed = {
        "cut": victim.read_text()[:100],
        "list": "[]",
        "no values": json.dumps({**record, "values": {}}),
        "another cell": json.dumps({**record, "cell": "0" * 64}),
        "not text": "\x00\x01",
    }
    victim.write_text(changed[damage])
    before = cells(copied)
    words = {
        "run": ["run", *SMALL, "--out", "sweep", "--quiet"],
        "report": ["report", "sweep"],
        "check": ["check", "sweep", "--baseline", "sweep/results.csv"],
    }
    fails(words[verb], 2, victim.name, tmp_path)
    assert cells(copied) == before


def test_a_damaged_cell_is_computed_again_when_deleted(copied, samplebench, cells):
    """The next step that the message names is the right one."""
    table = (copied / "results.csv").read_bytes()
    victim = sorted((copied / "cells").glob("*.json"))[1]
    before = cells(copied)
    victim.unlink()
    done = samplebench("run", *SMALL, "--out", "sweep")
    assert done.code == 0
    assert "4 cells (3 there already)" in done.err
    assert (copied / "results.csv").read_bytes() == table
    after = cells(copied)
    others = [name for name in before if not name.startswith(victim.stem)]
    assert {name: after[name] for name in others} == {name: before[name] for name in others}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema": 9}'])
def test_a_folder_of_another_schema_is_left_alone(copied, fails, tmp_path, content, cells):
    (copied / "samplebench.json").write_text(content)
    before = cells(copied)
    if content == '{"schema": 9}':
        fails(["run", *SMALL, "--out", "sweep"], 2, "sweep", tmp_path)
    fails(["report", "sweep"], 2, "sweep", tmp_path)
    assert cells(copied) == before


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"rows": [1]}', '{"rows": [{}]}'])
def test_a_damaged_request_is_named(copied, fails, tmp_path, content):
    (victim,) = (copied / "requests").glob("*.json")
    victim.write_text(content)
    fails(["report", "sweep"], 2, victim.name, tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(fails, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    fails(["run", *SMALL, "--out", "locked/sweep"], 3, "locked/sweep", tmp_path)
