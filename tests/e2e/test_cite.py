"""`samplebench cite`: the BibTeX of what a run used, as a file that BibTeX can read."""

from __future__ import annotations

import json

import pytest

from samplebench import __version__
from samplebench.citations import bibliography, parse

# Runs a command line where torch cannot be imported.
WITHOUT = """
import sys
sys.modules["torch"] = None
from samplebench.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_what_a_run_used(samplebench, finished):
    done = samplebench("cite", finished)
    assert (done.code, done.err) == (0, "")
    assert list(parse(done.out)) == [
        "samplebench", "alpaydin1998digits", "heusel2017gans", "karras2022edm", "song2021score",
    ]  # fmt: skip
    assert f"version = {{{__version__}}}" in done.out
    assert "% sampler euler, sampler heun, discretization edm\n@inproceedings{karras" in done.out
    # BibTeX skips all that stands outside of entries, unless it holds an @.
    between = done.out
    for entry in parse(done.out).values():
        between = between.replace(entry, "")
    assert "@" not in between and all(line[:1] in ("", "%") for line in between.splitlines())


def test_json_says_what_for(samplebench, finished):
    found = json.loads(samplebench("cite", finished, "--json").out)
    assert found["song2021score"]["for"] == ["sampler euler"]
    assert found["song2021score"]["entry"] == bibliography()["song2021score"]
    assert found["samplebench"]["for"] == [f"samplebench {__version__}"]


def test_by_name_and_everything(samplebench):
    assert list(parse(samplebench("cite", "ddim", "iddpm").out)) == [
        "samplebench", "karras2022edm", "nichol2021improved", "song2021ddim",
    ]  # fmt: skip
    assert list(parse(samplebench("cite").out)) == list(bibliography())
    assert list(parse(samplebench("cite", "samplebench").out)) == ["samplebench"]


def test_a_folder_that_is_called_like_a_sampler(samplebench, copied):
    copied.rename(copied.with_name("ddim"))
    assert "song2021ddim" in parse(samplebench("cite", "ddim").out)
    assert "song2021ddim" not in parse(samplebench("cite", "./ddim").out)
    both = parse(samplebench("cite", "./ddim", "ddim").out)
    assert {"song2021ddim", "heusel2017gans"} <= set(both)


def test_no_torch_is_needed(python, copied):
    done = python("-c", WITHOUT, "cite", "sweep")
    assert done.code == 0, done.err
    assert "karras2022edm" in parse(done.out)


def test_others_code_is_named(samplebench, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def straight(model, x, grid, *, noise=None, callback=None):\n"
        "    for sigma in grid.tolist()[:-1]:\n        x = model(x, sigma)\n    return x\n"
    )
    words = ("--sampler", "mine:straight", "--nfe", "5", "--num-samples", "70", "--out", "sweep")
    assert samplebench("run", *words, "--quiet").code == 0
    done = samplebench("cite", "sweep")
    assert done.code == 0
    assert done.err == "there is no BibTeX entry for: sampler mine:straight\n"
    assert "heusel2017gans" in parse(done.out)
    assert samplebench("cite", "sweep", "--quiet") == (0, done.out, "")


@pytest.mark.parametrize("kept", ["requests", "nothing"])
def test_a_sweep_without_a_cell(samplebench, copied, kept, one_line):
    for path in (copied / "cells").iterdir():
        path.unlink()
    if kept == "nothing":
        for path in (copied / "requests").iterdir():
            path.unlink()
    one_line(samplebench("cite", "sweep"), 2, "sweep has no finished cell yet; run its sweep")
