"""Tables of schema 1, which say neither reference nor depth, against those of today."""

from __future__ import annotations

import copy
import json

import pytest

from samplebench.errors import InputError
from samplebench.regression import Gate, compare, load_rows, sidecar, update
from samplebench.regression.sidecar import Origin
from samplebench.regression.tolerance import parse
from samplebench.results.tables import write_csv
from tests.unit.regression.made import CONDITIONS, LABEL, OLDER, older, row


def put(path, rows, conditions=None, schema=None):
    """A CSV, as it was written then where the rows are of then; with origins where told."""
    path.parent.mkdir(exist_ok=True)
    if "depth" in rows[0]:
        write_csv(rows, path)
    else:
        head = list(rows[0])
        lines = [head, *([row[key] for key in head] for row in rows)]
        path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
    if conditions:
        cells = [cell for row in rows for cell in row["cell"].split()]
        facts = {"conditions": conditions, "platform": "here", "hardware": "a cpu"}
        content = {"platforms": ["here"], "origins": [{"cells": cells, **facts}]}
        content |= {"schema": schema} if schema else {}
        sidecar.beside(path).write_text(json.dumps(content))
    return path


@pytest.fixture
def then(rows, tmp_path):
    return put(tmp_path / "then" / "baseline.csv", older(rows), OLDER)


@pytest.fixture
def now(rows, tmp_path):
    return put(tmp_path / "results.csv", rows, CONDITIONS, 2)


def judged(current, baseline, tolerance=None):
    rules = parse([tolerance] if tolerance else [], ["fd-digits"])
    outcome = compare(load_rows(current), load_rows(baseline), Gate(rules))
    return [(verdict.status, verdict.note) for verdict in outcome.verdicts]


def test_a_table_of_schema_1_is_read(then, rows):
    table = load_rows(then)
    assert table.rows == [{**row, "cell": row["cell"][::-1]} for row in rows]
    (origin,) = table.origins_of(table.rows[0])
    assert origin == Origin({**CONDITIONS, "numerics": 1}, "here", "a cpu")


def test_it_is_compared_with_results_of_today(then, now, rows, tmp_path):
    assert judged(now, then) == judged(then, now) == [("same", "")] * 3
    moved = [{**row, "fd-digits": 1.1 * row["fd-digits"]} for row in rows]
    moved = put(tmp_path / "moved.csv", moved, CONDITIONS, 2)
    assert judged(moved, then) == [("moved", "differs: numerics 1 -> 2")] * 3
    other = {**CONDITIONS, "extractors": {"digits": "d" * 64}}
    other = put(tmp_path / "other.csv", rows, other, 2)
    (status, note), *_ = judged(other, then)
    assert status == "conditions differ"
    assert note == "extractor digits weights sha256 def48480f8f6 -> dddddddddddd"


def test_another_reference_is_named_on_both_sides(then, rows, tmp_path):
    others = [{**row, "reference": "mine@12345678"} for row in rows]
    conditions = {**CONDITIONS, "metrics": {"mine@12345678": ["fd-digits"]}}
    current = put(tmp_path / "results.csv", others, conditions, 2)
    note = f"reference {LABEL} -> mine@12345678"
    assert judged(current, then) == [("conditions differ", note)] * 3
    assert judged(current, then, "3sigma") == [("conditions differ", note)] * 3


class TestWithoutOrigins:
    """Nothing says the reference then: the table is held to that of the other side."""

    @pytest.fixture
    def bare(self, rows, tmp_path):
        return put(tmp_path / "bare.csv", older(rows))

    def test_other_cells_are_refused_as_ever(self, bare, now):
        assert {row["reference"] for row in load_rows(bare).rows} == {""}
        for found, mend in ((judged(now, bare), "--update"), (judged(bare, now), "results folder")):
            assert [status for status, _ in found] == ["conditions differ"] * 3
            assert found[0][1].startswith(f"the cells differ, and {bare} has no .provenance")
            assert mend in found[0][1]

    def test_a_part_of_it_has_one_reference_as_far_as_is_known(self, bare, rows, tmp_path):
        current = load_rows(put(tmp_path / "part.csv", rows[1:], CONDITIONS, 2))
        verdicts = compare(current, load_rows(bare), Gate(subset=True)).verdicts
        assert [verdict.columns["reference"] for verdict in verdicts] == ["", ""]

    def test_equal_cells_are_compared(self, bare, then, rows, tmp_path):
        assert judged(bare, bare) == judged(then, bare) == judged(bare, then) == [("same", "")] * 3
        moved = older([{**row, "fd-digits": 1.1 * row["fd-digits"]} for row in rows])
        assert [s for s, _ in judged(put(tmp_path / "m.csv", moved), then)] == ["moved"] * 3

    def test_other_seeds_are_said_alone(self, bare, now, rows, tmp_path):
        seeds = put(tmp_path / "s.csv", [{**row, "seed": 7} for row in rows], CONDITIONS, 2)
        (_, note), *_ = judged(seeds, bare)
        assert note.startswith("seed 0 -> 7; use --tolerance 3sigma")

    def test_an_update_of_a_part_replaces_its_points(self, bare, rows, tmp_path):
        part = put(tmp_path / "part.csv", rows[1:2], CONDITIONS, 2)
        update(part, bare, subset=True)
        found = load_rows(bare)
        assert [row["reference"] for row in found.rows] == ["", LABEL, ""]
        assert [row["sampler"] for row in found.rows] == ["euler", "heun", "edm"]
        assert found.rows[1] == rows[1]


def test_an_update_writes_what_is_written_today(then, now, rows):
    before = load_rows(then)
    assert {verdict.status for verdict in update(then, then)} == {"same"}
    assert load_rows(then) == before
    head = then.read_text().partition("\n")[0].split(",")
    assert {"reference", "depth", "guidance", "guide_nfe"} <= {*head}
    content = json.loads(sidecar.beside(then).read_text())
    assert content["schema"] == 2
    assert content["origins"][0]["conditions"] == {**CONDITIONS, "numerics": 1}
    update(now, then)
    assert load_rows(then) == load_rows(now)


def test_a_table_with_some_of_the_later_columns_is_of_no_schema(rows, tmp_path):
    odd = [{k: v for k, v in row.items() if k != "reference"} for row in rows]
    path = tmp_path / "odd.csv"
    lines = [list(odd[0]), *(list(row.values()) for row in odd)]
    path.write_text("\n".join(",".join(map(str, line)) for line in lines))
    with pytest.raises(InputError, match=r"is not a results\.csv: columns or rows are missing"):
        load_rows(path)


@pytest.mark.parametrize(
    ("schema", "change", "reason"),
    [
        (None, {"reference": "digits"}, "reference is not an object"),
        (None, {"reference": {"id": 3}}, "id is not a text"),
        (None, {"reference": {"id": "a\x1b"}}, "which has control characters"),
        (None, {"protocol": 3}, "protocol is not an object"),
        (None, {"extractor": {"name": ["a"]}}, "name is not a text"),
        (None, {"metrics": [3]}, "metrics are not all names"),
        (2, {"metrics": ["fd-digits"]}, "metrics is not an object"),
        (2, {"metrics": {LABEL: [3]}}, "are not all names"),
        (2, {"extractors": {"digits": 3}}, "digits is not a text"),
        (3, {}, "schema is 3, this samplebench reads 2"),
        ("2", {}, "schema is not a whole number"),
    ],
    ids=str,
)
def test_what_beside_it_cannot_be_meant_is_named(rows, tmp_path, schema, change, reason):
    found = CONDITIONS if schema else OLDER
    path = put(tmp_path / "results.csv", rows, {**copy.deepcopy(found), **change}, schema)
    with pytest.raises(InputError, match=r"provenance\.json is damaged") as error:
        load_rows(path)
    assert reason in str(error.value) and str(error.value).isprintable()


def test_repeats_of_two_references_say_none(tmp_path):
    two = row(repeats=2)
    path = put(tmp_path / "a.csv", older([two]), OLDER)
    assert load_rows(path).rows[0]["reference"] == LABEL
    content = json.loads(sidecar.beside(path).read_text())
    (group,) = content["origins"]
    other = copy.deepcopy(group)
    other["conditions"]["reference"]["id"] = "mine"
    other["cells"] = [group["cells"].pop()]
    content["origins"].append(other)
    sidecar.beside(path).write_text(json.dumps(content))
    assert load_rows(path).rows[0]["reference"] == ""
