"""A results folder: whose it is, what is in it, what a damaged file is told."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
from PIL import Image

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import texts
from samplebench.files.sealed import write_json
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.damage import Damaged
from samplebench.results.requests import asked_rows
from samplebench.results.shown import view_of
from samplebench.results.store import SCHEMA, Store

SHEET = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16, 1)
FIRST, SECOND = ({"model": "digits-exact", "seed": seed} for seed in (0, 1))
AB, CD = (Cell(conditions, 9).hash for conditions in (FIRST, SECOND))
# Conditions by hash, filled by every plan.
CONDITIONS = {AB: FIRST, CD: SECOND}
OF_SCORE = {
    "cell": AB, "metric": "fd-digits", "statistic": "moments", "extractor": {"name": "digits"},
    "reference": {"id": "digits-kde", "sha256": "57" * 32},
}  # fmt: skip
SCORE = PlannedScore(OF_SCORE).hash


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out", create=True)


def record(cell, nfe=9):
    return {"schema": SCHEMA, "cell": cell, "conditions": dict(CONDITIONS[cell]), "nfe": nfe}


def score(conditions=OF_SCORE, value=1.5, stderr=0.25, **more):
    return {
        "schema": SCHEMA,
        "score": PlannedScore(conditions).hash,
        "conditions": dict(conditions),
        "value": {"value": value, "stderr": stderr, **more},
    }


def finish(store, plan, cell, value=1.5, stderr=0.25, nfe=9, **more):
    """Files a cell of a plan and its score."""
    for planned in plan.scores[cell].values():
        store.write_score(score(planned.conditions, value, stderr, **more))
    store.write_cell(record(cell, nfe), SHEET)


def bare(content):
    """What was written, without its checksum."""
    return {key: value for key, value in content.items() if key != "checksum"}


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
        with pytest.raises(InputError, match=rf"samplebench\.json has schema {SCHEMA + 1}, .* upd"):
            Store(store.out)

    def test_an_older_schema_is_read_elsewhere(self, store):
        (store.out / "samplebench.json").write_text('{"schema": 1}')
        with pytest.raises(
            InputError, match="by an older samplebench: report and check can read it"
        ):
            Store(store.out, create=True)

    @pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"schema": true}', '{"schema": 2.0}'])
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
        assert store.has(AB) and bare(store.cell(AB)) == record(AB)
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
            (json.dumps({**record(AB), "schema": 1}), "schema 1, this samplebench reads 2"),
            (json.dumps({**record(AB), "schema": True}), "schema True, this samplebench reads 2"),
            ("{}", "schema empty, this samplebench reads 2"),
            (json.dumps(record(AB)), "it has no checksum"),
            (json.dumps({**record(AB), "checksum": "0" * 64}), "its checksum does not match"),
        ],
    )
    def test_a_damaged_one_is_named(self, store, text, reason):
        store.write_cell(record(AB), SHEET)
        assert store.whole(AB)
        path = store.out / "cells" / f"{AB}.json"
        path.write_text(text)
        with pytest.raises(Damaged) as caught:
            store.cell(AB)
        assert str(caught.value).startswith(f"{path} is damaged ({reason}")
        assert "; run its sweep again, and only this cell" in str(caught.value)
        assert store.has(AB) and not store.whole(AB)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"conditions": dict(SECOND)}, "its name is not the hash of its conditions"),
            (record(CD), "its name is not the hash of its conditions"),
            ({"nfe": None}, "nfe is missing"),
            ({"nfe": True}, "nfe is missing"),
            ({"nfe": -1}, "nfe is missing"),
            ({"nonfinite": -5}, "nonfinite is not what a run writes"),
            ({"seconds": []}, "seconds is not what a run writes"),
        ],
    )
    def test_what_no_run_writes_is_damage_under_a_right_checksum(self, store, change, reason):
        path = store.out / "cells" / f"{AB}.json"
        write_json(path, record(AB) | change)
        with pytest.raises(Damaged) as caught:
            store.cell(AB)
        assert str(caught.value).startswith(f"{path} is damaged ({reason})")

    def test_a_changed_digit_is_damage(self, store):
        store.write_cell(record(AB), SHEET)
        path = store.out / "cells" / f"{AB}.json"
        path.write_text(path.read_text().replace('"nfe": 9', '"nfe": 8'))
        with pytest.raises(Damaged, match="its checksum does not match its content"):
            store.cell(AB)

    def test_laid_out_otherwise_it_is_the_same(self, store):
        store.write_cell(record(AB), SHEET)
        path = store.out / "cells" / f"{AB}.json"
        path.write_text(json.dumps(json.loads(path.read_text())))
        assert bare(store.cell(AB)) == record(AB)

    def test_a_newer_one_is_refused_and_stays(self, store, caplog):
        write_json(store.out / "cells" / f"{AB}.json", {**record(AB), "schema": SCHEMA + 1})
        before = names(store.out)
        with pytest.raises(InputError, match=f"{AB}.json has schema {SCHEMA + 1}, .*; update samp"):
            store.cell(AB)
        with pytest.raises(InputError, match="; update samplebench"), store.locked():
            pass
        assert [name for name in names(store.out) if name != ".lock"] == before
        assert caplog.messages == []

    def test_what_cannot_be_read_is_not_called_damaged(self, store, monkeypatch):
        store.write_cell(record(AB), SHEET)

        def closed(path):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", closed)
        with pytest.raises(EnvironmentError_, match=r"cells cannot be read \(Permission denied\)"):
            Store(store.out)
        monkeypatch.setattr(texts, "read_bytes", lambda path, most: closed(path))
        with pytest.raises(EnvironmentError_, match=r"json cannot be read \(Permission denied\)"):
            store.cell(AB)

    @pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
    @pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link to nothing"])
    def test_what_is_no_file_is_neither_there_nor_missing(self, store, kind):
        path = store.out / "cells" / f"{AB}.json"
        make = {"a pipe": os.mkfifo, "a folder": os.mkdir}
        make.get(kind, lambda path: os.symlink("nowhere", path))(path)
        for ask in (store.has, store.cell, store.whole):
            with pytest.raises(InputError, match=f"{AB}.json is {kind}, not a file; move it away"):
                ask(AB)

    def test_a_link_to_a_file_is_one(self, store, tmp_path):
        store.write_cell(record(AB), SHEET)
        (store.out / "cells" / f"{AB}.json").rename(tmp_path / "elsewhere.json")
        (store.out / "cells" / f"{AB}.json").symlink_to(tmp_path / "elsewhere.json")
        assert bare(store.cell(AB)) == record(AB)

    def test_a_failed_write_leaves_no_cell(self, store):
        with pytest.raises(TypeError):
            store.write_cell({**record(AB), "bad": object()}, SHEET)
        assert not store.has(AB)
        assert not [name for name in names(store.out) if "tmp" in name]


class TestScores:
    def test_one_comes_back_as_it_was(self, store):
        assert not store.has_score(SCORE)
        store.write_score(score(deleted=[1, 2.5, -3e300], mean_term=2))
        assert store.has_score(SCORE)
        assert bare(store.score(SCORE)) == score(deleted=[1, 2.5, -3e300], mean_term=2)

    @pytest.mark.parametrize(
        "deleted",
        ["null", "2.5", '"1.5"', "{}", '{"0": 1.5}', "[1.5, null]", '[1.5, "2.5"]', "[[1.5]]",
         "[true, 1.5]"],
        ids=lambda text: text[:16],
    )  # fmt: skip
    def test_what_is_no_list_of_finite_numbers_is_damaged(self, store, deleted):
        store.write_score(score(deleted=json.loads(deleted)))
        with pytest.raises(Damaged, match="its value is missing"):
            store.score(SCORE)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", f"{10**400}"])
    def test_what_is_no_number_of_json_has_no_checksum(self, store, number):
        store.write_score(score())
        path = store.out / "scores" / f"{SCORE}.json"
        path.write_text(path.read_text().replace('"value": 1.5', f'"value": {number}'))
        with pytest.raises(Damaged, match="its checksum does not match its content"):
            store.score(SCORE)

    @pytest.mark.parametrize(
        "change",
        [
            {"value": True}, {"value": "x"}, {"value": None}, {"stderr": -0.25}, {"stderr": "x"},
            {"better": "up"}, {"mean_term": "x"}, {"mean_term": [1.5]}, {"mean_term": None},
        ],
        ids=str,
    )  # fmt: skip
    def test_an_impossible_value_is_damage(self, store, change):
        store.write_score(score(**change))
        with pytest.raises(Damaged, match="its value is missing"):
            store.score(SCORE)

    def test_a_failed_one_has_no_value(self, store):
        failed = {**score(value=None, stderr=None), "failed": "metric fd-digits is not finite"}
        store.write_score(failed)
        assert bare(store.score(SCORE)) == failed
        store.write_score({**score(), "failed": "metric fd-digits is not finite"})
        with pytest.raises(Damaged, match="its value is missing"):
            store.score(SCORE)

    @pytest.mark.parametrize(
        "change",
        [{"cell": CD}, {"metric": "fid"}, {"reference": {"id": "digits", "sha256": "0" * 64}}],
        ids=str,
    )
    def test_one_of_something_else_gives_no_row(self, store, change):
        """A request can name any; a right name and checksum do not make it this row's."""
        plan = plan_of()
        cell = next(iter(plan.cells))
        finish(store, plan, cell)
        (planned,) = plan.scores[cell].values()
        other = {**planned.conditions, **change}
        store.write_score(score(other))
        words = asked_rows(plan.rows)[:1]
        words[0]["scores"] = {"fd-digits": [PlannedScore(other).hash]}
        with pytest.raises(Damaged, match="a score of fd-digits is of another cell, metric or ref"):
            view_of(store, words)


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

    def test_one_of_another_cell_is_none(self, store):
        store.save_partial(AB, {"total": np.arange(200.0)})
        path = store.out / "cells" / f"{AB}.partial.npz"
        path.rename(store.out / "cells" / f"{CD}.partial.npz")
        assert store.load_partial(CD) is None


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
        """One finished cell, its score and what is kept of it, and one under way."""
        store.write_cell(record(AB), SHEET)
        store.write_score(score())
        store.kept.write(AB, "moments", "0" * 8, {"total": np.arange(9.0)})
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
            (f"cells/{AB}.json", "not JSON", "its cell is computed again by its sweep"),
            (f"cells/{AB}.png", "not a whole PNG", "the page omits it"),
            (f"scores/{SCORE}.json", "not JSON", "it is computed again"),
            (
                f"cells/{AB}.moments-00000000.npz",
                "File is not a zip file",
                "its cell is sampled again if needed",
            ),
            (f"cells/{CD}.partial.npz", "File is not a zip file", "its cell starts again"),
        ],
    )
    @pytest.mark.parametrize("aside", [0, 1, 2], ids="{} before".format)
    def test_a_damaged_file(self, full, caplog, name, reason, then, aside):
        path = full.out / name
        corrupt = [path.with_name(f"{path.name}.corrupt{end}") for end in ("", ".1", ".2")]
        for earlier in corrupt[:aside]:
            earlier.write_text("set aside before")
        data = path.read_bytes()[:-20]
        path.write_bytes(data)
        others = {p: p.read_bytes() for p in full.out.rglob("*.*") if p != path}
        with full.locked():
            pass
        (said,) = caplog.messages
        assert said == f"{path} is damaged ({reason}); kept as {corrupt[aside].name}, and {then}"
        assert not path.exists()
        assert corrupt[aside].read_bytes() == data
        assert {p: p.read_bytes() for p in others} == others

    def test_files_of_others_stay(self, full, caplog):
        notes = [full.out / name for name in ("cells/a.json", "scores/a.json", "requests/a.json",
                 "cells/a.png", "cells/a.npz", "cells/a.partial.npz", ".mine.tmp")]  # fmt: skip
        for note in notes:
            note.write_text("my notes")
        with full.locked():
            assert full.view().rows == []
        assert {note.read_text() for note in notes} == {"my notes"} and caplog.messages == []

    def test_half_written_files_go(self, full):
        half = full.out / "cells" / f".{AB}.json.4711.tmp"
        half.write_text("{")
        with full.locked():
            assert not half.exists()

    @pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
    @pytest.mark.parametrize(
        "name",
        [f"cells/{AB}.json", f"cells/{AB}.png", f"scores/{SCORE}.json", f"cells/{CD}.partial.npz",
         f"cells/{CD}.partial.digits", ".lock"],
    )  # fmt: skip
    def test_a_pipe_is_no_damage(self, full, caplog, name):
        (full.out / name).unlink(missing_ok=True)
        os.mkfifo(full.out / name)
        before = sorted(full.out.rglob("*"))
        with pytest.raises(InputError, match=f"{name} is a pipe, not a file"), full.locked():
            pass
        after = sorted(path for path in full.out.rglob("*"))
        assert [p for p in after if p.name != ".lock"] == [p for p in before if p.name != ".lock"]
        assert caplog.messages == []

    def test_a_flipped_bit_in_a_sheet_is_found(self, full):
        path = full.out / "cells" / f"{AB}.png"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        plan = plan_of()
        cell = next(iter(plan.cells))
        finish(full, plan, cell)
        view = full.view(plan.rows)
        full.check_sheets(view)
        view.sheets[AB] = path
        with pytest.raises(Damaged, match=r"png is damaged \(not a whole PNG\); delete it"):
            full.check_sheets(view)

    @pytest.mark.parametrize("name", ["cells", "scores", "requests"])
    @pytest.mark.parametrize("create", [True, False])
    def test_a_file_in_the_place_of_a_folder_is_found(self, store, name, create):
        """Else it would read as an empty one."""
        (store.out / name).rmdir()
        (store.out / name).write_text("x")
        with pytest.raises(InputError, match=f"{name} is a file where a folder is needed; move"):
            Store(store.out, create=create)

    @pytest.mark.parametrize("name", ["results.csv", "report.html"])
    def test_a_folder_in_the_place_of_a_file_is_found_before_the_start(self, store, name):
        (store.out / name).mkdir()
        Store(store.out)
        with pytest.raises(InputError, match=f"{name} is a folder, not a file; move it away"):
            Store(store.out, create=True)


class TestGone:
    """A folder that is removed, renamed or replaced during a run is not made again."""

    @pytest.mark.parametrize("name", [".", "cells", "scores", "requests"])
    @pytest.mark.parametrize("then", ["nothing", "a folder"])
    def test_every_write_says_so(self, store, name, then):
        plan, gone = plan_of(), (store.out / name).resolve()
        rows = store.rows(AB, "digits", (3,), np.float64)
        kept = {"total": np.arange(3)}
        writes = {
            "cells": (
                lambda: store.write_cell(record(AB), SHEET),
                lambda: store.save_partial(AB, kept),
                lambda: store.kept.write(AB, "moments", "0" * 8, kept),
                lambda: rows.write(0, np.ones((1, 3))),
            ),
            "scores": (lambda: store.write_score(score()),),
            "requests": (lambda: store.add_request({}, plan.rows),),
        }
        with store.locked():
            for write in (w for each in writes.values() for w in each):
                write()
            store.check_place()
            gone.rename(store.out.parent / "elsewhere")
            if then == "a folder":
                gone.mkdir()
            before = sorted(store.out.parent.rglob("*"))
            told = f"^{gone} was removed, renamed or replaced during the run, so its results are"
            for write in (w for n, each in writes.items() if name in (".", n) for w in each):
                with pytest.raises(EnvironmentError_, match=told):
                    write()
            with pytest.raises(EnvironmentError_, match=told):
                store.check_place()
            assert sorted(store.out.parent.rglob("*")) == before

    def test_afterwards_a_new_one_may_be_made(self, store):
        with store.locked():
            store.out.rename(store.out.with_name("elsewhere"))
        with Store(store.out, create=True).locked():
            pass


class TestView:
    def test_finished_rows_in_the_plans_order(self, store):
        plan = plan_of()
        first, second = plan.cells
        view = store.view(plan.rows)
        assert (view.rows, view.pending) == ([], 2)
        finish(store, plan, second, value=2.5)
        view = store.view(plan.rows)
        assert view.pending == 1 and list(view.cells) == [second]
        (row,) = view.rows
        assert (row["nfe"], row["fd-digits"], row["fd-digits_stderr"]) == (9, 2.5, 0.25)
        assert row["cell"] == second and list(row)[-1] == "cell"
        finish(store, plan, first, nfe=5)
        view = store.view(plan.rows)
        assert [row["cell"] for row in view.rows] == [first, second] and view.pending == 0
        assert view.sheets == {c: store.out / "cells" / f"{c}.png" for c in (first, second)}

    def test_the_counted_evaluations_replace_the_planned_ones(self, store):
        plan = plan_of()
        finish(store, plan, next(iter(plan.cells)), nfe=6)
        (row,) = store.view(plan.rows).rows
        assert (row["nfe"], row["depth"], row["guide_nfe"]) == (6, 6, 0)

    def test_repeats_are_averaged(self, store):
        plan = plan_of(repeats=2)
        for i, cell in enumerate(plan.cells):
            finish(store, plan, cell, value=i, stderr=[0.3, 0.4][i % 2])
        first, second = store.view(plan.rows).rows
        assert (first["fd-digits"], second["fd-digits"]) == (0.5, 2.5)
        assert first["fd-digits_stderr"] == pytest.approx(0.25)
        assert first["cell"].split() == list(plan.cells)[:2]
        # Of 2 and 3; scores of an older version do not say which is the best.
        over = {key: value for key, value in second.items() if key.startswith("fd-digits_")}
        del over["fd-digits_stderr"]
        assert over == {"fd-digits_sd": 0.5**0.5, "fd-digits_min": 2, "fd-digits_max": 3}

    @pytest.mark.parametrize(("better", "ends"), [("lower", ["min"]), ("higher", ["max"])])
    def test_the_best_of_repeats_is_that_of_the_metrics_direction(self, store, better, ends):
        plan = plan_of(repeats=2)
        for i, cell in enumerate(plan.cells):
            finish(store, plan, cell, value=i, better=better)
        row = store.view(plan.rows).rows[0]
        named = [key.partition("_")[2] for key in row if key.startswith("fd-digits_")]
        assert named == ["stderr", "sd", *ends]
        assert row[f"fd-digits_{ends[0]}"] == {"lower": 0, "higher": 1}[better]

    def test_a_repeat_without_a_value_leaves_none_over_all(self, store):
        plan = plan_of(repeats=2)
        for i, cell in enumerate(plan.cells):
            finish(store, plan, cell, value=i)
            if i == 0:
                (planned,) = plan.scores[cell].values()
                lost = score(planned.conditions, value=None, stderr=None)
                store.write_score({**lost, "failed": "it is not finite"})
        first, second = store.view(plan.rows).rows
        ends = ("", "_sd", "_min", "_max")
        assert all(math.isnan(first[f"fd-digits{end}"]) for end in ends)
        assert all(math.isfinite(second[f"fd-digits{end}"]) for end in ends)

    def test_one_range_has_nothing_over_repeats(self, store):
        plan = plan_of()
        for cell in plan.cells:
            finish(store, plan, cell)
        for row in store.view(plan.rows).rows:
            assert not {"fd-digits_sd", "fd-digits_min", "fd-digits_max"} & row.keys()

    def test_a_repeat_that_is_missing_leaves_the_row_out(self, store):
        plan = plan_of(repeats=2)
        finish(store, plan, next(iter(plan.cells)))
        assert store.view(plan.rows).rows == [] and store.view(plan.rows).pending == 3

    def test_a_cell_without_its_score_is_pending(self, store):
        plan = plan_of()
        store.write_cell(record(next(iter(plan.cells))), SHEET)
        assert store.view(plan.rows).rows == [] and store.view(plan.rows).pending == 2

    def test_a_value_that_is_none_is_nan(self, store):
        plan = plan_of()
        cell = next(iter(plan.cells))
        (planned,) = plan.scores[cell].values()
        failed = score(planned.conditions, value=None, stderr=None)
        store.write_score({**failed, "failed": "it is not finite"})
        store.write_cell(record(cell), SHEET)
        row = store.view(plan.rows).rows[0]
        assert math.isnan(row["fd-digits"]) and math.isnan(row["fd-digits_stderr"])

    def test_the_folder_alone_knows_all_requests(self, store):
        plans = [plan_of(rho=7), plan_of(rho=3), plan_of(rho=[3, 7])]
        for plan in plans:
            store.add_request(plan.request.words(), plan.rows)
            store.add_request(plan.request.words(), plan.rows)
        for plan in plans:
            for cell in plan.cells:
                finish(store, plan, cell)
        assert len(list((store.out / "requests").iterdir())) == 3
        rows = Store(store.out).view().rows
        assert [(row["rho"], row["nfe_requested"]) for row in rows] == [
            (3.0, 5),
            (3.0, 9),
            (7.0, 5),
            (7.0, 9),
        ]

    def test_a_row_without_rho_can_be_sorted(self, store):
        plan = plan_of(discretization="edm,logsnr,80/5/1")
        store.add_request(plan.request.words(), plan.rows)
        assert store.view().pending == 5

    def test_a_lost_sheet_is_no_harm(self, store):
        plan = plan_of()
        cell = next(iter(plan.cells))
        finish(store, plan, cell)
        (store.out / "cells" / f"{cell}.png").unlink()
        assert store.view(plan.rows).sheets == {}
