"""Tables and what is beside them, read strictly: what no run can have written is refused."""

from __future__ import annotations

import json

import pytest

from samplebench.errors import InputError
from samplebench.regression import load_rows, sidecar
from samplebench.regression import rows as reading
from samplebench.results.tables import to_csv
from tests.unit.regression.made import row


@pytest.fixture(scope="module")
def table():
    """Header and two rows of a results.csv, as lists of texts."""
    rows = [row(name, repeats=2, **{"fd-digits": 2.5}) for name in ("euler", "heun")]
    return [line.split(",") for line in to_csv(rows).splitlines()]


@pytest.fixture
def put(tmp_path):
    def write(lines, end="\n", start="", name="results.csv"):
        path = tmp_path / name
        path.write_bytes((start + end.join(",".join(line) for line in lines) + end).encode())
        return path

    return write


def with_entry(table, column, text, line=1):
    """The table with one entry of a row replaced."""
    lines = [list(found) for found in table]
    lines[line][table[0].index(column)] = text
    return lines


def refused(path):
    with pytest.raises(InputError) as error:
        load_rows(path)
    text = str(error.value)
    assert text.startswith(f"{path} is not a results.csv (") and text.isprintable()
    return text


@pytest.mark.parametrize("end", ["sd", "min", "max"])
def test_columns_over_repeats(put, end):
    rows = [row(name, repeats=2, **{f"fd-digits_{end}": 1.5}) for name in ("euler", "heun")]
    lines = [line.split(",") for line in to_csv(rows).splitlines()]
    assert [one[f"fd-digits_{end}"] for one in load_rows(put(lines)).rows] == [1.5, 1.5]
    text = "-1.5" if end == "sd" else "1_5"
    assert f"fd-digits_{end} is" in refused(put(with_entry(lines, f"fd-digits_{end}", text)))


HASH = "0" * 64
FAULTS = [
    *[("repeats", text) for text in ("0", "-1", "", "3", "1000000000", "1.5", "nan", "x")],
    *[("seed", text) for text in ("", "-1", "1e30", "0x1", "1_0", "\u0663", " 3", "true")],
    *[("num_samples", text) for text in ("", "0", "-100", "inf")],
    *[("nfe", text) for text in ("", "0", "-9", "nan", "inf", "1e400")],
    *[("nfe_requested", text) for text in ("0", "-1", "2.5")],
    *[("steps", "-1"), ("rho", "inf"), ("rho", "-7"), ("rho", "nan")],
    *[("cell", text) for text in ("", HASH, f"{HASH} {HASH}", f"{HASH} {'1' * 63}", "x y")],
    *[("fd-digits", text) for text in ("1_000", " 3 ", "\u0663", "0x3", "True", "2,5", "--1")],
    *[("fd-digits_stderr", text) for text in ("-0.25", "-1e9", "inf", "1e400", "none")],
    *[("model", text) for text in ("", "a\x1b[31m", "\u202eb", "a\x00")],
    *[("params", text) for text in ("\x07", "a\u2028b")],
]  # fmt: skip


@pytest.mark.parametrize(("column", "text"), FAULTS)
def test_what_no_run_can_have_written(table, put, column, text):
    for line in (1, 2):
        lines = with_entry(table, column, f'"{text}"' if "," in text else text, line)
        found = refused(put(lines))
        assert f"line {line + 1}" in found and (column in found or column == "cell")


@pytest.mark.parametrize(
    ("text", "value"),
    [("9.0", 9), ("7.5", 7.5), ("9.", 9), ("900e-2", 9)],
)
def test_numbers_as_others_write_them(table, put, text, value):
    first, _ = load_rows(put(with_entry(table, "nfe", text))).rows
    assert first["nfe"] == value


@pytest.mark.parametrize(("end", "start"), [("\r\n", ""), ("\n", "\ufeff"), ("\n\n", "")])
def test_what_an_editor_changes_changes_nothing(table, put, end, start):
    assert load_rows(put(table, end, start)).rows == load_rows(put(table, name="b.csv")).rows


class TestColumns:
    def more(self, table, name, text="1"):
        head, *lines = table
        return [[*head[:-1], name, head[-1]], *([*r[:-1], text, r[-1]] for r in lines)]

    @pytest.mark.parametrize("name", ["fd-digits", "fd-digits_stderr", "seed", "cell"])
    def test_one_twice_is_refused(self, table, put, name):
        assert f"line 1: column '{name}' occurs twice" in refused(put(self.more(table, name)))

    def test_one_without_a_name(self, table, put):
        assert "a column has no name" in refused(put(self.more(table, "")))

    def test_an_error_without_its_value(self, table, put):
        renamed = [["fid" if c == "fd-digits" else c for c in table[0]], *table[1:]]
        assert "column fd-digits_stderr has no column fd-digits" in refused(put(renamed))

    @pytest.mark.parametrize("mark", [";", "\t"])
    def test_another_separator(self, table, put, tmp_path, mark):
        path = tmp_path / "other.csv"
        path.write_text("\n".join(mark.join(line) for line in table))
        assert load_rows(path).rows == load_rows(put(table)).rows


class TestRows:
    @pytest.mark.parametrize("at", [1, 2, 3])
    @pytest.mark.parametrize("text", ["2.5", "7.5", "nan", ""])
    def test_one_twice_is_refused(self, table, put, at, text):
        double = with_entry(table, "fd-digits", text)[1]
        found = refused(put([*table[:at], double, *table[at:]]))
        assert "is the same point as line 2" in found

    def test_two_of_other_metrics_are_one_point(self, table, put):
        head, first, second = table
        values = head.index("fd-digits")
        head = [*head[:-1], "kid", "kid_stderr", "cell"]
        other = [*first[:values], "", "", "0.5", "0.1", f"{'0' * 64} {'1' * 64}"]
        lines = [head, [*first[:-1], "", "", first[-1]], [*second[:-1], "", "", second[-1]], other]
        assert len(load_rows(put(lines)).rows) == 3
        other[values : values + 2] = ["2.5", "0.25"]
        assert "line 4 is the same point as line 2" in refused(put(lines))


def test_a_file_larger_than_any_table(table, put, monkeypatch):
    path = put(table)
    monkeypatch.setattr(reading, "MOST_BYTES", path.stat().st_size - 1)
    assert "larger than" in refused(path)


CELL = {"cells": [HASH], "conditions": {}, "platform": "here", "hardware": "a cpu"}


def beside(**changes):
    return json.dumps({"platforms": ["here"], "origins": [{**CELL, **changes}]})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (beside(platform=None), "platform is not a text"),
        (beside(platform="there"), "platform 'there' is not among platforms"),
        (beside(hardware=3), "hardware is not a text"),
        (beside(cells="abc"), "cells is not a list"),
        (beside(cells=["abc"]), "cell 'abc' is not a hash"),
        (beside(cells=[1]), "cell 1 is not a hash"),
        (beside(cells=[HASH, HASH]), "occurs twice"),
        (beside(conditions=[]), "conditions is not an object"),
        (json.dumps({"platforms": ["here"], "origins": [CELL, CELL]}), "occurs twice"),
        (json.dumps({"platforms": ["here", 3]}), "platforms are not all names"),
        ('{"platforms": ["here"], "platforms": ["there"]}', "a key occurs twice"),
        ('{"platforms": ["here"], "origins": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        (beside(conditions={"a": json.loads("[" * 50 + "]" * 50)}), "nested too deeply"),
        (beside(platform="\n::error::x"), "not among platforms"),
    ],
)
def test_a_damaged_file_of_origins_is_named(table, put, content, reason):
    path = put(table)
    sidecar.beside(path).write_text(content)
    with pytest.raises(InputError) as error:
        load_rows(path)
    text = str(error.value)
    assert f"{sidecar.beside(path)} is damaged (" in text and reason in text
    assert text.isprintable() and "make it again with --update" in text
