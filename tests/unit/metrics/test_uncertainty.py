"""The delete-one-block jackknife where its answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from samplebench.metrics.blocks import BlockedRows, ranges
from samplebench.metrics.moments import BlockedMoments, BlockSums, Moments
from samplebench.metrics.uncertainty import delete_one, spread


def blocked(values, blocks=20):
    rows = np.asarray(values, dtype=float)[:, None]
    parts = [Moments.of(rows[block]) for block in ranges(len(rows), blocks)]
    return BlockedMoments(Moments.of(rows), BlockSums.of(parts))


def jackknife(blocked, estimate):
    return spread(delete_one(blocked, estimate))


def mean(moments):
    return float(moments.mean[0])


# What makes a statistic of rows [N, 1], and the mean of it.
KINDS = {
    "moments": (BlockedMoments.of, mean),
    "features": (BlockedRows, lambda rows: float(rows.mean())),
}


@pytest.mark.parametrize("g", [2, 5, 20])
def test_the_mean_over_equal_blocks_in_closed_form(g):
    values = np.random.default_rng(g).standard_normal(40 * g)
    means = values.reshape(g, 40).mean(1)
    assert jackknife(blocked(values, g), mean) == pytest.approx(
        means.std(ddof=1) / math.sqrt(g), rel=1e-10
    )


@pytest.mark.parametrize("n", [400, 1797, 33])
def test_the_mean_of_normals(n):
    """sigma / sqrt(N), also where N is no multiple of 20."""
    rng = np.random.default_rng(n)
    squares = [jackknife(blocked(3 * rng.standard_normal(n)), mean) ** 2 for _ in range(400)]
    # A variance from 20 blocks has a relative standard deviation of sqrt(2/19), over 400 runs 1.6%.
    assert np.mean(squares) == pytest.approx(9 / n, rel=0.08)


def test_a_curved_estimate():
    """The square of the mean: 2 |mean| sigma / sqrt(N) by the delta method."""
    rng = np.random.default_rng(3)
    found = [
        jackknife(blocked(5 + rng.standard_normal(500)), lambda m: mean(m) ** 2) for _ in range(200)
    ]
    assert np.mean(np.square(found)) == pytest.approx((2 * 5) ** 2 / 500, rel=0.1)


def test_each_estimate_leaves_one_block_out():
    seen = []

    def estimate(moments):
        seen.append((moments.count, moments.total[0]))
        return 0.0

    assert jackknife(blocked(range(10), 3), estimate) == 0.0
    # blocks 0..3, 4..6, 7..9
    assert seen == [(6, 39.0), (7, 30.0), (7, 21.0)]


def test_each_block_with_samples_has_a_delete_one_value():
    for n, values in ((333, 20), (7, 7)):
        draws = np.random.default_rng(1).standard_normal((n, 1))
        for statistic, of in KINDS.values():
            assert len(delete_one(statistic(draws), of)) == values


def test_rows_and_moments_leave_the_same_out():
    draws = np.random.default_rng(2).standard_normal((333, 1))
    found = [delete_one(statistic(draws), of) for statistic, of in KINDS.values()]
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("few", [[], [1.0]])
def test_too_few_delete_one_values_have_no_spread(few):
    assert math.isnan(spread(few))


@pytest.mark.parametrize("shared", [0.0, 3.0, 30.0])
def test_paired_differences_have_the_error_of_what_is_not_shared(shared):
    """Two means over samples that share a part: sqrt(1 + 1) / sqrt(N), however large that part."""
    n, rng, found = 400, np.random.default_rng(7), []
    for _ in range(200):
        part = shared * rng.standard_normal(n)
        a, b = (delete_one(blocked(part + rng.standard_normal(n)), mean) for _ in range(2))
        found.append(spread(np.subtract(a, b)) ** 2)
    assert np.mean(found) == pytest.approx(2 / n, rel=0.1)


@pytest.mark.parametrize("kind", [*KINDS])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_little_is_nan(n, kind):
    statistic, of = KINDS[kind]
    found = statistic(np.arange(n, dtype=float)[:, None])
    assert math.isnan(jackknife(found, of)) and delete_one(found, of) == []


def test_blocks_that_are_not_known_have_no_delete_one_values():
    whole = BlockedMoments(Moments.of(np.arange(40.0)[:, None]))
    assert delete_one(whole, mean) == [] and math.isnan(jackknife(whole, mean))


def test_one_block_is_too_few():
    assert delete_one(blocked(range(40), 1), mean) == []


@pytest.mark.parametrize("kind", [*KINDS])
def test_just_enough_is_a_number(kind):
    """0, 1, 4: means without one each are 2.5, 2 and 0.5."""
    statistic, of = KINDS[kind]
    found = statistic(np.array([[0.0], [1.0], [4.0]]))
    assert delete_one(found, of) == pytest.approx([2.5, 2.0, 0.5])
    assert jackknife(found, of) == pytest.approx(math.sqrt(13 / 9))
