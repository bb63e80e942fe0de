"""Whether a curve moved, at equal seeds."""

from __future__ import annotations

import math

import pytest

from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.errors import InputError
from samplebench.regression import Gate, Table, compare
from samplebench.regression.sidecar import Origin
from samplebench.regression.tolerance import default_rule, parse


@pytest.fixture(scope="module")
def plan():
    return planning.make(Request.of(sampler="euler,heun,edm", nfe=9, num_samples=100))


@pytest.fixture
def rows(plan):
    """Three rows as of results.csv."""
    return [
        {
            **row.columns,
            "fd-digits": 2.0 + i,
            "fd-digits_stderr": 0.25,
            "cell": row.cells[0].hash,
        }
        for i, row in enumerate(plan.rows)
    ]


@pytest.fixture
def table(plan):
    """`table(rows, platform="here", **conditions)`: rows whose origins are known."""

    def make(rows, platform="here", **changes):
        conditions = {**plan.rows[0].cells[0].conditions, **changes}
        origin = Origin(conditions, platform, "a processor")
        return Table(rows, {row["cell"]: origin for row in rows}, frozenset({platform}))

    return make


def changed(rows, **changes):
    """The rows with the first one changed."""
    return [{**rows[0], **changes}, *rows[1:]]


def judged(current, baseline, tolerance="1e-6", **gate):
    current, baseline = (t if isinstance(t, Table) else Table(t) for t in (current, baseline))
    rules = parse([tolerance] if tolerance else [], ["fd-digits"])
    return compare(current, baseline, Gate(rules, **gate)).verdicts


def statuses(*words, **gate):
    return [verdict.status for verdict in judged(*words, **gate)]


def test_equal_rows_are_the_same(rows):
    for tolerance in ("0", None):
        verdicts = judged(rows, rows, tolerance)
        assert [v.status for v in verdicts] == ["same"] * 3
        assert not any(v.failed or v.detail for v in verdicts)


def test_the_order_of_rows_does_not_count(rows):
    assert statuses(rows[::-1], rows) == ["same"] * 3


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.001, "fd-digits 2 -> 2.002 (+0.1 %"), (0.999, "fd-digits 2 -> 1.998 (-0.1 %")],
)
def test_a_value_that_moved_either_way(rows, factor, words):
    first, *others = judged(changed(rows, **{"fd-digits": 2.0 * factor}), rows, "1e-4")
    assert first.status == "moved" and first.failed
    assert first.detail.startswith(words)
    assert [v.status for v in others] == ["same", "same"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("change", "tolerance", "status"),
    [
        (0.25, "0.125", "same"),
        (0.25, "12.5%", "same"),
        (0.25, "abs:0.25", "same"),
        (0.25, "0.1249", "moved"),
        (0.25, "12.49%", "moved"),
        (0.25, "abs:0.2499", "moved"),
        (0.2500001, "0.125", "moved"),
        (0.0, "0", "same"),
        (2**-51, "0", "moved"),
        (2**-51, "abs:0", "moved"),
    ],
)
def test_the_edge_of_a_tolerance_is_inside(rows, sign, change, tolerance, status):
    current = changed(rows, **{"fd-digits": 2.0 + sign * change})
    assert statuses(current, rows, tolerance)[0] == status


def test_an_absolute_tolerance_does_not_scale(rows):
    current = [{**row, "fd-digits": row["fd-digits"] * 1.1} for row in rows]
    assert statuses(current, rows, "abs:0.25") == ["same", "moved", "moved"]
    assert statuses(current, rows, "10.1%") == ["same"] * 3


@pytest.mark.parametrize(
    ("column", "value", "detail"),
    [
        ("fd-digits_stderr", 0.26, "fd-digits_stderr 0.25 -> 0.26 (+4 %)"),
        ("nfe", 10, "nfe 9 -> 10 (+11.1 %)"),
        ("fd-digits", None, "fd-digits 2 -> none"),
        ("fd-digits", math.nan, "fd-digits 2 -> nan"),
        ("fd-digits", math.inf, "fd-digits 2 -> inf"),
        ("fd-digits", 2.75, "fd-digits 2 -> 2.75 (+37.5 %, +2.1 sigma)"),
    ],
)
def test_every_number_of_a_row_counts(rows, column, value, detail):
    first = judged(changed(rows, **{column: value}), rows, None)[0]
    assert (first.status, first.detail) == ("moved", detail)


def test_a_rule_is_of_values_and_never_of_evaluations(rows):
    assert statuses(changed(rows, nfe=9.01), rows, "10%")[0] == "moved"
    assert statuses(changed(rows, **{"fd-digits_stderr": 0.3}), rows, "1e-9")[0] == "same"


def test_all_that_moved_is_said(rows):
    current = changed(rows, nfe=10, **{"fd-digits": 3.0})
    assert judged(current, rows)[0].detail == (
        "nfe 9 -> 10 (+11.1 %); fd-digits 2 -> 3 (+50 %, +2.8 sigma)"
    )


def test_a_small_change_is_told_apart(rows):
    current = changed(rows, **{"fd-digits": 2.000002345})
    assert judged(current, rows, "1e-7")[0].moves[0].pair() == ("2", "2.0000023")


@pytest.mark.parametrize("tolerance", [None, "1e-6", "3sigma", "abs:1e9"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_has_no_value_is_never_the_same(rows, value, tolerance):
    odd = changed(rows, **{"fd-digits": value, "fd-digits_stderr": None})
    assert statuses(odd, odd, tolerance) == ["no value", "same", "same"]
    assert judged(odd, odd, tolerance)[0].failed
    assert statuses(rows, odd, tolerance)[0] == statuses(odd, rows, tolerance)[0] == "moved"


def test_a_metric_without_error_bars_may_have_none(rows):
    for error in (None, math.nan):
        bare = [{**row, "fd-digits_stderr": error} for row in rows]
        assert statuses(bare, bare, None) == ["same"] * 3
        assert statuses(rows, bare, None) == statuses(bare, rows, None) == ["moved"] * 3
    for error in (-0.25, math.inf):
        odd = [{**row, "fd-digits_stderr": error} for row in rows]
        assert statuses(odd, odd, None) == ["moved"] * 3


def test_a_new_row_without_a_value_fails(rows):
    odd = changed(rows, **{"fd-digits": math.nan})
    assert statuses(odd, rows[1:]) == ["same", "same", "no value"]


def test_from_0(rows):
    zero = changed(rows, **{"fd-digits": 0.0})
    assert statuses(zero, zero, "0")[0] == "same"
    assert judged(rows, zero)[0].detail == "fd-digits 0 -> 2 (+5.7 sigma)"


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
        ("seed", 7, "seed 0 -> 7; --tolerance 3sigma compares other seeds"),
        ("repeats", 3, "repeats 1 -> 3; --tolerance 3sigma"),
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
                {"reference": {"id": "mine", "sha256": "c" * 64}},
                "reference id digits-kde -> mine, reference sha256 57ac2d93219a -> cccccccccccc",
            ),
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

    def test_parts_of_a_condition_are_named(self, rows, table, plan):
        conditions = plan.rows[0].cells[0].conditions
        current = changed(rows, cell="0" * 64)
        changes = {
            "extractor": {**conditions["extractor"], "weights_sha256": "d" * 64},
            "protocol": {**conditions["protocol"], "labels": "balanced"},
        }
        assert judged(table(current, **changes), table(rows))[0].note == (
            "protocol labels uniform -> balanced, "
            "extractor weights sha256 def48480f8f6 -> dddddddddddd"
        )

    def test_other_code_is_no_other_condition(self, rows, table):
        """What the gate is for: code changed, values must not."""
        current = [{**row, "cell": row["cell"][::-1]} for row in rows]
        assert statuses(table(current), table(rows), None) == ["same"] * 3
        moved = [{**row, "fd-digits": row["fd-digits"] * 1.01} for row in current]
        verdicts = judged(table(moved), table(rows), None)
        assert [v.status for v in verdicts] == ["moved"] * 3
        assert verdicts[0].note == "differs: a sampler's code or its defaults"
        verdicts = judged(table(moved, block=32, numerics=2), table(rows), None)
        assert verdicts[0].note == "differs: numerics 1 -> 2, block 64 -> 32"

    @pytest.mark.parametrize(("platform", "status"), [("here", "moved"), ("there", "same")])
    def test_the_platform_of_a_row_decides_its_tolerance(self, rows, table, platform, status):
        current = changed(rows, **{"fd-digits": 2.0 * (1 + 1e-4)})
        assert statuses(table(current), table(rows, platform), None)[0] == status

    def test_rows_of_a_mixed_baseline_are_held_to_their_own(self, rows, table):
        here, there = table(rows[:1]), table(rows[1:], "there")
        mixed = Table(rows, {**here.origins, **there.origins}, frozenset({"here", "there"}))
        current = [{**row, "fd-digits": row["fd-digits"] * (1 + 1e-4)} for row in rows]
        assert statuses(table(current), mixed, None) == ["moved", "same", "same"]


@pytest.mark.parametrize(
    ("current", "baseline", "expected"),
    [
        ({"a"}, {"a"}, 1e-6),
        ({"a"}, {"b"}, 1e-3),
        ({"a", "b"}, {"a"}, 1e-3),
        (set(), {"a"}, 1e-6),
        ({"a"}, set(), 1e-6),
    ],
)
def test_the_default_tolerance(current, baseline, expected):
    assert default_rule(current, baseline).limit == expected


class TestBetter:
    LOWER = {"fd-digits": "lower"}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("value", "better", "status"),
        [
            (1.5, {}, "moved"),
            (1.5, LOWER, "better"),
            (2.5, LOWER, "moved"),
            (2.5, {"fd-digits": "higher"}, "better"),
            (1.5, {"fd-digits": "higher"}, "moved"),
            (1.5, {"fid": "lower"}, "moved"),
            (math.nan, LOWER, "moved"),
            (-math.inf, LOWER, "moved"),
            (math.inf, {"fd-digits": "higher"}, "moved"),
            (None, LOWER, "moved"),
        ],
    )
    def test_moves_of_the_good_way_pass_where_asked(self, rows, value, better, status):
        current = changed(rows, **{"fd-digits": value})
        first = judged(current, rows, better=better)[0]
        assert (first.status, first.failed) == (status, status == "moved")

    def test_an_error_bar_may_follow_its_value(self, rows):
        current = changed(rows, **{"fd-digits": 1.5, "fd-digits_stderr": 0.2})
        assert statuses(current, rows, None, better=self.LOWER)[0] == "better"
        alone = changed(rows, **{"fd-digits_stderr": 0.2})
        assert statuses(alone, rows, None, better=self.LOWER)[0] == "moved"

    def test_one_that_is_lost_may_not(self, rows):
        for error in (None, math.nan, math.inf):
            current = changed(rows, **{"fd-digits": 1.5, "fd-digits_stderr": error})
            assert statuses(current, rows, None, better=self.LOWER)[0] == "moved"

    def test_evaluations_may_not(self, rows):
        current = changed(rows, nfe=8, **{"fd-digits": 1.5})
        assert statuses(current, rows, better=self.LOWER)[0] == "moved"


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
            with pytest.raises(InputError, match="fd-digits of digits-exact is there twice"):
                judged(current, baseline)


def test_a_metric_that_its_cell_was_computed_for_is_missed(rows, table):
    """Though another metric is there, on both sides."""
    odd = [{**row, "fd-digits": None, "mine:kid": 1.0} for row in rows]
    assert statuses(table(odd), table(odd), None) == ["no value"] * 3


class TestBounds:
    @pytest.mark.parametrize(
        ("bound", "status"),
        [
            ("fd-digits<=2", "same"), ("fd-digits<=1.999", "out of bounds"),
            ("fd-digits <= 2.5", "same"), ("fd-digits>=2", "same"),
            ("fd-digits>=2.001", "out of bounds"), ("fd-digits>=-1", "same"),
        ],
    )  # fmt: skip
    def test_a_value_is_held_to_it_whatever_the_baseline_says(self, rows, bound, status):
        one = rows[:1]
        first = judged(one, one, bound)[0]
        assert (first.status, first.failed) == (status, status != "same")
        assert status == "same" or first.detail == f"fd-digits 2 -> 2 (breaks {bound})"
        new = judged(rows, rows[1:], bound)[-1]
        assert new.status == ("new" if status == "same" else status)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
    def test_what_is_no_number_breaks_it(self, rows, value):
        odd = changed(rows, **{"fd-digits": value})
        for bound in ("fd-digits<=1e9", "fd-digits>=-1e9"):
            (broken,) = [c for c in judged(odd, rows, bound)[0].moves if c.rule.absolute]
            assert broken.why() == f"breaks {bound}"

    def test_it_holds_beside_the_other_rules(self, rows):
        near = changed(rows, **{"fd-digits": 2.02})
        far = changed(rows, **{"fd-digits": 2.2})
        assert statuses(near, rows, "fd-digits<=4")[0] == "moved"
        assert statuses(near, rows, "fd-digits<=4,2%") == ["same"] * 3
        assert statuses(far, rows, "fd-digits<=4,2%")[0] == "moved"
        assert statuses(near, rows, "fd-digits<=2.01,2%")[0] == "out of bounds"
        assert statuses(near, rows, "fd-digits<=3,3sigma") == ["same", "same", "out of bounds"]

    def test_a_better_value_may_not_break_it(self, rows):
        current = changed(rows, **{"fd-digits": 1.5})
        better = {"fd-digits": "lower"}
        assert statuses(current, rows, "fd-digits<=4", better=better)[0] == "better"
        assert statuses(current, rows, "fd-digits>=1.9", better=better)[0] == "moved"

    def test_models_without_the_metric_are_free(self, rows):
        bare = {k: v for k, v in rows[0].items() if not k.startswith("fd-")}
        mixed = [{**bare, "model": "other", "mine:kid": 9.0}, *rows[1:]]
        assert statuses(mixed, mixed, "fd-digits<=4") == ["same"] * 3


def test_the_platform_that_nobody_knows_is_said(rows, table):
    def said(current, baseline):
        return compare(current, baseline, Gate()).unknown

    assert said(table(rows), table(rows)) == ""
    assert said(table(rows), Table(rows)) == (
        "platform of baseline unknown: held to 1e-06, as on one platform"
    )
    assert said(Table(rows), Table(rows)).startswith("platform of baseline and results unknown")
    assert compare(table(rows), Table(rows), Gate(parse(["2%"], ["fd-digits"]))).unknown == ""
