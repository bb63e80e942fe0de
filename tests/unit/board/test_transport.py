"""W2 by assignment: against all permutations, and where it has a closed form."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from samplebench.board.transport import wasserstein

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 2), (6, 16), (7, 1)])
def test_against_every_permutation(shape):
    x, y = RNG.normal(size=shape), 3 * RNG.normal(size=shape) - 1
    best = min(np.square(x - y[[*p]]).mean() for p in permutations(range(len(x))))
    assert wasserstein(x, y) == pytest.approx(math.sqrt(best), rel=1e-12)


@pytest.mark.parametrize("p", [1, 2, 9])
@pytest.mark.parametrize("far", [1e-6, 0.3, 1e5])
def test_a_shift_is_its_own_distance(p, far):
    """Of a set and the same set elsewhere, in any order."""
    x, shift = RNG.normal(size=(80, p)), far * RNG.normal(size=p)
    found = wasserstein(x, RNG.permutation(x + shift))
    assert found == pytest.approx(math.sqrt(np.square(shift).mean()), rel=1e-6)


def test_on_a_line_it_is_that_of_sorted_values():
    x, y = RNG.normal(size=(300, 1)), RNG.exponential(size=(300, 1))
    expected = math.sqrt(np.square(np.sort(x, 0) - np.sort(y, 0)).mean())
    assert wasserstein(x, y) == pytest.approx(expected, rel=1e-12)


def test_it_is_symmetric_and_0_of_itself():
    x, y = RNG.normal(size=(60, 4)), RNG.normal(size=(60, 4))
    assert wasserstein(x, y) == pytest.approx(wasserstein(y, x), rel=1e-12)
    assert wasserstein(x, x[::-1]) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
def test_what_is_not_finite_is_infinitely_far(bad):
    x, y = RNG.normal(size=(9, 2)), RNG.normal(size=(9, 2))
    x[3, 1] = bad
    assert wasserstein(x, y) == math.inf


@pytest.mark.parametrize(
    "shapes", [((3, 2), (4, 2)), ((3, 2), (3, 3)), ((3,), (3,)), ((0, 2),) * 2]
)
def test_sets_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match="both are"):
        wasserstein(*(np.zeros(shape) for shape in shapes))
