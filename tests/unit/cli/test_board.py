"""`samplebench board`: what it prints and writes, a user's sampler, and wrong words."""

from __future__ import annotations

import json
import sys

import pytest

from samplebench.board import entrants, measure, read_rows
from samplebench.board.excess import ExactDraws
from samplebench.board.table import EXACT
from samplebench.cli import main
from samplebench.registry import samplers

MINE = """
def slow_euler(model, x, grid, *, noise=None, callback=None):
    for a, b in zip(grid[:-1], grid[1:]):
        x = x + (b - a) * (x - model(x, a)) / a
    return x


def broken(model, x, grid, *, noise=None, callback=None):
    raise KeyError("nothing here")
"""


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Sets of 40 samples, three of them, in a folder with a sampler of the user's."""
    room = sys.modules[measure.__module__]  # the function has the name of its module
    for function in (entrants.points_of, measure):
        usual = function.__kwdefaults__
        monkeypatch.setattr(function, "__kwdefaults__", {**usual, "num_samples": 40, "repeats": 3})
    monkeypatch.setattr(room.sets_of, "__defaults__", (3,))
    monkeypatch.chdir(tmp_path)
    samplers.names()
    monkeypatch.setattr(samplers, "_entries", dict(samplers._entries))
    (tmp_path / "mine.py").write_text(MINE)


WORDS = ["--samplers", "euler,heun", "--models", "exact-2d", "--nfe", "4,6"]


def test_a_users_sampler_is_shown_among_the_rest(capsys, tmp_path):
    assert main(["board", "--sampler", "./mine.py:slow_euler", *WORDS, "--quiet"]) == 0
    printed = capsys.readouterr()
    assert "exact-2d. Two sets of exact draws are" in printed.out and printed.err == ""
    assert printed.out.count("yours") == 2
    rows = read_rows(tmp_path / "reports/board/board.csv")
    assert rows[0].sampler == EXACT
    assert {row.sampler for row in rows if row.guest} == {"mine.py:slow_euler"}
    page = (tmp_path / "reports/board/board.md").read_text()
    assert "**`mine.py:slow_euler`**" in page and "Not on the board" not in page
    page = (tmp_path / "reports/board/board.html").read_text()
    assert "mine.py:slow_euler (yours)" in page and "Not on the board" not in page


def test_the_same_command_says_the_same_and_measures_nothing(capsys, monkeypatch):
    words = ["board", *WORDS, "--json", "--quiet"]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(ExactDraws, "compared", None)
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert [row["rank"] for row in first] == [None, 1, 2, 1, 2]
    assert all(len(row["w2_each"]) == 3 and row["num_samples"] == 40 for row in first)


def test_progress_is_told_on_stderr(capsys):
    assert main(["board", *WORDS]) == 0
    said = capsys.readouterr()
    assert "done in" in said.err and "board.csv" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--models", "exact-2"], "unknown model 'exact-2' of the board; did you mean 'exact-2d'"),
        (["--models", "digits-vp"], "unknown model 'digits-vp' of the board"),
        (["--models", ","], "--models is empty"),
        (["--samplers", "huen"], "unknown sampler 'huen'; did you mean 'heun'"),
        (["--sampler", "huen"], "unknown sampler 'huen'"),
        (["--sampler", "respaced"], "sampler respaced cannot be on the board of exact-2d"),
        (["--sampler", "./mine.py:fast_euler"], "fast_euler"),
        (["--sampler", "./mine.py:broken", "--models", "exact-2d"], "nothing here"),
        (["--nfe", "0"], "nfe"),
        (["--nfe", "ten"], "nfe"),
        (["--nfe", "1", "--samplers", "restart"], "--nfe 1: too small"),
    ],
)
def test_wrong_words_end_in_one_line(words, said, capsys):
    assert main(["board", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_named(capsys, tmp_path):
    (tmp_path / "taken").write_text("")
    assert main(["board", *WORDS, "--out", "taken"]) == 2
    assert "--out taken exists and is not a folder" in capsys.readouterr().err


def test_names_of_one_algorithm_are_one_in_the_number_of_ranks(capsys):
    """`edm` without churn is `heun`; with churn it is another."""
    words = ["--samplers", "heun,edm,euler", "--models", "exact-2d", "--nfe", "8", "--quiet"]
    assert main(["board", *words]) == 0
    printed = capsys.readouterr().out
    assert printed.count(" of 3 ") == 4 and " of 4 " not in printed
