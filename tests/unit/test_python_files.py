"""Names that say a file, "./file.py:function": what runs, its name, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

import samplebench as sb
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.registry.python_files import find, is_place

MINE = '''
from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

import beside

SCALE = 1.0


@dataclass
class Levels:
    grid: list


def walk(model, x, grid, scale=1.0):
    """Euler's."""
    levels = Levels(grid.tolist()).grid
    for s, t in zip(levels, levels[1:]):
        x = x + SCALE * scale * beside.FACTOR * (t - s) * (x - model(x, s)) / s
    return x


half = partial(walk, scale=0.5)
number = 3


def even(steps, *, sigma_min=0.002, sigma_max=80.0, bend=1.0):
    return sigma_max * (sigma_min / sigma_max) ** (np.linspace(0, 1, steps) ** bend)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with mine.py and a helper beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    samplers.names()
    monkeypatch.setattr(samplers, "_entries", dict(samplers._entries))
    write(tmp_path)
    return tmp_path


def write(folder: Path, text: str = MINE, factor: float = 1.0) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(text)
    (folder / "beside.py").write_text(f"FACTOR = {factor}\n")


def cells(sampler: str = "./mine.py:walk", **words) -> list[str]:
    words = {"model": "digits-exact", "nfe": 4, "num_samples": 40, **words}
    return list(make(Request.of(sampler=sampler, **words)).cells)


def samples(sampler: str) -> torch.Tensor:
    return sb.sample(sb.load("digits-exact"), sampler, steps=3, seeds=range(2))


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("./mine.py:walk", True), ("mine.py:walk", True), ("a b/mine.py:walk", True),
        ("~/mine.py:walk", True), ("/abs/mine.py:walk", True), ("./mine:walk", True),
        ("./mine.py", True), ("mine.py:", True), ("package.module:walk", False),
        ("heun", False), ("mine:Outer.walk", False), ("80/20/5", False),
    ],
)  # fmt: skip
def test_which_names_are_places(name, place):
    assert is_place(name) is place


@pytest.mark.parametrize(
    "written", ["./mine.py:walk", "mine.py:walk", "{}/mine.py:walk", "~/mine.py:walk"]
)
def test_a_function_in_a_file_is_a_sampler_by_its_files_name(written, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    written = written.format(folder)
    (row,) = make(Request.of(model="digits-exact", sampler=written, nfe=4, num_samples=40)).rows
    assert row.columns["sampler"] == row.cells[0].conditions["sampler"] == "mine.py:walk"
    assert samples(written).numpy() == pytest.approx(samples("euler").numpy(), abs=1e-12)


def test_what_it_is_called_says_nothing_of_its_folder(folder):
    here = cells()
    write(folder / "else where")
    assert cells("else where/mine.py:walk") == here


def test_an_edit_is_another_cell_and_a_comment_is_none(folder):
    first = cells()
    write(folder, MINE.replace("SCALE = 1.0", "SCALE = 2.0"))
    edited = cells()
    write(folder, MINE, factor=0.5)
    helper = cells()
    write(folder, MINE.replace("SCALE * scale", "SCALE * scale * 2"))
    code = cells()
    assert len({*first, *edited, *helper, *code}) == 4
    write(folder, "# a remark\n" + MINE.replace("Euler's.", "Of Euler."))
    assert cells() == first


def test_an_edit_within_the_second_is_what_runs(folder):
    """Also of a helper, whose compiled form Python tells by second and size."""
    first = samples("./mine.py:walk")
    write(folder, factor=2.0)
    second = samples("./mine.py:walk")
    write(folder, factor=1.0)
    assert not torch.equal(first, second)
    assert torch.equal(first, samples("./mine.py:walk"))
    assert not (folder / "__pycache__").exists()


def test_two_files_of_one_name_have_helpers_of_one_name(folder):
    write(folder / "other", factor=0.5)
    before = samples("./mine.py:walk")
    other = samples("other/mine.py:walk")
    assert not torch.equal(before, other)
    assert torch.equal(before, samples("./mine.py:walk"))


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("here", ["./mine.py:walk", "mine.py:walk"])
def test_two_of_one_name_are_refused_in_a_sweep(here, order, folder):
    write(folder / "other")
    names = [here, "other/mine.py:walk"][:: 1 - 2 * order]
    with pytest.raises(UsageError, match=r"two samplers are called mine.py:walk: .* rename one"):
        cells(names)
    assert len(cells(["mine.py:walk", "./mine.py:walk"])) == 1


def test_a_file_that_registers_keeps_its_facts(folder):
    text = MINE + "from samplebench.registry import samplers\n"
    write(folder, text + "samplers.register('walked', order=1)(walk)\n")
    assert samplers.entry("./mine.py:walk").name == "walked"
    samplers.renew("./mine.py:walk")
    assert samplers.entry("./mine.py:walk").order == 1


def test_every_word_of_a_sweep_may_be_a_place(folder):
    words = {
        "sampler": "./mine.py:walk",
        "discretization": "./mine.py:even,80/20/5/1",
        "param": "./mine.py:walk.scale=0.5,./mine.py:walk.bend=2",
    }
    plan = make(Request.of(model="digits-exact", nfe=4, num_samples=40, **words))
    told = {(r.columns["sampler"], r.columns["discretization"]) for r in plan.rows}
    assert told == {("mine.py:walk", "mine.py:even"), ("mine.py:walk", "80/20/5/1")}
    again = make(Request.of(**plan.request.words()))
    assert [*again.cells] == [*plan.cells]
    named = make(Request.of(**{**plan.request.words(), "param": words["param"].replace("./", "")}))
    assert [*named.cells] == [*plan.cells]


def test_parameters_in_a_file_are_kept_by_either_name(folder):
    base = {"sampler": "euler", "param": {"mine.py:walk": {"scale": 2}, "euler": {"S_churn": 1}}}
    merged = Request.merged(base, {"sampler": "./mine.py:walk"})
    assert merged.param == {"mine.py:walk": {"scale": (2,)}}


def test_a_parameter_said_by_both_names_is_refused(folder):
    words = {"./mine.py:walk": {"scale": 1}, "mine.py:walk": {"scale": 2}}
    with pytest.raises(UsageError, match="leave one out"):
        cells(param=words)


FAULTS = {
    "mien.py:walk": r"unknown file 'mien.py'; did you mean 'mine.py'",
    "./no/mine.py:walk": "there is no folder no",
    "./mine.py:wlak": "unknown function 'wlak' of mine.py; did you mean 'walk'",
    "./mine.py": "names no function; write mine.py:NAME, of Levels, walk, half, even",
    "./mine.py:": "names no function",
    "./mine.py:number": "is not callable; mine.py has",
    "./beside.txt:walk": "is not a .py file",
    "./sub.py:walk": "is a folder",
    "./syntax.py:f": "syntax.py is not Python, line 2",
    "./latin.py:f": r"latin.py is not UTF-8 \(at line 1",
    "./raises.py:f": r"fails when it is run, line 2 \(ZeroDivisionError",
    "./leaves.py:f": r"fails when it is run, line 1 \(SystemExit: 0\)",
    "./zero.py:f": "not text: a zero byte",
    "./itself.py:f": "is used by its own file",
    "./relative.py:f": r"line 1 \(ImportError",
    "./zero\0.py:f": "is not a path",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line(name, folder):
    (folder / "sub.py").mkdir()
    (folder / "beside.txt").write_text("")
    for file, content in {
        "syntax.py": b"x = 1\ndef f(:\n", "latin.py": b"f = '\xe9'\n", "raises.py": b"\n1 / 0\n",
        "leaves.py": b"raise SystemExit(0)\n", "zero.py": b"x = 1\n\0\n",
        "relative.py": b"from .beside import FACTOR\n",
        "itself.py": b"from samplebench.registry import samplers\nsamplers.entry('itself.py:f')\n",
    }.items():  # fmt: skip
        (folder / file).write_bytes(content)
    modules = {*sys.modules}
    for _ in range(2):  # what failed is not there the second time
        with pytest.raises(UsageError, match=FAULTS[name]) as caught:
            find(name, "sampler")
        assert "\n" not in str(caught.value)
    assert not any("/" in each for each in {*sys.modules} - modules - {"./mine.py"})


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.py")
    with pytest.raises(sb.errors.InputError, match="is a pipe"):
        find("./pipe.py:f", "sampler")


def test_no_package_is_hidden(folder):
    (folder / "samplebench.py").write_text(
        "def f(model, x, grid):\n    for s in grid[:-1]:\n        x = model(x, s)\n    return x\n"
    )
    (folder / "torch.py").write_text("raise RuntimeError\n")
    entry = samplers.entry("./samplebench.py:f")
    assert (entry.name, entry.builtin) == ("samplebench.py:f", False)
    (row,) = make(Request.of(model="digits-exact", sampler="samplebench.py:f", nfe=4)).rows
    assert "sampler_code" in row.cells[0].conditions
    import samplebench

    assert samplebench is sb
