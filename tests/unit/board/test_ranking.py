"""Ranks of planted values: what is clear, what is a tie, and who shares it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t

from samplebench.board.ranking import clear, mean_and_error, places, ranks, student

NOISE = np.array([0.03, -0.02, 0.01, -0.04, 0.02])


def test_the_bound_is_as_rare_as_two_known_errors():
    assert student(5) == pytest.approx(2.869, abs=1e-3)
    assert student(10_000) == pytest.approx(2.0, abs=1e-3)
    assert 2 * t.sf(student(5), 4) == pytest.approx(0.0455, abs=1e-4)


def test_equals_are_told_apart_once_in_22():
    draw = np.random.default_rng(1).normal(size=(4000, 2, 5))
    share = np.mean([clear(one, other) for one, other in draw])
    assert share == pytest.approx(0.0455, abs=0.01)


def test_noise_that_both_have_does_not_hide_a_difference():
    assert clear(1 + NOISE, 1.01 + NOISE + 0.001 * NOISE[::-1])
    assert not clear(1 + NOISE, 1.01 + NOISE[::-1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([3, 1, 2], [3, 1, 2]),
        ([1, 1, 2], [1, 1, 3]),
        ([2, 1, 2, 2], [2, 1, 2, 2]),
        ([1, 1 + 1e-9, 1 + 3e-6], [1, 1, 3]),
        ([math.inf, 1, math.inf], [2, 1, 2]),
        ([1], [1]),
        ([], []),
    ],
)
def test_values_without_noise(values, expected):
    assert ranks([[value] * 5 for value in values]) == expected


def test_a_chain_of_ties_is_one_group():
    a, b, c = (mean + scale * NOISE for mean, scale in ((1.0, 1), (1.005, -1), (1.01, 1)))
    c = c + 1e-4 * NOISE[::-1]
    assert clear(a, c) and not clear(a, b) and not clear(b, c)
    assert ranks([a, b, c]) == [1, 1, 1]
    assert places([a, b, c]) == [(1, 2), (1, 3), (2, 3)]
    assert places([c, a, b, 2 + NOISE]) == [(2, 3), (1, 2), (1, 3), (4, 4)]
    assert ranks([a, b, c, 2 + NOISE]) == [1, 1, 1, 4]


def test_one_repeat_tells_nobody_apart():
    assert ranks([[1.0], [2.0]]) == [1, 1]


def test_where_some_sets_are_lost_it_comes_last():
    for lost in (math.inf, math.nan, -math.inf):
        for values in ([1, 1, lost], [lost] * 3, [lost, 1e300, 1]):
            rest = [[5, 5, 5], [2, 2, 2], [7, 7, 7]]
            for place in range(4):
                every = [*rest[:place], values, *rest[place:]]
                assert ranks(every)[place] == 4
                assert sorted(ranks(every)) == [1, 2, 3, 4]
                assert places(every)[place] == (4, 4)
                assert sorted(places(every)) == [(i, i) for i in (1, 2, 3, 4)]


def test_values_about_zero_are_told_apart_above_the_rounding_of_their_scale():
    near, far = [-1e-9] * 5, [2e-7] * 5
    assert clear(near, far) and ranks([far, near]) == [2, 1]
    assert not clear(near, far, 0.5) and clear(near, far, 0.1)
    assert ranks([far, near], 0.5) == [1, 1] and places([far, near], 0.5) == [(1, 2)] * 2


def test_negative_values_are_before_those_above_zero():
    assert ranks([[0.1] * 5, [-0.2] * 5, [0.0] * 5]) == [3, 1, 2]


def test_the_error_is_that_of_a_mean():
    mean, error = mean_and_error([1, 2, 3, 4])
    assert mean == 2.5 and error == pytest.approx(math.sqrt(5 / 3) / 2)
    assert mean_and_error([3.0]) == (3.0, 0.0)
