"""A results folder: whose it is, what is in it, what a damaged file is told."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.errors import EnvironmentError_, InputError
from samplebench.results.cell import Cell
from samplebench.results.damage import Damaged
from samplebench.results.store import SCHEMA, Store

SHEET = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16, 1)
FIRST, SECOND = ({"metrics": ["fd-digits"], "seed": seed} for seed in (0, 1))
AB, CD = (Cell(conditions, 9).hash for conditions in (FIRST, SECOND))
# Conditions by hash, filled by every plan.
CONDITIONS = {AB: FIRST, CD: SECOND}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out", create=True)


def record(cell, value=1.5, stderr=0.25, nfe=9):
    return {
        "schema": SCHEMA,
        "cell": cell,
        "conditions": dict(CONDITIONS[cell]),
        "nfe": nfe,
        "values": {"fd-digits": {"value": value, "stderr": stderr}},
    }


def plan_of(**words):
    plan = planning.make(Request.of(sampler="heun", nfe="5,9", num_samples=100, **words))
    CONDITIONS.update({name: cell.conditions for name, cell in plan.cells.items()})
    return plan


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
        assert not store.has(AB)
        store.save_partial(AB, {"count": np.arange(3)})
        store.write_cell(record(AB), SHEET)
        assert store.has(AB) and store.cell(AB) == record(AB)
        assert names(store.out) == [f"cells/{AB}.json", f"cells/{AB}.png", "samplebench.json"]

    @pytest.mark.parametrize("channels", [1, 3])
    def test_its_sheet_is_lossless(self, store, channels):
        sheet = np.random.default_rng(0).integers(0, 256, (8, 16, channels), dtype=np.uint8)
        store.write_cell(record(AB), sheet)
        found = np.asarray(Image.open(store.out / "cells" / f"{AB}.png"))
        assert np.array_equal(found, sheet[..., 0] if channels == 1 else sheet)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "not JSON"),
            ('{"cell": "ab", "val', "not JSON"),
            ("\x00", "not JSON"),
            ("[" * 100_000, "not JSON"),
            ("[1, 2]", "not a JSON object"),
            (json.dumps({**record(AB), "schema": 9}), "schema 9, this samplebench reads 1"),
            ("{}", "schema None, this samplebench reads 1"),
            (json.dumps(record(CD)), "its name is not the hash of its conditions"),
            (json.dumps({**record(CD), "cell": AB}), "its name is not the hash of its conditions"),
            (json.dumps({**record(AB), "values": {}}), "values are missing"),
            (json.dumps(record(AB, value="x")), "values are missing"),
            (json.dumps({**record(AB), "nfe": None}), "values are missing"),
            ('{"schema": 1}', "values are missing"),
        ],
    )
    def test_a_damaged_one_is_named(self, store, text, reason):
        store.write_cell(record(AB), SHEET)
        assert store.whole(AB)
        path = store.out / "cells" / f"{AB}.json"
        path.write_text(text)
        with pytest.raises(Damaged) as caught:
            store.cell(AB)
        assert str(caught.value).startswith(f"{path} is damaged ({reason}); run its sweep again")
        assert store.has(AB) and not store.whole(AB)

    @pytest.mark.parametrize("deleted", [[], [1.5], [1, 2.5, -3e300]], ids=str)
    def test_delete_one_values_are_kept(self, store, deleted):
        kept = record(AB)
        kept["values"]["fd-digits"]["deleted"] = deleted
        store.write_cell(kept, SHEET)
        assert store.cell(AB)["values"]["fd-digits"]["deleted"] == deleted

    @pytest.mark.parametrize(
        "deleted",
        ["null", "2.5", '"1.5"', "{}", '{"0": 1.5}', "[1.5, null]", '[1.5, "2.5"]', "[[1.5]]",
         "[true, 1.5]", "[1.5, NaN]", "[Infinity]", "[-Infinity]", "[1e999]", f"[{10**400}]"],
        ids=lambda text: text[:16],
    )  # fmt: skip
    def test_what_is_no_list_of_finite_numbers_is_damaged(self, store, deleted):
        store.write_cell(record(AB), SHEET)
        path = store.out / "cells" / f"{AB}.json"
        path.write_text(path.read_text().replace('"stderr"', f'"deleted": {deleted}, "stderr"'))
        with pytest.raises(Damaged, match="values are missing"):
            store.cell(AB)

    def test_a_metric_that_was_not_computed_is_missed(self, store):
        store.write_cell(record(AB), SHEET)
        with pytest.raises(Damaged, match="values are missing"):
            store.cell(AB, ["fid"])

    def test_what_cannot_be_read_is_not_called_damaged(self, store):
        """A folder in the place of the file stands for a lack of permission, which root ignores."""
        path = store.out / "cells" / f"{AB}.json"
        path.mkdir(parents=True)
        with pytest.raises(EnvironmentError_, match=r"json cannot be read \(Is a directory\)"):
            store.cell(AB)

    def test_a_failed_write_leaves_no_cell(self, store):
        with pytest.raises(TypeError):
            store.write_cell({**record(AB), "bad": object()}, SHEET)
        assert not store.has(AB)
        assert not [name for name in names(store.out) if "tmp" in name]


class TestPartials:
    def test_arrays_come_back_bit_for_bit(self, store):
        state = {"total": np.random.default_rng(0).standard_normal(5), "count": np.arange(3)}
        assert store.load_partial(AB) is None
        store.save_partial(AB, state)
        found = store.load_partial(AB)
        assert set(found) == set(state)
        assert all(np.array_equal(found[key], state[key]) for key in state)
        assert not store.has(AB)

    @pytest.mark.parametrize("keep", [0, 1, 10, 300, 0.5, 0.99])
    def test_a_damaged_one_is_as_good_as_none(self, store, keep):
        store.save_partial(AB, {"total": np.arange(200.0)})
        path = store.out / "cells" / f"{AB}.partial.npz"
        data = path.read_bytes()
        path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
        assert store.load_partial(AB) is None


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


class TestSettingAside:
    """A new run renames what is damaged; nothing else is touched."""

    @pytest.fixture
    def full(self, store):
        """One finished cell and one under way."""
        store.write_cell(record(AB), SHEET)
        store.save_partial(CD, {"total": np.arange(200.0)})
        return store

    def test_nothing_where_nothing_is_damaged(self, full, caplog):
        before = names(full.out)
        with full.locked():
            assert [name for name in names(full.out) if name != ".lock"] == before
        assert caplog.messages == []

    @pytest.mark.parametrize(
        ("name", "reason", "then"),
        [
            (f"{AB}.json", "not JSON", "its cell is computed anew by its sweep"),
            (f"{AB}.png", "not a whole PNG", "the page leaves it out"),
            (f"{CD}.partial.npz", "not a whole archive", "its cell starts anew"),
        ],
    )
    def test_a_damaged_file(self, full, caplog, name, reason, then):
        path = full.out / "cells" / name
        data = path.read_bytes()[:-20]
        path.write_bytes(data)
        others = {p: p.read_bytes() for p in path.parent.iterdir() if p != path}
        with full.locked():
            pass
        (said,) = caplog.messages
        assert said == f"{path} is damaged ({reason}); kept as {name}.corrupt, and {then}"
        assert not path.exists()
        assert path.with_name(f"{name}.corrupt").read_bytes() == data
        assert {p: p.read_bytes() for p in others} == others

    def test_files_of_others_stay(self, full, caplog):
        note = full.out / "cells" / "notes.json"
        note.write_text("my notes")
        with full.locked():
            pass
        assert note.read_text() == "my notes" and caplog.messages == []

    def test_a_flipped_bit_in_a_sheet_is_found(self, full):
        path = full.out / "cells" / f"{AB}.png"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        plan = plan_of()
        cell = next(iter(plan.cells))
        full.write_cell(record(cell), SHEET)
        view = full.view(plan)
        full.check_sheets(view)
        view.sheets[AB] = path
        with pytest.raises(Damaged, match=r"png is damaged \(not a whole PNG\); delete it"):
            full.check_sheets(view)

    @pytest.mark.parametrize("name", ["cells", "requests"])
    def test_a_file_in_the_place_of_a_folder_is_found_before_the_start(self, store, name):
        (store.out / name).write_text("x")
        with pytest.raises(InputError, match=f"{name} is a file in the place of a folder"):
            Store(store.out, create=True)
        Store(store.out)


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
