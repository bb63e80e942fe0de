"""Nsigma rules: other seeds, three of them, several metrics."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from samplebench.errors import InputError, UsageError
from samplebench.regression import Gate, Table, compare, load_rows
from samplebench.regression.sidecar import Origin
from samplebench.regression.statistics import spread_factor
from samplebench.regression.tolerance import parse
from tests.unit.regression.made import CONDITIONS, row

N = 100
ERROR = 0.1
BASELINES = Path(__file__).parents[3] / "benchmarks" / "baselines"


POINTS = [row(sampler, nfe) for sampler in ("euler", "heun") for nfe in (5, 9)]


@pytest.fixture
def side():
    """`side(seeds, shift=...)`: four points per seed with values 2, 3, 4, 5 plus the shift."""

    def make(*seeds, shift=0.0, repeats=1, metrics=("fd-digits",), platform="here", **changes):
        conditions = {**CONDITIONS, **changes}
        rows, origins = [], {}
        for seed in seeds:
            for i, point in enumerate(POINTS):
                cells = [f"{seed + r * N:032d}{i:032d}" for r in range(repeats)]
                values = {m: 2.0 + i + (shift if m == metrics[0] else 0.0) for m in metrics}
                errors = {f"{m}_stderr": ERROR / math.sqrt(repeats) for m in metrics}
                columns = {**point, "seed": seed, "repeats": repeats}
                rows.append({**columns, **values, **errors, "cell": " ".join(cells)})
                origins |= dict.fromkeys(cells, Origin(conditions, platform, "a processor"))
        return Table(rows, origins, frozenset({platform}), source=f"seeds {seeds}")

    return make


def judged(current, baseline, *tolerances, **gate):
    metrics = ["fd-digits", "fd-pixels"]
    return compare(current, baseline, Gate(parse(tolerances or ["3sigma"], metrics), **gate))


def statuses(*words, **gate):
    return [verdict.status for verdict in judged(*words, **gate).verdicts]


def test_other_seeds_and_platforms_are_compared(side):
    outcome = judged(side(500, shift=0.1), side(0, platform="there"))
    assert [v.status for v in outcome.verdicts] == ["same"] * 4
    (family,) = outcome.families
    assert (family.values, family.dof, family.overlap) == (4, 20, False)
    assert outcome.platforms == ("there", "here")
    # The difference of two values of one error each.
    changes = [c for v in outcome.verdicts for c in v.changes if c.column == "fd-digits"]
    assert [c.error for c in changes] == pytest.approx([ERROR * math.sqrt(2)] * 4)
    assert changes[0].sigma == pytest.approx(0.1 / ERROR / math.sqrt(2))


def test_the_edge_is_holm_s(side):
    """Of 4 equal p values the first decides: 0.0027 / 4 at 20 degrees of freedom, 4.02 errors."""
    for sign in (1, -1):
        for shift, status in ((4.0, "same"), (4.05, "moved")):
            current = side(500, shift=sign * shift * ERROR * math.sqrt(2))
            assert statuses(current, side(0)) == [status] * 4
    (family,) = judged(side(500), side(0)).families
    assert "counts from 4.02 standard errors" in family.words()


def test_a_wider_rule_sees_less(side):
    current, baseline = side(500, shift=0.5), side(0)
    assert statuses(current, baseline, "2sigma") == ["moved"] * 4
    assert statuses(current, baseline, "3sigma") == ["same"] * 4


@pytest.mark.parametrize("form", ["rows", "repeats", "both"])
def test_seed_ranges_of_a_point_are_averaged_and_counted(side, form):
    baseline = {
        "rows": side(0, N, 2 * N),
        "repeats": side(0, repeats=3),
        "both": side(0, N, 2 * N, 0),
    }[form]
    if form == "both":
        whole = side(0, repeats=3)
        baseline = Table(
            [*baseline.rows, *whole.rows], {**baseline.origins, **whole.origins}, whole.platforms
        )
    (family,) = judged(side(500), baseline).families
    assert family.dof == 40
    for verdict in judged(side(500), baseline).verdicts:
        (change,) = (c for c in verdict.changes if c.column == "fd-digits")
        assert change.error == pytest.approx(ERROR * math.sqrt(1 + 1 / 3))


def test_the_mean_counts_every_range(side):
    first, others = side(0), side(N, shift=0.3, repeats=2)
    baseline = Table([*first.rows, *others.rows], {**first.origins, **others.origins})
    (change,) = (
        c for c in judged(side(500), baseline).verdicts[0].changes if c.column == "fd-digits"
    )
    assert change.old == pytest.approx((2.0 + 2 * 2.3) / 3)


def test_ranges_that_share_samples_are_refused(side):
    with pytest.raises(InputError, match=r"seeds 0 and 1 of digits-exact share samples.*N = 100"):
        judged(side(500), side(0, 1))
    assert statuses(side(0), side(0, 1), "1e-6", subset=True) == ["same"] * 4


def test_sides_that_share_seeds_are_compared_and_said(side):
    outcome = judged(side(0, shift=0.1), side(0, N, 2 * N))
    assert not outcome.failed
    (family,) = outcome.families
    assert family.overlap and "conservative" in family.words()
    # Three ranges are known, not four.
    assert family.dof == 30
    assert judged(side(50), side(0)).families[0].overlap


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"checkpoint_sha256": "b" * 64}, "checkpoint sha256 a1f5ef833e53 -> bbbbbbbbbbbb"),
        ({"quantization": "round"}, "quantization edm -> round"),
    ],
    ids=["checkpoint", "quantization"],
)
def test_other_conditions_are_never_compared(side, changes, note):
    outcome = judged(side(500, **changes), side(0, N))
    assert [v.status for v in outcome.verdicts] == ["conditions differ"] * 4
    assert outcome.verdicts[0].note.startswith(note)
    assert outcome.families == []


def test_retrained_weights_are_compared_where_asked_for(side):
    current = side(500, checkpoint_sha256="b" * 64)
    assert statuses(current, side(0, N), retrained=True) == ["same"] * 4
    moved = side(500, shift=2.0, checkpoint_sha256="b" * 64)
    assert statuses(moved, side(0, N), retrained=True) == ["moved"] * 4
    other = side(500, checkpoint_sha256="b" * 64, quantization="round")
    assert statuses(other, side(0, N), retrained=True) == ["conditions differ"] * 4
    with pytest.raises(UsageError, match=r"--retrained.*3sigma"):
        statuses(current, side(0, N), "2%", retrained=True)


def test_a_baseline_of_two_checkpoints_is_no_baseline(side):
    first, second = side(0), side(N, checkpoint_sha256="b" * 64)
    mixed = Table([*first.rows, *second.rows], {**first.origins, **second.origins})
    assert statuses(side(500), mixed) == ["conditions differ"] * 4
    assert statuses(side(500), mixed, retrained=True) == ["conditions differ"] * 4


def test_another_number_of_samples_is_never_compared(side):
    current = side(500)
    fewer = [{**row, "num_samples": 50} for row in current.rows]
    verdicts = judged(Table(fewer, current.origins), side(0)).verdicts
    assert [(v.status, v.note) for v in verdicts] == [
        ("conditions differ", "num_samples 100 -> 50")
    ] * 4


def test_the_device_of_the_noise_is_free_as_seeds_are(side):
    assert statuses(side(500, noise_device="cuda"), side(0, noise_device="cpu")) == ["same"] * 4


def test_without_origins_nothing_of_other_seeds_is_compared(side):
    bare = Table(side(0).rows, source="old.csv")
    verdicts = judged(side(500), bare).verdicts
    assert [v.status for v in verdicts] == ["conditions differ"] * 4
    assert "old.csv has no .provenance.json" in verdicts[0].note


def test_evaluations_are_compared_exactly(side):
    current = side(500)
    more = [{**row, "nfe": row["nfe"] + 1} for row in current.rows]
    assert statuses(Table(more, current.origins), side(0)) == ["moved"] * 4


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_value_that_is_not_finite_has_moved(side, value):
    current = side(500)
    current.rows[0]["fd-digits"] = value
    assert statuses(current, side(0)) == ["moved", "same", "same", "same"]


@pytest.mark.parametrize("error", [None, math.nan, 0.0, -0.1, -1e9, math.inf, 1e200])
def test_an_error_bar_that_is_none_wants_another_rule(side, error):
    for sides in ((side(500), side(0, N)), (side(0, N), side(500))):
        sides[0].rows[0]["fd-digits_stderr"] = error
        said = "a standard error of 0 .*fd-digits:abs" if error == 0 else "no standard error .*:2%"
        with pytest.raises(UsageError, match=f"fd-digits of digits-exact has {said}"):
            judged(*sides)


@pytest.mark.parametrize("seeds", [(0,), (0, N, 2 * N)])
def test_an_error_bar_that_is_not_the_baseline_s_has_moved(side, seeds):
    """By more than jackknives of so many ranges differ; and no other point's gets wider by it."""
    limit = spread_factor(len(seeds), 1)
    assert limit == pytest.approx(5 if len(seeds) == 1 else 3.72, abs=0.01)
    for factor, status in (
        (0.99 * limit, "same"), (1.01 * limit, "moved"), (1e9, "moved"),
        (1.01 / limit, "same"), (0.99 / limit, "moved"),
    ):  # fmt: skip
        current, baseline = side(500), side(*seeds)
        current.rows[0]["fd-digits_stderr"] *= factor
        assert statuses(current, baseline) == [status, "same", "same", "same"]
    current.rows[0]["fd-digits_stderr"] = 1e9 * ERROR
    current.rows[1]["fd-digits"] += 1.0
    outcome = judged(current, side(*seeds))
    assert [v.status for v in outcome.verdicts] == ["moved", "moved", "same", "same"]
    assert "standard error moved, by more than a factor of" in outcome.verdicts[0].detail


def test_the_committed_curves_raise_no_alarm_among_themselves():
    """Each range of seeds against the two others, and against one: values and error bars."""
    for path in sorted(BASELINES.glob("digits-*.csv")):
        table = load_rows(path)
        seeds = sorted({row["seed"] for row in table.rows})
        for seed, *others in ((s, *(o for o in seeds if o != s)) for s in seeds):
            one = replace(table, rows=[r for r in table.rows if r["seed"] == seed])
            for kept in (others, others[:1]):
                rest = replace(table, rows=[r for r in table.rows if r["seed"] in kept])
                assert not judged(one, rest).failed, (path.name, seed)


def test_values_beyond_squares_have_moved(side):
    for value in (1e150, 1e308, -1e308):
        current = side(500, 500 + N)
        current.rows[0]["fd-digits"] = current.rows[4]["fd-digits"] = value
        assert statuses(current, side(0)) == ["moved", "same", "same", "same"]


class TestMetrics:
    BOTH = ("fd-digits", "fd-pixels")

    def test_one_without_a_rule_is_named(self, side):
        current, baseline = side(500, metrics=self.BOTH), side(0, metrics=self.BOTH)
        with pytest.raises(UsageError, match="--tolerance fd-pixels:3sigma"):
            judged(current, baseline, "fd-digits:3sigma")
        assert statuses(current, baseline, "fd-digits:3sigma,fd-pixels:2%") == ["same"] * 4

    def test_at_equal_seeds_it_keeps_the_default_gate(self, side):
        baseline = side(0, metrics=self.BOTH)
        current = side(0, metrics=self.BOTH, shift=0.1)
        assert statuses(current, baseline, "fd-digits:3sigma") == ["same"] * 4
        current.rows[0]["fd-pixels"] += 1e-4
        assert statuses(current, baseline, "fd-digits:3sigma") == ["moved", *["same"] * 3]

    def test_each_number_of_sigmas_is_a_family(self, side):
        current, baseline = side(500, metrics=self.BOTH), side(0, metrics=self.BOTH)
        (both,) = judged(current, baseline, "3sigma").families
        assert both.values == 8
        two = judged(current, baseline, "2sigma,fd-pixels:3sigma").families
        assert sorted((f.rule.limit, f.values) for f in two) == [(2.0, 4), (3.0, 4)]


def test_a_better_mean_may_pass(side):
    current, baseline = side(500, shift=-0.9), side(0)
    assert (
        statuses(current, baseline, better={"fd-digits": "lower"}, allow_better=True)
        == ["better"] * 4
    )
    assert (
        statuses(current, baseline, better={"fd-digits": "higher"}, allow_better=True)
        == ["moved"] * 4
    )


def test_fresh_seeds_raise_no_alarm_and_a_shift_does(side):
    """Values with the spread that their error bars say."""
    rng = np.random.default_rng(1)

    def noisy(*seeds, shift=0.0):
        table = side(*seeds, shift=shift)
        for found in table.rows:
            found["fd-digits"] += rng.normal(0, ERROR)
        return table

    baseline = noisy(0, N, 2 * N)
    assert sum(judged(noisy(500), baseline, "3sigma").failed for _ in range(200)) <= 4
    seen = sum(judged(noisy(500, shift=0.7), baseline, "3sigma").failed for _ in range(50))
    assert seen >= 48
