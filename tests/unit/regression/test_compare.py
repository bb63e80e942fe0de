"""Whether a curve moved, at equal seeds."""

from __future__ import annotations

import math

import pytest

from samplebench.regression.tolerance import default_rule
from tests.unit.regression.judged import changed, judged, statuses
from tests.unit.regression.made import row


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


@pytest.mark.parametrize("sides", [(True, True), (True, False), (False, True)])
def test_what_values_did_over_repeats_is_no_metric(sides):
    """Older tables lack these columns; they follow from values that are compared."""
    plain = [row(name, repeats=2) for name in ("euler", "heun")]
    told = [{**one, "fd-digits_sd": 0.3, "fd-digits_min": 1.7} for one in plain]
    current, baseline = (told if side else plain for side in sides)
    assert statuses(current, baseline) == ["same", "same"]
    moved = changed(current, **{"fd-digits": 2.5})
    assert [v.status for v in judged(moved, baseline)] == ["moved", "same"]


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
        assert statuses(current, rows, better=better)[0] == "moved"  # where it is not asked
        first = judged(current, rows, better=better, allow_better=True)[0]
        assert (first.status, first.failed) == (status, status == "moved")

    def test_an_error_bar_may_follow_its_value(self, rows):
        current = changed(rows, **{"fd-digits": 1.5, "fd-digits_stderr": 0.2})
        assert statuses(current, rows, None, better=self.LOWER, allow_better=True)[0] == "better"
        alone = changed(rows, **{"fd-digits_stderr": 0.2})
        assert statuses(alone, rows, None, better=self.LOWER, allow_better=True)[0] == "moved"

    def test_one_that_is_lost_may_not(self, rows):
        for error in (None, math.nan, math.inf):
            current = changed(rows, **{"fd-digits": 1.5, "fd-digits_stderr": error})
            assert statuses(current, rows, None, better=self.LOWER, allow_better=True)[0] == "moved"

    def test_evaluations_may_not(self, rows):
        current = changed(rows, nfe=8, **{"fd-digits": 1.5})
        assert statuses(current, rows, better=self.LOWER, allow_better=True)[0] == "moved"


class TestAroundZero:
    """An unbiased estimate of a small distance may be 0 or negative."""

    @pytest.mark.parametrize(
        ("old", "new", "better", "words"),
        [
            (-0.5, -0.6, "lower", "fd-digits -0.5 -> -0.6 (-20 %, -0.71 sigma, better)"),
            (-0.5, -0.4, "lower", "fd-digits -0.5 -> -0.4 (+20 %, +0.71 sigma, worse)"),
            (-0.5, -0.4, "higher", "fd-digits -0.5 -> -0.4 (+20 %, +0.71 sigma, better)"),
            (-0.5, 0.25, "lower", "fd-digits -0.5 -> 0.25 (+5.3 sigma, worse)"),
            (0.5, -0.25, "lower", "fd-digits 0.5 -> -0.25 (-5.3 sigma, better)"),
            (0.0, -0.25, "lower", "fd-digits 0 -> -0.25 (-1.8 sigma, better)"),
            (0.25, 0.0, "higher", "fd-digits 0.25 -> 0 (-100 %, -1.8 sigma, worse)"),
            (-0.5, -0.4, None, "fd-digits -0.5 -> -0.4 (+20 %, +0.71 sigma)"),
        ],
    )
    @pytest.mark.parametrize("allowed", [False, True])
    def test_a_move_is_better_or_worse_by_its_sign(self, rows, old, new, better, words, allowed):
        gate = {"better": {"fd-digits": better} if better else {}, "allow_better": allowed}
        before = changed(rows, **{"fd-digits": old, "fd-digits_stderr": 0.1})
        after = changed(rows, **{"fd-digits": new, "fd-digits_stderr": 0.1})
        first = judged(after, before, **gate)[0]
        assert first.detail == words
        assert first.failed == (not allowed or not words.endswith("better)"))
        (value,) = [c.plain() for c in first.changes if c.column == "fd-digits"]
        assert value["course"] == (words.rpartition(" ")[2].strip(")") if better else None)

    @pytest.mark.parametrize("old", [1e-12, 0.0, -1e-12, 0.01, -0.01])
    def test_a_tolerance_is_relative_to_the_error_bar_where_that_is_larger(self, rows, old):
        before = changed(rows, **{"fd-digits": old, "fd-digits_stderr": 0.02})
        for change, status in ((1.9e-8, "same"), (-1.9e-8, "same"), (2.1e-8, "moved")):
            after = changed(rows, **{"fd-digits": old + change, "fd-digits_stderr": 0.02})
            assert statuses(after, before, "1e-6")[0] == status
            # An error bar of one side alone is none to go by.
            for one in (None, math.nan, math.inf, 1e-5):
                wider = changed(rows, **{"fd-digits": old + change, "fd-digits_stderr": one})
                assert statuses(wider, before, "1e-6")[0] == "moved"
                assert statuses(before, wider, "1e-6")[0] == "moved"


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
        assert (
            statuses(current, rows, "fd-digits<=4", better=better, allow_better=True)[0] == "better"
        )
        assert (
            statuses(current, rows, "fd-digits>=1.9", better=better, allow_better=True)[0]
            == "moved"
        )

    def test_models_without_the_metric_are_free(self, rows):
        bare = {k: v for k, v in rows[0].items() if not k.startswith("fd-")}
        mixed = [{**bare, "model": "other", "mine:kid": 9.0}, *rows[1:]]
        assert statuses(mixed, mixed, "fd-digits<=4") == ["same"] * 3
