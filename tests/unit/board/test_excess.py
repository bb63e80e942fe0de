"""The excess: what it is of equal laws, of shifted ones, and of blur that W2 takes for merit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from samplebench.board.excess import ExactDraws
from samplebench.board.ranking import clear, mean_and_error
from samplebench.board.transport import wasserstein

NOISE, COMPONENTS, DIMENSION = 0.2, 10, 64
MEANS = np.random.default_rng(0).choice([-0.5, 0.5], size=(COMPONENTS, DIMENSION))


def drawn(rng, n=200):
    """As digits are: components with noise of their own, in many dimensions."""
    return MEANS[rng.integers(COMPONENTS, size=n)] + NOISE * rng.normal(size=(n, DIMENSION))


def excess(x, y):
    return ExactDraws(y).compared(x)[1]


def blurred(x, sigma):
    """E[x_0 | x_0 + sigma n = x], what a sampler that stops at sigma returns."""
    variance = NOISE**2 + sigma**2
    weights = -np.square(x[:, None] - MEANS).sum(2) / 2 / variance
    weights = np.exp(weights - weights.max(1, keepdims=True))
    mean = weights @ MEANS / weights.sum(1, keepdims=True)
    return mean + NOISE**2 / variance * (x - mean)


@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_blur_is_further_away_where_w2_calls_it_nearer(sigma):
    rng, values = np.random.default_rng(1), []
    for _ in range(5):
        draws, x = ExactDraws(drawn(rng)), drawn(rng)
        values.append([draws.compared(x), draws.compared(blurred(x, sigma))])
    (w2, blurred_w2), (own, blurred_own) = np.transpose(values)
    assert clear(blurred_w2, w2) and np.mean(blurred_w2) < np.mean(w2)
    assert clear(blurred_own, own) and np.mean(blurred_own) > np.mean(own)


def test_of_equal_laws_it_is_0_on_average():
    rng = np.random.default_rng(2)
    mean, error = mean_and_error([excess(drawn(rng, 40), drawn(rng, 40)) for _ in range(300)])
    own = wasserstein(drawn(rng, 20), drawn(rng, 20)) ** 2
    assert abs(mean) < 2.5 * error < 0.05 * own


@pytest.mark.parametrize("dimension", [1, 2, 40])
@pytest.mark.parametrize("far", [0.3, 5.0])
def test_of_a_shifted_law_it_is_the_square_of_the_shift(dimension, far):
    rng = np.random.default_rng(3)
    shift = far * rng.normal(size=dimension)
    found = [
        excess(shift + rng.normal(size=(200, dimension)), rng.normal(size=(200, dimension)))
        for _ in range(20)
    ]
    mean, error = mean_and_error(found)
    assert mean == pytest.approx(np.square(shift).mean(), abs=3 * error)


def test_it_is_the_same_in_any_order_of_computation():
    """Of sets, and of the samples of a half."""
    rng = np.random.default_rng(4)
    draws, sets = ExactDraws(drawn(rng, 60)), [drawn(rng, 60) for _ in range(3)]
    first = [draws.compared(x) for x in sets]
    assert [draws.compared(x) for x in reversed(sets)] == first[::-1]
    mixed = np.concatenate([rng.permutation(half) for half in (sets[0][30:], sets[0][:30])])
    found = draws.compared(sets[0])
    assert draws.compared(mixed) == pytest.approx(found, rel=1e-9)
    assert ExactDraws(mixed).compared(draws.y) == pytest.approx(found, rel=1e-9)


def test_an_odd_number_has_equal_halves():
    rng = np.random.default_rng(5)
    x, y = drawn(rng, 7), drawn(rng, 7)
    even = excess(np.delete(x, 3, 0), np.delete(y, 3, 0))
    assert excess(x, y) == pytest.approx(even, rel=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
@pytest.mark.parametrize("place", [0, 19])
def test_what_is_not_finite_is_infinitely_far(bad, place):
    rng = np.random.default_rng(6)
    x = drawn(rng, 20)
    x[place, 0] = bad
    assert excess(x, drawn(rng, 20)) == math.inf


@pytest.mark.parametrize("far", [1e3, 1e9, 1e60])
def test_one_sample_far_away_does_not_cancel(far):
    """It is as far from the other half as from exact draws."""
    rng = np.random.default_rng(7)
    for place in (0, 150):
        x, y = drawn(rng), drawn(rng)
        x[place, 0] = far
        assert excess(x, y) == pytest.approx(far**2 / x.size, rel=0.05)


def test_of_a_law_that_is_much_too_wide_it_is_that_of_w2():
    rng = np.random.default_rng(8)
    x, y = 10 * rng.normal(size=(200, DIMENSION)), drawn(rng)
    w2, found = ExactDraws(y).compared(x)
    assert found == pytest.approx(100, rel=0.1) and 0.95 * w2**2 < found < w2**2
