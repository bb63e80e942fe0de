"""Baselines on disk: the CSV, what is beside it, and what an update changes."""

from __future__ import annotations

import json

import pytest

from samplebench.errors import InputError
from samplebench.regression import Table, load_rows, sidecar, update
from samplebench.regression.sidecar import Origin
from samplebench.results.tables import write_csv
from tests.unit.regression.made import row


@pytest.fixture
def rows():
    return [row("euler"), row("heun"), row("edm", params="S_churn=10")]


@pytest.fixture
def put(rows, tmp_path):
    """`put(name, rows)`: a CSV with the origins of its cells."""

    def make(name, given=None, platform="here"):
        given = rows if given is None else given
        path = write_csv(given, tmp_path / name)
        origin = Origin({"block": 64, "model": "digits-exact"}, platform, "a processor")
        sidecar.write(path, {row["cell"]: origin for row in given}, {platform})
        return path

    return make


def said(verdicts):
    return [(verdict.status, verdict.row["sampler"]) for verdict in verdicts]


def test_a_csv_and_what_is_beside_it(rows, put):
    table = load_rows(put("results.csv"))
    assert table.rows == rows
    assert table.platforms == {"here"}
    origins = table.origins_of(rows[0])
    assert origins is not None and origins[0].conditions["block"] == 64
    assert table.origins_of({"cell": f"{rows[0]['cell']} {'0' * 64}"}) is None


def test_cells_of_one_origin_are_one_entry(rows, put):
    content = json.loads(sidecar.beside(put("results.csv")).read_text())
    (group,) = content["origins"]
    assert sorted(group["cells"]) == sorted(row["cell"] for row in rows)
    assert (group["platform"], group["hardware"]) == ("here", "a processor")


def test_older_files_of_platforms_alone_are_read(rows, tmp_path):
    path = write_csv(rows, tmp_path / "results.csv")
    assert load_rows(path) == Table(rows)
    (tmp_path / "results.provenance.json").write_text(json.dumps({"platforms": ["a", "b"]}))
    assert load_rows(path) == Table(rows, platforms=frozenset({"a", "b"}))


def test_an_update_copies_table_and_origins(put, tmp_path):
    path, baseline = put("results.csv"), tmp_path / "deep" / "baseline.csv"
    verdicts = update(path, baseline)
    assert {verdict.status for verdict in verdicts} == {"new"}
    assert baseline.read_bytes() == path.read_bytes()
    assert load_rows(baseline) == load_rows(path)
    assert sorted(p.name for p in baseline.parent.iterdir()) == [
        "baseline.csv",
        "baseline.provenance.json",
    ]
    assert {verdict.status for verdict in update(path, baseline)} == {"same"}


def test_an_update_says_what_it_changes(rows, put):
    baseline = put("baseline.csv", rows[:2])
    moved = {**rows[1], "fd-digits": 2.0000001}
    verdicts = update(put("results.csv", [moved, rows[2]]), baseline)
    assert said(verdicts) == [("missing", "euler"), ("moved", "heun"), ("new", "edm")]
    assert verdicts[1].moves[0].pair() == ("2", "2.0000001")
    assert [row["sampler"] for row in load_rows(baseline).rows] == ["heun", "edm"]
    assert len(load_rows(baseline).origins) == 2


def test_an_update_of_a_part_keeps_the_rest(rows, put):
    baseline = put("baseline.csv")
    seeds = [{**rows[1], "seed": seed, "cell": f"{seed:064d}"} for seed in (100, 200)]
    update(put("results.csv", seeds, "there"), baseline, subset=True)
    found = load_rows(baseline)
    # The new seeds of a point take the place of all of its old ones.
    assert [(row["sampler"], row["seed"]) for row in found.rows] == [
        ("euler", 0),
        ("heun", 100),
        ("heun", 200),
        ("edm", 0),
    ]
    assert [sorted(found.platforms_of(row)) for row in found.rows] == [
        ["here"], ["there"], ["there"], ["here"],
    ]  # fmt: skip
    assert rows[1]["cell"] not in found.origins


def test_an_update_mends_a_damaged_file_of_origins(put):
    baseline = put("baseline.csv")
    sidecar.beside(baseline).write_text("{")
    update(put("results.csv"), baseline)
    assert load_rows(baseline) == load_rows(put("results.csv"))


def test_an_update_overwrites_no_other_file(put, tmp_path):
    other = tmp_path / "README.md"
    other.write_text("# mine\n")
    with pytest.raises(
        InputError, match=r"README\.md is not a results\.csv.*name another --baseline"
    ):
        update(put("results.csv"), other)
    assert other.read_text() == "# mine\n"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="does not exist; give a results folder or a results"):
        load_rows(tmp_path / "results.csv")


@pytest.mark.parametrize(
    "content",
    [b"", b"model,sampler\n", b"model,sampler\na,b\n", b"\xff\xfe\x00", b"rho\nseven\n"],
    ids=["empty", "no rows", "few columns", "no text", "no number"],
)
def test_a_file_that_is_no_table(tmp_path, content):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is not a results\.csv"):
        load_rows(path)


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", "{}", '{"platforms": 3}', '{"platforms": [], "origins": 3}',
        '{"platforms": [], "origins": [{}]}', '{"platforms": [], "origins": {"a": 1}}',
        '{"platforms": [], "origins": [{"cells": ["a"], "conditions": [1]}]}',
    ],
)  # fmt: skip
def test_a_damaged_file_of_origins_is_named(rows, tmp_path, content):
    path = write_csv(rows, tmp_path / "results.csv")
    (tmp_path / "results.provenance.json").write_text(content)
    with pytest.raises(InputError, match=r"results\.provenance\.json is damaged"):
        load_rows(path)
