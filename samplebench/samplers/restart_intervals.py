"""The intervals of a Restart run: how they are written, and where they are on its levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from samplebench.answers.scalars import real, values
from samplebench.errors import UsageError

USUAL = (3, 0.06, 0.3)
# Rounding of the first and the last level.
_SLACK = 1e-9


@dataclass(frozen=True)
class Interval:
    """One of the paper's [N_Restart, K, t_min, t_max].

    Attributes:
        N_restart: levels from t_max to t_min, both among them.
        K: how often it is gone through.
    """

    N_restart: int
    K: int
    t_min: float
    t_max: float

    def __str__(self) -> str:
        return f"{self.N_restart}:{self.K}:{self.t_min!r}:{self.t_max!r}"


def written(intervals: Iterable[Interval]) -> str:
    """Intervals in one word."""
    return "/".join(map(str, intervals))


def intervals_of(given: Any, K: int) -> list[Interval]:
    """Intervals from a word or a list, the highest first.

    Args:
        given: None for the usual one.
        K: of those that do not say theirs.

    Raises:
        UsageError: it is none, or two overlap.
    """
    if isinstance(given, str):
        given = [part.split(":") for part in given.split("/")] if given else []
    parts = [USUAL] if given is None else values(given)
    found = sorted((_interval(values(part), K) for part in parts), key=lambda one: -one.t_min)
    for upper, lower in pairwise(found):
        if lower.t_max > upper.t_min:
            raise UsageError(f"restart.intervals: {upper} and {lower} overlap; take them apart")
    return found


def _interval(part: list[Any], K: int) -> Interval:
    """One interval from its three numbers, or four with a K of its own."""
    full = [part[0], K, *part[1:]] if len(part) == 3 else part
    try:
        N_restart, times, t_min, t_max = (real("level", number) for number in full)
    except (UsageError, ValueError) as error:
        raise _bad(full) from error
    whole = N_restart % 1 == times % 1 == 0
    if not (whole and N_restart >= 2 and times >= 0 and 0 < t_min < t_max < math.inf):
        raise _bad(full)
    return Interval(int(N_restart), int(times), t_min, t_max)


def _bad(part: list[Any]) -> UsageError:
    return UsageError(
        f"restart.intervals={':'.join(map(str, part))}: write N_R:K:t_min:t_max with N_R of 2 or "
        "more, K of 0 or more and 0 < t_min < t_max, e.g. 3:2:0.06:0.3; join several by /"
    )


def placed(intervals: Sequence[Interval], levels: Sequence[float]) -> dict[int, Interval]:
    """The intervals by the index of the level at which each starts, the nearest to its t_min.

    Args:
        levels: positive and decreasing.

    Raises:
        UsageError: an interval is out of their range, or none of it is left above that level, or
            two start at the same one.
    """
    found: dict[int, Interval] = {}
    for each in intervals:
        low, high = levels[-1] * (1 - _SLACK), levels[0] * (1 + _SLACK)
        if each.t_min < low or each.t_max > high:
            raise UsageError(
                f"restart.intervals: {each} is not within the levels, {levels[0]:g} to "
                f"{levels[-1]:g}"
            )
        i = min(range(len(levels)), key=lambda j: abs(levels[j] - each.t_min))
        if levels[i] >= each.t_max:
            raise UsageError(
                f"restart.intervals: {each} starts at the level nearest to its t_min, which is "
                f"{levels[i]:g} of {len(levels)} and above its t_max; use more steps"
            )
        if i in found:
            raise UsageError(
                f"restart.intervals: {found[i]} and {each} start at the same of {len(levels)} "
                "levels; use more steps, or one of them"
            )
        found[i] = each
    return found
