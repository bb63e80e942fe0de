"""Ranks by values that share their seeds: neighbours whose difference is not clear are ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

# Twice a standard error that is known; with few repeats it is not, see `clear`.
_SIGMAS = 2.0
# Nearer than this in proportion, another processor's rounding may turn two around.
_ROUNDING = 1e-6


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean over repeats and its standard error; 0 of a single one."""
    array = np.asarray(values, dtype=float)
    if len(array) < 2 or not np.isfinite(array).all():
        return float(array.mean()), 0.0
    return float(array.mean()), float(array.std(ddof=1) / math.sqrt(len(array)))


def _mean(values: Sequence[float]) -> float:
    """By which samplers are sorted: what is not finite in every repeat is behind all others."""
    return float(np.mean(values)) if np.isfinite(values).all() else math.inf


def clear(one: Sequence[float], other: Sequence[float], scale: float = 0.0) -> bool:
    """Whether two samplers differ, by values of the same repeats.

    The mean difference is beyond t standard errors of its own, those of the paired differences. t
    is Student's for as many repeats at the probability of 2 standard errors that are known: 2.87
    with five repeats. So two that are equal are told apart by chance one time in 22, though the
    error of five differences may be small by chance, too.

    Args:
        scale: of what the values are differences of, if that is larger than they are: of its
            rounding nothing is told.
    """
    whole = [bool(np.isfinite(values).all()) for values in (one, other)]
    if not all(whole):
        return any(whole)
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    mean, error = mean_and_error(difference)
    size = max(abs(float(np.mean(one))), abs(float(np.mean(other))), scale)
    apart = abs(mean) > _ROUNDING * size
    return bool(len(difference) > 1 and apart and abs(mean) > student(len(difference)) * error)


@cache
def student(repeats: int) -> float:
    """How many standard errors are as rare as 2 that are known."""
    from scipy.stats import norm, t  # type: ignore[import-untyped]

    return float(t.isf(norm.sf(_SIGMAS), repeats - 1))


def ranks(values: Sequence[Sequence[float]], scale: float = 0.0) -> list[int]:
    """The rank of each by its mean, 1 for the smallest; equal for a group of ties.

    Neighbours by mean that are not `clear` of each other are ties, and whoever is tied to one of a
    group belongs to it. The next group's rank counts all before it: 1, 1, 3.

    Args:
        values: of each by repeat, the same repeats for all; inf or NaN where there is none.
        scale: as of `clear`.
    """
    order = sorted(range(len(values)), key=lambda i: (_mean(values[i]), i))
    found = [0] * len(values)
    for place, i in enumerate(order):
        before = order[place - 1]
        tied = place > 0 and not clear(values[before], values[i], scale)
        found[i] = found[before] if tied else place + 1
    return found


def places(values: Sequence[Sequence[float]], scale: float = 0.0) -> list[tuple[int, int]]:
    """The first and the last place that each may have, by all comparisons of two alone: before it
    are those that are `clear` of it and smaller, behind it those that are larger. A chain of ties
    may join what is far apart; these do not.

    Args:
        values, scale: as for `ranks`.
    """
    means, found = [_mean(each) for each in values], []
    for i, own in enumerate(values):
        apart = [j for j, other in enumerate(values) if clear(own, other, scale)]
        before = sum(means[j] < means[i] for j in apart)
        found.append((1 + before, len(values) - (len(apart) - before)))
    return found
