"""MIND where its value is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.mind import mind, of_moments
from samplebench.metrics.moments import Moments


def rows(n, dim=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, dim))


def test_a_shift_in_closed_form():
    """3 D mean (u . shift)^2, which is 3 |shift|^2 in the mean over directions."""
    x, shift = rows(50), np.arange(8.0)
    found = mind(x, x + shift, directions=40_000)
    assert found == pytest.approx(3 * shift @ shift, rel=0.03)


def test_a_scale_in_closed_form():
    """Of whitened rows every projection has deviation 1: 3 D (2 - 1)^2."""
    x = rows(50)
    white = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    assert mind(white, 2 * white) == pytest.approx(3 * 8, rel=1e-10)


def test_in_one_dimension_it_is_three_times_the_frechet_distance():
    x, y = 2 * rows(30, 1) + 1, rows(40, 1, seed=1)
    distance = frechet_distance(x.mean(0), np.cov(x.T, ddof=1).reshape(1, 1),
                                y.mean(0), np.cov(y.T, ddof=1).reshape(1, 1))  # fmt: skip
    assert mind(x, y) == pytest.approx(3 * distance, rel=1e-12)


@pytest.mark.parametrize(("m", "n", "dim"), [(60, 40, 8), (5, 9, 30), (2, 2, 1)])
def test_symmetric_and_0_for_equal_sets(m, n, dim):
    x, y = rows(m, dim), rows(n, dim, seed=1)
    assert mind(x, y) == mind(y, x) > 0
    assert mind(x, x) == 0 == mind(x.astype(np.float32), x.astype(np.float32))


def test_directions_are_those_of_the_seed():
    x, y = rows(60), rows(40, seed=1)
    assert mind(x, y) == mind(x, y, seed=2020, directions=1000)
    assert mind(x, y) != mind(x, y, seed=2021)
    lines = np.random.default_rng(3).standard_normal((7, 8))
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    a, b = x @ lines.T, y @ lines.T
    gaps = (a.mean(0) - b.mean(0)) ** 2 + (a.std(0, ddof=1) - b.std(0, ddof=1)) ** 2
    assert mind(x, y, directions=7, seed=3) == pytest.approx(24 * gaps.mean(), rel=1e-10)


def test_a_variance_below_0_by_rounding_is_0():
    given = SimpleNamespace(mean=np.zeros(2), cov=np.diag([1.0, -1e-18]))
    exact = SimpleNamespace(mean=np.zeros(2), cov=np.diag([1.0, 0.0]))
    flat = SimpleNamespace(mean=np.zeros(2), cov=np.full((2, 2), -1e-18))
    words = {"directions": 50, "seed": 0}
    assert of_moments(given, exact, **words) == pytest.approx(0, abs=1e-15)
    assert of_moments(flat, flat, **words) == 0


def test_rows_or_their_moments():
    x, y = rows(60), rows(40, seed=1)
    found = of_moments(Moments.of(y), Moments.of(x), directions=1000, seed=2020)
    assert mind(x, y) == pytest.approx(found, rel=1e-12)
    with pytest.raises(ValueError, match="real: 1 rows are too few"):
        mind(x[:1], y)
