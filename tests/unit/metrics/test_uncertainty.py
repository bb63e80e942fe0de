"""The delete-one-block jackknife where its answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.uncertainty import delete_one, spread


def blocked(values, blocks=20):
    result = BlockedMoments(len(values), 1, blocks)
    result.add(np.asarray(values, dtype=float)[:, None], 0)
    return result.blocks


def jackknife(blocks, estimate):
    return spread(delete_one(blocks, estimate))


def mean(moments):
    return float(moments.mean[0])


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
    blocks = blocked(np.random.default_rng(1).standard_normal(333))
    assert len(delete_one([*blocks, Moments.zeros(1)], mean)) == 20


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


def test_empty_blocks_do_not_count():
    values = np.random.default_rng(0).standard_normal(30)
    blocks = blocked(values, 6)
    assert jackknife([*blocks, Moments.zeros(1)], mean) == jackknife(blocks, mean)


@pytest.mark.parametrize("sizes", [[], [0, 0], [50], [50, 0], [1, 1], [30, 1]])
def test_too_little_is_nan(sizes):
    parts = [Moments.of(np.arange(n, dtype=float)[:, None]) for n in sizes]
    assert math.isnan(jackknife(parts, mean))
    assert delete_one(parts, mean) == []


def test_just_enough_is_a_number():
    parts = [Moments.of(np.array([[0.0], [1.0]])), Moments.of(np.array([[4.0], [5.0]]))]
    assert jackknife(parts, mean) == pytest.approx(2.0)
