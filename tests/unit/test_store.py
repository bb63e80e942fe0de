"""A results folder: whose it is, what is in it, what a damaged file is told."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.bench.store import SCHEMA, Store
from samplebench.errors import EnvironmentError_, InputError

SHEET = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16, 1)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out", create=True)


def record(cell, value=1.5, stderr=0.25, nfe=9):
    return {
        "schema": SCHEMA,
        "cell": cell,
        "nfe": nfe,
        "values": {"fd-digits": {"value": value, "stderr": stderr}},
    }


def plan_of(**words):
    return planning.make(Request.of(sampler="heun", nfe="5,9", num_samples=100, **words))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestFolder:
    def test_it_is_made_and_opened_again(self, tmp_path):
        out = tmp_path / "deep" / "out"
        Store(out, create=True)
        assert names(out) == ["samplebench.json"]
        Store(out)
        Store(out, create=True)

    def test_an_empty_folder_may_become_one(self, tmp_path):
        Store(tmp_path, create=True)
        assert (tmp_path / "samplebench.json").is_file()

    def test_a_folder_of_others_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("dear to someone")
        with pytest.raises(InputError, match="exists and is not a results folder"):
            Store(tmp_path, create=True)
        assert names(tmp_path) == ["thesis.txt"]

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "out").write_text("x")
        with pytest.raises(InputError, match="is not a results folder"):
            Store(tmp_path / "out", create=True)
        with pytest.raises(EnvironmentError_, match="cannot be written"):
            Store(tmp_path / "out" / "below", create=True)

    def test_one_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="'samplebench run' makes one"):
            Store(tmp_path / "out")
        assert names(tmp_path) == []

    def test_another_schema(self, store):
        (store.out / "samplebench.json").write_text(json.dumps({"schema": SCHEMA + 1}))
        with pytest.raises(InputError, match=f"has schema {SCHEMA + 1}, this samplebench reads"):
            Store(store.out)

    @pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
    def test_a_damaged_marker_must_not_be_deleted(self, store, text):
        """Without it the folder would be refused as somebody else's."""
        (store.out / "samplebench.json").write_text(text)
        with pytest.raises(InputError, match=r"samplebench\.json") as caught:
            Store(store.out, create=True)
        assert "delete it" not in str(caught.value)


class TestCells:
    def test_a_cell_comes_back_as_it_was(self, store):
        assert not store.has("ab")
        store.save_partial("ab", {"count": np.arange(3)})
        store.write_cell(record("ab"), SHEET)
        assert store.has("ab") and store.cell("ab") == record("ab")
        assert names(store.out) == ["cells/ab.json", "cells/ab.png", "samplebench.json"]

    @pytest.mark.parametrize("channels", [1, 3])
    def test_its_sheet_is_lossless(self, store, channels):
        sheet = np.random.default_rng(0).integers(0, 256, (8, 16, channels), dtype=np.uint8)
        store.write_cell(record("ab"), sheet)
        found = np.asarray(Image.open(store.out / "cells" / "ab.png"))
        assert np.array_equal(found, sheet[..., 0] if channels == 1 else sheet)

    @pytest.mark.parametrize(
        "text",
        ["", '{"cell": "ab", "val', "[1, 2]", json.dumps(record("cd")), '{"cell": "ab"}', "\x00"],
        ids=["empty", "cut off", "a list", "another cell", "no values", "no text"],
    )
    def test_a_damaged_one_is_named(self, store, text):
        store.write_cell(record("ab"), SHEET)
        (store.out / "cells" / "ab.json").write_text(text)
        with pytest.raises(InputError, match=r"ab\.json .*; delete it, and only this cell is"):
            store.cell("ab")

    def test_a_failed_write_leaves_no_cell(self, store):
        with pytest.raises(TypeError):
            store.write_cell({**record("ab"), "bad": object()}, SHEET)
        assert not store.has("ab")
        assert not [name for name in names(store.out) if "tmp" in name]


class TestPartials:
    def test_arrays_come_back_bit_for_bit(self, store):
        state = {"total": np.random.default_rng(0).standard_normal(5), "count": np.arange(3)}
        assert store.load_partial("ab") is None
        store.save_partial("ab", state)
        found = store.load_partial("ab")
        assert set(found) == set(state)
        assert all(np.array_equal(found[key], state[key]) for key in state)
        assert not store.has("ab")

    @pytest.mark.parametrize("keep", [0, 1, 10, 300, 0.5, 0.99])
    def test_a_damaged_one_is_as_good_as_none(self, store, keep):
        store.save_partial("ab", {"total": np.arange(200.0)})
        path = store.out / "cells" / "ab.partial.npz"
        data = path.read_bytes()
        path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
        assert store.load_partial("ab") is None


class TestLock:
    def test_a_second_run_is_refused(self, store):
        other = Store(store.out)
        with store.locked():
            with pytest.raises(EnvironmentError_, match="another run is writing to") as caught:
                with other.locked():
                    raise AssertionError("both hold the lock")
            assert caught.value.exit_code == 3
        with other.locked():
            pass

    def test_an_error_inside_gives_it_back(self, store):
        with pytest.raises(ZeroDivisionError), store.locked():
            _ = 1 / 0
        with store.locked():
            pass


class TestView:
    def test_finished_rows_in_the_plans_order(self, store):
        plan = plan_of()
        first, second = plan.cells
        view = store.view(plan)
        assert (view.rows, view.pending) == ([], 2)
        store.write_cell(record(second, value=2.5), SHEET)
        view = store.view(plan)
        assert view.pending == 1 and list(view.cells) == [second]
        (row,) = view.rows
        assert (row["nfe"], row["fd-digits"], row["fd-digits_stderr"]) == (9, 2.5, 0.25)
        assert row["cell"] == second and list(row)[-1] == "cell"
        store.write_cell(record(first, nfe=5), SHEET)
        view = store.view(plan)
        assert [row["cell"] for row in view.rows] == [first, second] and view.pending == 0
        assert view.sheets == {c: store.out / "cells" / f"{c}.png" for c in (first, second)}

    def test_the_counted_evaluations_replace_the_planned_ones(self, store):
        plan = plan_of()
        store.write_cell(record(next(iter(plan.cells)), nfe=6), SHEET)
        assert store.view(plan).rows[0]["nfe"] == 6

    def test_repeats_are_averaged(self, store):
        plan = plan_of(repeats=2)
        for i, cell in enumerate(plan.cells):
            store.write_cell(record(cell, value=i, stderr=[0.3, 0.4][i % 2]), SHEET)
        first, second = store.view(plan).rows
        assert (first["fd-digits"], second["fd-digits"]) == (0.5, 2.5)
        assert first["fd-digits_stderr"] == pytest.approx(0.25)
        assert first["cell"].split() == list(plan.cells)[:2]

    def test_a_repeat_that_is_missing_leaves_the_row_out(self, store):
        plan = plan_of(repeats=2)
        store.write_cell(record(next(iter(plan.cells))), SHEET)
        assert store.view(plan).rows == [] and store.view(plan).pending == 3

    def test_a_value_that_is_none_is_nan(self, store):
        plan = plan_of()
        store.write_cell(record(next(iter(plan.cells)), value=None, stderr=None), SHEET)
        row = store.view(plan).rows[0]
        assert math.isnan(row["fd-digits"]) and math.isnan(row["fd-digits_stderr"])

    def test_the_folder_alone_knows_all_requests(self, store):
        plans = [plan_of(rho=7), plan_of(rho=3), plan_of(rho=[3, 7])]
        for plan in plans:
            store.add_request(plan)
            store.add_request(plan)
        for plan in plans:
            for cell in plan.cells:
                store.write_cell(record(cell), SHEET)
        assert len(list((store.out / "requests").iterdir())) == 3
        rows = Store(store.out).view().rows
        assert [(row["rho"], row["nfe_requested"]) for row in rows] == [
            (3.0, 5),
            (3.0, 9),
            (7.0, 5),
            (7.0, 9),
        ]

    def test_a_row_without_rho_can_be_sorted(self, store):
        store.add_request(plan_of(discretization="edm,logsnr,80/5/1"))
        assert store.view().pending == 5

    def test_a_lost_sheet_is_no_harm(self, store):
        plan = plan_of()
        cell = next(iter(plan.cells))
        store.write_cell(record(cell), SHEET)
        (store.out / "cells" / f"{cell}.png").unlink()
        assert store.view(plan).sheets == {}
