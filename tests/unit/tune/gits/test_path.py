"""The cheapest path, against all of them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from samplebench.errors import UsageError
from samplebench.tune.gits import path_of


def all_paths(costs, intervals, g):
    """(cost, indices) of every path."""
    count = costs.shape[-1]
    for inner in combinations(range(1, count - 1), intervals - 1):
        path = (0, *inner, count - 1)
        before = (0, *path)
        total = 0.0
        for n, (i, j) in enumerate(pairwise(path)):
            one = costs[i, j] if costs.ndim == 2 else costs[before[n], i, j]
            total += g**n * one
        yield total, path


@pytest.mark.parametrize("g", [0.8, 1.0, 1.15])
@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 9)])
@pytest.mark.parametrize("intervals", range(1, 9))
def test_no_path_costs_less(shape, intervals, g):
    # Costs can be negative; what is no step must not be read.
    costs = np.random.default_rng(intervals).normal(0.2, 1, shape)
    i, j = np.indices((9, 9))
    costs[..., i >= j] = np.nan
    indices, total = path_of(costs, intervals, g)
    expected, path = min(all_paths(costs, intervals, g))
    assert indices == path
    assert total == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(7, 7), (7, 7, 7)])
def test_of_equal_paths_the_first_indices_are_taken(shape):
    assert path_of(np.ones(shape), 3)[0] == (0, 1, 2, 6)


@pytest.mark.parametrize("intervals", [0, 7, -1])
def test_so_many_intervals_there_are_not(intervals):
    with pytest.raises(UsageError, match=f"7 stamps have 1 to 6 intervals, not {intervals}"):
        path_of(np.ones((7, 7)), intervals)
