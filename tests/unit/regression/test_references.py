"""One set of images against two references, on either side; and what is counted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from samplebench.regression import Table, load_rows, update
from samplebench.regression.sidecar import Origin
from samplebench.results.row import value
from tests.unit.regression.judged import changed, judged, statuses
from tests.unit.regression.made import CONDITIONS, LABEL

MINE = "mine@12345678"


@pytest.fixture
def both(rows):
    """Every row against a second reference, too."""
    return [
        {**row, "reference": reference, "fd-digits": factor * row["fd-digits"]}
        for row in rows
        for reference, factor in ((LABEL, 1.0), (MINE, 2.0))
    ]


def known(rows, metrics):
    origin = Origin({**CONDITIONS, "metrics": metrics}, "here", "a cpu")
    return Table(rows, {row["cell"]: origin for row in rows}, frozenset({"here"}))


def test_each_is_a_point_of_its_own(both, rows):
    assert statuses(both, both) == statuses(both[::-1], both) == ["same"] * 6
    assert statuses(both, rows) == ["same"] * 3 + ["new"] * 3
    assert statuses(rows, both) == ["same", "missing"] * 3
    moved = [{**row, "fd-digits": 9.0} if row["reference"] == MINE else row for row in both]
    assert statuses(moved, both) == ["same", "moved"] * 3


def test_names_say_it_where_a_model_has_several(both, rows):
    names = [verdict.name for verdict in judged(both, both)]
    assert len(set(names)) == 6 and names[1].endswith(f"seed 0, reference {MINE}")
    assert [v.columns["reference"] for v in judged(both, both)] == [LABEL, MINE] * 3
    other = {**rows[0], "model": "other", "reference": MINE}
    for verdict in judged([*rows, other], [*rows, other]):
        assert "reference" not in verdict.name and not verdict.columns["reference"]


def test_a_metric_of_the_other_reference_is_not_missed(rows):
    """fd-digits against the first, fd-mine against the second, both of one set of images."""
    second = [{**row, "reference": MINE, "fd-mine": 1.0, "fd-mine_stderr": 0.1} for row in rows]
    for row in second:
        del row["fd-digits"], row["fd-digits_stderr"]
    metrics = {LABEL: ["fd-digits"], MINE: ["fd-mine"]}
    table = known([*rows, *second], metrics)
    assert statuses(table, table, None) == ["same"] * 6
    odd = [{**row, "fd-mine": None, "fd-digits": 1.0} for row in second]
    lost = known([*rows, *odd], metrics)
    assert statuses(lost, lost, None) == ["same"] * 3 + ["no value"] * 3


def test_a_folder_gives_its_scores_by_reference(make_view, against, tmp_path, monkeypatch):
    view = replace(against(make_view(repeats=2), "mine", "12345678" * 8), pending=0)
    for record in view.cells.values():
        record["provenance"] |= {"platform": "here", "hardware": "a cpu"}

    folder = SimpleNamespace(view=lambda: view)
    monkeypatch.setattr("samplebench.results.older_folder.opened", lambda path: folder)
    table = load_rows(tmp_path)
    assert len(table.rows) == len(view.rows) and len(table.origins) == len(view.cells)
    for row, found in zip(view.rows, table.rows, strict=True):
        assert found["reference"] == row["reference"]
        assert value(found, "fd-toy") == pytest.approx(value(row, "fd-toy"), rel=1e-11)
        (first, second) = table.origins_of(found)
        assert first == second
        assert first.conditions["extractors"] == {"toy": "ef" * 32}
        labels = ("toy-reference@cdcdcdcd", MINE)
        assert first.conditions["metrics"] == {label: ["fd-toy"] for label in labels}
    baseline = tmp_path / "made" / "baseline.csv"
    assert {verdict.status for verdict in update(tmp_path, baseline)} == {"new"}
    assert statuses(load_rows(tmp_path), load_rows(baseline), None) == ["same"] * len(view.rows)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depth": 5}, "depth 9 -> 5 (-44.4 %)"),
        ({"guide_nfe": 9}, "guide_nfe 0 -> 9"),
        ({"nfe": 10, "depth": 10}, "nfe 9 -> 10 (+11.1 %)"),
        ({"nfe": 18, "guide_nfe": 9}, "nfe 9 -> 18 (+100 %); guide_nfe 0 -> 9"),
    ],
)
def test_what_is_counted_is_compared_and_said_once(rows, changes, said):
    first, *others = judged(changed(rows, **changes), rows, "3sigma")
    assert first.status == "moved" and first.detail.startswith(said)
    assert first.detail.count("->") == said.count("->")
    assert [verdict.status for verdict in others] == ["same"] * 2
