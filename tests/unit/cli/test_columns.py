"""Tables in a terminal: every word is there, within the width, whatever the width is."""

from __future__ import annotations

import io
import re

import pytest

from samplebench.cli import columns
from samplebench.cli.columns import aligned, taken, wrap
from samplebench.cli.common import print_table

HEADS = ["checkpoint", "sampler", "nfe", "value", "source"]
ROWS = [
    ["edm-cifar10-uncond-vp", "dpmpp-3m final=sigma_min order=3 thresholding=True", "10",
     "-2.61416", "diff-sampler diff-solvers-main README table"],
    ["adm-imagenet64", "respaced variance=learned, epsilon scaling b=1.006", "1,000", "3.25",
     "openai/guided-diffusion issue 119"],
    ["模型-三", "拡散 サンプラー の 名前 は 長い", "5", "1e-05", "café naïve e\u0301te\u0301"],
]  # fmt: skip
CELLS = [HEADS, *ROWS]


def letters(text):
    return sorted(re.sub(r"\s", "", text))


def test_without_a_limit_every_row_is_a_line():
    lines = list(aligned(CELLS, None))
    assert len(lines) == 4
    for cells, line in zip(CELLS, lines, strict=True):
        place = 0
        for cell in cells:
            place = line.index(cell, place) + len(cell)
    assert taken("模型-三") == 7 and taken("e\u0301") == 1
    # Columns begin at the same place of the terminal in every line.
    starts = {taken(line[: line.index(cells[1])]) for cells, line in zip(CELLS, lines, strict=True)}
    assert len(starts) == 1


@pytest.mark.parametrize("width", [*range(20, 170, 6), 400])
def test_nothing_is_lost_and_nothing_is_wider(width):
    lines = list(aligned(CELLS, width))
    longest = max(taken(word) for row in CELLS for cell in row for word in cell.split())
    room = max(width, longest + max(map(len, HEADS)) + 2)
    assert all(taken(line) <= room for line in lines)
    columns_, blocks = CELLS, [HEADS] * len(ROWS) + ROWS
    said = ["".join(cell for row in rows for cell in row) for rows in (columns_, blocks)]
    assert letters("".join(lines)) == letters(said["" in lines])


@pytest.mark.parametrize("width", [75, 90, 110, 130])
def test_columns_that_fit_are_columns(width):
    lines = list(aligned(CELLS, width))
    assert max(map(taken, lines)) <= width
    # Words may break, numbers never do.
    for number in ("-2.61416", "1,000", "3.25", "1e-05", "1.006"):
        assert number in "\n".join(lines)


def test_the_first_column_keeps_its_words_longest():
    lines = list(aligned(CELLS, 90))
    assert any(line.startswith("edm-cifar10-uncond-vp ") for line in lines)


def test_where_columns_cannot_fit_each_row_is_a_block():
    lines = list(aligned(CELLS, 30))
    assert lines[0] == "checkpoint  edm-cifar10-uncond-vp"
    assert lines.count("") == len(ROWS) - 1
    # An id is whole, so that it can be copied.
    assert "source      openai/guided-diffusion" in lines


@pytest.mark.parametrize("width", [1, 3, 7, 20])
@pytest.mark.parametrize("text", ["", "-", "a b c", "a-b_c/d=1,000.5;e", " x  y ", "x" * 30])
def test_wrapped_text_is_the_text(text, width):
    for whole in (False, True):
        lines = wrap(text, width, whole)
        assert letters("".join(lines)) == letters(text)
        assert lines and all(line.strip() == line for line in lines)


def test_a_table_of_one_narrow_column():
    assert list(aligned([["id"], ["a"]], 1)) == ["id  a"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_a_terminals_width_is_kept_and_a_pipe_has_none(width, monkeypatch, capsys):
    rows = [dict(zip(HEADS, row, strict=True)) for row in ROWS]
    monkeypatch.setenv("COLUMNS", width)
    print_table(rows, as_json=False)
    assert capsys.readouterr().out.splitlines() == list(aligned(CELLS, None))
    monkeypatch.setattr(columns.sys, "stdout", terminal := Terminal())
    print_table(rows, as_json=False)
    assert terminal.getvalue().splitlines() == list(aligned(CELLS, int(width)))
