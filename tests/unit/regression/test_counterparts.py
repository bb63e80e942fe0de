"""Which rows are held to which: missing ones, other conditions, parts of a baseline or a point."""

from __future__ import annotations

import pytest

from samplebench.errors import InputError
from samplebench.regression import Gate, Table, compare
from samplebench.regression.sidecar import Origin
from samplebench.regression.tolerance import parse
from tests.unit.regression.judged import changed, judged, statuses
from tests.unit.regression.made import CONDITIONS


@pytest.fixture
def table():
    """`table(rows, platform="here", **conditions)`: rows whose origins are known."""

    def make(rows, platform="here", **changes):
        conditions = {**CONDITIONS, **changes}
        origin = Origin(conditions, platform, "a processor")
        return Table(rows, {row["cell"]: origin for row in rows}, frozenset({platform}))

    return make


def test_a_missing_row_fails_a_new_one_does_not(rows):
    missing = judged(rows[1:], rows)
    assert [v.status for v in missing] == ["missing", "same", "same"]
    assert missing[0].failed and missing[0].row == rows[0]
    new = judged(rows, rows[1:])
    assert [v.status for v in new] == ["same", "same", "new"]
    assert not any(v.failed for v in new)


@pytest.mark.parametrize("column", ["rho", "params", "steps", "model", "nfe_requested"])
def test_another_point_of_the_curve_is_not_compared(rows, column):
    assert statuses(changed(rows, **{column: 1}), rows) == ["missing", "same", "same", "new"]


@pytest.mark.parametrize(
    ("column", "value", "note"),
    [
        ("num_samples", 500, "num_samples 100 -> 500"),
        ("protocol", "edm", "protocol custom:"),
        ("dtype", "float16", "dtype float64 -> float16"),
        ("reference", "mine@12345678", "reference digits-kde@57ac2d93 -> mine@12345678"),
        ("guidance", "cfg 2", "guidance none -> cfg 2"),
        ("seed", 7, "seed 0 -> 7; use --tolerance 3sigma to compare other seeds"),
        ("repeats", 3, "repeats 1 -> 3; use --tolerance 3sigma"),
    ],
)
def test_a_point_under_other_conditions_is_named(rows, column, value, note):
    first, *others = judged(changed(rows, **{column: value, "fd-digits": 9.0}), rows)
    assert (first.status, first.failed, first.changes) == ("conditions differ", True, ())
    assert first.note.startswith(note)
    assert [v.status for v in others] == ["same", "same"]


class TestOrigins:
    def test_unknown_ones_are_held_to_equal_cells(self, rows, table):
        current = changed(rows, cell="0" * 64)
        for new, old, mend in (
            (current, rows, "with --update"),
            (table(current), rows, "with --update"),
            (current, table(rows), "give its results folder"),
        ):
            first = judged(new, old)[0]
            assert (first.status, first.changes) == ("conditions differ", ())
            assert mend in first.note

    @pytest.mark.parametrize(
        ("changes", "note"),
        [
            ({"checkpoint_sha256": "b" * 64}, "checkpoint sha256 a1f5ef833e53 -> bbbbbbbbbbbb"),
            (
                {"extractors": {"digits": "d" * 64}},
                "extractor digits weights sha256 def48480f8f6 -> dddddddddddd",
            ),
            ({"noise": "nvlabs"}, "noise portable -> nvlabs"),
            ({"config": {"bandwidth": 0.3}}, "config bandwidth 0.2 -> 0.3"),
            ({"noise_device": "cuda"}, "noise_device none -> cuda"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_what_forbids_a_comparison_is_named(self, rows, table, changes, note):
        current = [{**row, "cell": row["cell"][::-1]} for row in rows]
        verdicts = judged(table(current, **changes), table(rows))
        assert [(v.status, v.note, v.changes) for v in verdicts] == [
            ("conditions differ", note, ())
        ] * 3

    def test_all_that_differs_is_named(self, rows, table):
        current = changed(rows, cell="0" * 64)
        changes = {"extractors": {"digits": "d" * 64}, "state_dtype": "float32"}
        assert judged(table(current, **changes), table(rows))[0].note == (
            "state_dtype float64 -> float32, "
            "extractor digits weights sha256 def48480f8f6 -> dddddddddddd"
        )

    def test_extractors_of_one_side_alone_are_no_difference(self, rows, table):
        """A metric more has been scored, on features of its own."""
        extractors = {**CONDITIONS["extractors"], "pixels": "d" * 64}
        more = table(rows, extractors=extractors)
        assert statuses(more, table(rows)) == statuses(table(rows), more) == ["same"] * 3

    def test_equal_images_are_not_enough(self, rows, table):
        """Their features may be of other weights."""
        other = table(rows, extractors={"digits": "d" * 64})
        assert statuses(other, table(rows)) == ["conditions differ"] * 3

    def test_other_code_is_no_other_condition(self, rows, table):
        """What the gate is for: code changed, values must not."""
        current = [{**row, "cell": row["cell"][::-1]} for row in rows]
        assert statuses(table(current), table(rows), None) == ["same"] * 3
        moved = [{**row, "fd-digits": row["fd-digits"] * 1.01} for row in current]
        verdicts = judged(table(moved), table(rows), None)
        assert [v.status for v in verdicts] == ["moved"] * 3
        assert verdicts[0].note == "differs: a sampler's code or its defaults"
        verdicts = judged(table(moved, block=32, numerics=3), table(rows), None)
        assert verdicts[0].note == "differs: numerics 2 -> 3, block 64 -> 32"

    @pytest.mark.parametrize(("platform", "status"), [("here", "moved"), ("there", "same")])
    def test_the_platform_of_a_row_decides_its_tolerance(self, rows, table, platform, status):
        current = changed(rows, **{"fd-digits": 2.0 * (1 + 1e-4)})
        assert statuses(table(current), table(rows, platform), None)[0] == status

    def test_rows_of_a_mixed_baseline_are_held_to_their_own(self, rows, table):
        here, there = table(rows[:1]), table(rows[1:], "there")
        mixed = Table(rows, {**here.origins, **there.origins}, frozenset({"here", "there"}))
        current = [{**row, "fd-digits": row["fd-digits"] * (1 + 1e-4)} for row in rows]
        assert statuses(table(current), mixed, None) == ["moved", "same", "same"]


class TestSubset:
    def test_what_is_there_is_compared(self, rows):
        outcome = compare(Table(rows[1:2]), Table(rows), Gate(subset=True))
        assert [v.status for v in outcome.verdicts] == ["same"]
        assert (outcome.left_out, outcome.failed) == (2, False)
        assert outcome.counts() == "1 same, 2 left out"
        moved = [{**rows[1], "fd-digits": 9.0}]
        assert statuses(moved, rows, subset=True) == ["moved"]

    def test_other_conditions_still_fail(self, rows):
        current = [{**rows[0], "num_samples": 500}]
        assert statuses(current, rows, subset=True) == ["conditions differ"]

    @pytest.mark.parametrize("changes", [{"seed": 700}, {"num_samples": 500}, {"dtype": "float16"}])
    def test_a_row_without_a_counterpart_is_new(self, rows, changes):
        """Beside rows that have one, whatever else the baseline has of its point."""
        current = [rows[0], {**rows[1], **changes}]
        verdicts = judged(current, rows, subset=True)
        assert [v.status for v in verdicts] == ["same", "new"]
        assert verdicts[1].note.startswith(f"not compared: {next(iter(changes))} ")
        further = [rows[0], {**rows[0], "seed": 700}]
        ranges = [rows[0], {**rows[0], "seed": 100}, {**rows[0], "seed": 200}]
        assert statuses(further, ranges, subset=True) == ["same", "new"]
        assert statuses(current, rows) == ["same", "conditions differ", "missing"]

    def test_an_empty_part_does_not_pass(self, rows):
        with pytest.raises(InputError, match="nothing to compare"):
            judged([{**rows[0], "rho": 5.0}], rows, subset=True)

    def test_a_part_that_still_grows_does_not_pass(self, rows):
        with pytest.raises(InputError, match="is not finished"):
            judged(Table(rows[:1], pending=2, source="sweep"), rows, subset=True)


class TestParts:
    """Two sweeps of a folder with other metrics give a point two rows."""

    def parts(self, rows, **values):
        bare = {k: v for k, v in rows[0].items() if not k.startswith("fd-")}
        kid = {**bare, "mine:kid": 5.0, "mine:kid_stderr": 0.5, "cell": "e" * 64, **values}
        return [rows[0], kid, *rows[1:]]

    def test_both_are_compared(self, rows):
        both = self.parts(rows)
        assert statuses(both, both, None) == statuses(both[::-1], both, None) == ["same"] * 3
        for moved in (self.parts(rows, **{"mine:kid": 15.0}), changed(both, **{"fd-digits": 6.0})):
            for current in (moved, moved[::-1]):
                assert statuses(current, both, None)[0] == "moved"

    def test_one_that_is_lost_has_moved(self, rows, table):
        both = self.parts(rows)
        first = judged(table(rows), table(both), None)[0]
        assert (first.status, first.moves[0].column) == ("moved", "mine:kid")

    def test_a_metric_twice_is_refused(self, rows):
        good = [*changed(rows, **{"fd-digits": 6.0}), rows[0]]
        for current, baseline in ((good, rows), (rows, good), (good[::-1], rows)):
            with pytest.raises(InputError, match="fd-digits of digits-exact occurs twice"):
                judged(current, baseline)


def test_a_metric_that_its_cell_was_computed_for_is_missed(rows, table):
    """Though another metric is there, on both sides."""
    odd = [{**row, "fd-digits": None, "mine:kid": 1.0} for row in rows]
    assert statuses(table(odd), table(odd), None) == ["no value"] * 3


def test_the_platform_that_nobody_knows_is_said(rows, table):
    def said(current, baseline):
        return compare(current, baseline, Gate()).unknown

    assert said(table(rows), table(rows)) == ""
    assert said(table(rows), Table(rows)) == (
        "platform of baseline unknown: using 1e-06, as for one platform"
    )
    assert said(Table(rows), Table(rows)).startswith("platform of baseline and results unknown")
    assert compare(table(rows), Table(rows), Gate(parse(["2%"], ["fd-digits"]))).unknown == ""
