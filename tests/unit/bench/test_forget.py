"""`samplebench forget`: an abandoned request stands in nobody's way; what was computed is kept."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.results.cell import PlannedScore
from samplebench.results.row import reference_label
from samplebench.results.store import SCHEMA, Store

SHEET = np.zeros((8, 8, 1), dtype=np.uint8)


def finish(store, cell, scores, value=1.5):
    """Files a cell and its scores as if they had been computed."""
    where = {"platform": "here", "hardware": "a cpu"}
    for score in scores:
        store.write_score(
            {
                "schema": SCHEMA,
                "score": score.hash,
                "conditions": dict(score.conditions),
                "value": {"value": value, "stderr": 0.25, "deleted": []},
                "provenance": where,
            }
        )
    store.write_cell(
        {
            "schema": SCHEMA,
            "cell": cell.hash,
            "conditions": dict(cell.conditions),
            "nfe": cell.nfe,
            "nfe_planned": cell.nfe,
            "seconds": {"sampling": 1.0},
            "provenance": where,
        },
        SHEET,
    )


def plan_of(**words):
    return planning.make(Request.of(sampler="heun", num_samples=100, **words))


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """They take longer than all else."""
    monkeypatch.setattr("samplebench.report.plots.write_figures", lambda view, out: [])


@pytest.fixture
def folder(tmp_path):
    """A finished request, one of which nothing is there, and one with a cell under way."""
    store = Store(tmp_path / "sweep", create=True)
    for words in ({"nfe": "5,9"}, {"nfe": 35}, {"nfe": "5,19", "seed": 1000}):
        plan = plan_of(**words)
        store.add_request(plan.request.words(), plan.rows)
    plan = plan_of(nfe="5,9")
    for cell in plan.cells.values():
        finish(store, cell, plan.scores[cell.hash].values())
    plan = plan_of(nfe="5,19", seed=1000)
    first, second = plan.cells.values()
    finish(store, first, plan.scores[first.hash].values())
    store.save_partial(second.hash, {"total": np.arange(1000.0)})
    return store.out


@pytest.fixture
def forget(folder, capsys):
    def call(*words):
        code = main(["forget", str(folder), *words])
        return code, *capsys.readouterr()

    return call


def numbers(folder):
    return [asked.number for asked in Store(folder).requests()]


def cells(folder):
    return {path.name: path.read_bytes() for path in (folder / "cells").iterdir()}


def test_a_list_of_what_was_asked(forget, folder):
    code, out, err = forget()
    assert (code, err) == (0, "")
    table = out.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table] == ["request", "1", "2", "3"]
    assert "model=digits-exact sampler=heun nfe=5,19 num_samples=100 seed=1000" in " ".join(
        table[3].split()
    )
    assert f"'samplebench forget {folder} N' drops one" in out
    found = json.loads(forget("--json")[1])
    assert [(f["request"], f["rows"], f["finished"], f["to go"]) for f in found] == [
        (1, 2, 2, 0), (2, 1, 0, 1), (3, 2, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "left"),
    [(["2"], [1, 3]), (["2", "3"], [1]), (["--unfinished"], [1]), (["1"], [2, 3])],
)
def test_requests_are_dropped_and_cells_kept(forget, folder, words, left):
    before = cells(folder)
    code, out, err = forget(*words)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert numbers(folder) == left and cells(folder) == before
    asked = "--unfinished" if 2 not in left and 3 not in left else words
    assert f"dropped request{'s' if len(asked) > 1 else ''} " in out
    # The table is that of what is left.
    with (folder / "results.csv").open() as file:
        seeds = sorted(row["seed"] for row in csv.DictReader(file))
    assert seeds == (["0", "0"] if 1 in left else []) + (["1000"] if 3 in left else [])


def test_what_nobody_asks_for_is_said(forget):
    _, out, _ = forget("3")
    assert "dropped request 3 (1 cell to go)" in out
    assert "kept, although no request uses them: 1 finished cell and 1 partial, 0.0 MB" in out
    document = json.loads(forget("2", "--json")[1])
    assert document["dropped"][0]["request"] == 2
    assert document["kept_unasked"]["cells"] == document["kept_unasked"]["partials"] == 1
    assert document["kept_unasked"]["bytes"] > 8000


def test_a_dry_run_changes_nothing(forget, folder):
    code, out, _ = forget("--unfinished", "--dry-run")
    assert code == 0 and "would drop requests 2, 3 (2 cells to go)" in out
    assert numbers(folder) == [1, 2, 3] and not (folder / "results.csv").exists()
    forget("--unfinished")
    assert "nothing is dropped" in forget("--unfinished")[1]


def test_a_dry_run_leaves_kept_files_and_those_under_way(forget, folder):
    cell = next((folder / "cells").glob("*.json")).stem
    Store(folder).kept.write(cell, "images", "", {"arr_0": np.zeros((2, 8, 8, 1), np.uint8)})
    (folder / "cells" / f".{cell}.json.1.tmp").touch()
    before = cells(folder)
    code, out, _ = forget("--kept", "--dry-run")
    assert code == 0 and "would drop 1 file of kept" in out
    assert cells(folder) == before and not (folder / ".lock").exists()
    assert "dropped 1 file of kept" in forget("--kept")[1] and not Store(folder).kept.of()


def test_half_of_a_finished_cell_that_is_sampled_again_is_dropped_too(forget, folder):
    (done, *_), (under_way,) = (
        sorted((folder / "cells").glob(p)) for p in ("*.json", "*.partial*")
    )
    store = Store(folder)
    store.save_partial(done.stem, {"total": np.arange(10.0)})
    store.rows(done.stem, "images", (2,), np.uint8).write(0, np.zeros((3, 2)))
    assert "dropped 2 files of kept" in forget("--kept")[1]
    assert [*(folder / "cells").glob("*.partial*")] == [under_way]


def test_an_abandoned_request_does_not_block_a_baseline(forget, folder, tmp_path, capsys):
    words = ["check", str(folder), "--baseline", str(tmp_path / "baseline.csv")]
    assert main([*words, "--update"]) == 2
    error = capsys.readouterr().err
    assert "2 cells to go" in error and f"'samplebench forget {folder}'" in error
    forget("--unfinished")
    assert main([*words, "--update"]) == main(words) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["7"], "request 7 is not in"),
        (["2", "--unfinished"], "one of these at a time"),
        (["2", "--kept"], "one of these at a time"),
    ],
)
def test_wrong_uses_end_with_one_line(forget, folder, words, message):
    code, out, err = forget(*words)
    assert (code, out, err.count("\n")) == (2, "", 1) and message in err
    assert numbers(folder) == [1, 2, 3]


def test_a_folder_that_is_written_to_is_left_alone(forget, folder):
    with Store(folder).locked():
        code, _, err = forget("2")
    assert code == 3 and "another run is writing to" in err
    assert numbers(folder) == [1, 2, 3]


class TestMerging:
    """What several sweeps of a folder come to, and what `check` makes of it."""

    @pytest.fixture
    def ask(self, tmp_path):
        """`ask(metrics, value, reference)`: a sweep of one cell into the folder."""
        store = Store(tmp_path / "sweep", create=True)
        (row,) = plan_of(nfe=9).rows
        (cell,) = row.cells
        ((score,),) = row.scores.values()

        def call(metrics, value=2.0, reference="a" * 64, done=True, **columns):
            facts = {"id": reference[:4], "sha256": reference}
            scores = {
                metric: (PlannedScore({**score.conditions, "metric": metric, "reference": facts}),)
                for metric in metrics
            }
            columns = {**row.columns, "reference": reference_label(*facts.values()), **columns}
            asked = replace(row, columns=columns, scores=scores)
            store.add_request(plan_of(nfe=9).request.words(), [asked])
            if done:
                finish(store, cell, [score for (score,) in scores.values()], value)
            return store

        return call

    @pytest.fixture
    def check(self, tmp_path, capsys):
        def call(*words):
            code = main(["check", "sweep", "--baseline", "baseline.csv", *words])
            return code, *capsys.readouterr()

        return call

    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_other_metrics_of_a_point_are_both_compared(self, ask, check, tmp_path):
        ask(["fd-digits"], 2.5)
        ask(["mine:kid"], 5.5)
        assert check("--update")[0] == check()[0] == 0
        text = (tmp_path / "baseline.csv").read_text()
        for old, new in ((",2.5,", ",7.5,"), (",5.5,", ",16.5,")):
            assert old in text
            (tmp_path / "baseline.csv").write_text(text.replace(old, new))
            code, out, _ = check()
            assert code == 1 and "1 moved" in out

    def test_metrics_of_a_point_are_one_row(self, ask):
        ask(["fd-digits"], 2.0)
        store = ask(["fd-digits", "mine:kid"], 3.0)
        (row,) = store.view().rows
        assert (row["fd-digits"], row["mine:kid"]) == (3.0, 3.0)
        (row,) = ask(["mine:kid"], 4.0).view().rows
        assert (row["fd-digits"], row["mine:kid"]) == (3.0, 4.0)

    def test_another_planned_nfe_is_no_other_point(self, ask):
        ask(["fd-digits"], 2.0)
        (row,) = ask(["fd-digits"], 3.0, nfe=18).view().rows
        assert row["fd-digits"] == 3.0

    def test_two_references_are_two_rows(self, ask, check):
        ask(["fd-digits"], 2.0)
        assert check("--update")[0] == 0
        ask(["fd-digits"], 3.0, "b" * 64, done=False)
        assert check()[0] == 0
        store = ask(["fd-digits"], 3.0, "b" * 64)
        found = {row["reference"]: row["fd-digits"] for row in store.view().rows}
        assert found == {"aaaa@aaaaaaaa": 2.0, "bbbb@bbbbbbbb": 3.0}
        code, out, _ = check()
        assert code == 0 and "1 new, 1 same" in out
        assert check("--update")[0] == check()[0] == 0
