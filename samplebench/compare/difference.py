"""A metric at one point of two sides: what the one has more, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from samplebench.compare.side import Side
from samplebench.regression.tolerance import SIGMA, Tolerance, default_rule
from samplebench.regression.verdict import NO_VALUE, Change
from samplebench.report.best import TIE, Draw, paired_error
from samplebench.results.fields import number

TIED = "tie"
_RULE = Tolerance(SIGMA, TIE, f"{TIE:g}sigma")


@dataclass(frozen=True)
class Difference:
    """Of one metric.

    Attributes:
        base, other: places of the points on their sides.
        change: the two values and the standard error of their difference, which is None where
            nothing is known of it; it has moved where it is more than 2 of these, and more than
            the gate allows equal seeds (1e-6, on another platform 1e-3).
        errors: standard error of each value; None where there is none.
        unpaired: why the two errors count as independent; "" where the differences are paired.
    """

    base: int
    other: int
    change: Change
    errors: tuple[float | None, float | None]
    unpaired: str

    @property
    def metric(self) -> str:
        return self.change.column

    @property
    def value(self) -> float | None:
        """other - base; None where one is no number."""
        a, b = number(self.change.old), number(self.change.new)
        return None if a is None or b is None else b - a

    @property
    def z(self) -> float | None:
        """The difference in standard errors, 0 of equal values; None without an error bar."""
        if self.value is None or self.value == 0:
            return self.value
        if self.change.error:
            return self.change.sigma
        # Of pairs that move together the error is 0.
        apart = math.copysign(math.inf, self.value) if self.change.moved else 0.0
        return None if self.change.error is None else apart

    @property
    def verdict(self) -> str:
        """ "better" or "worse", "higher" or "lower" where the metric does not say which is better,
        "tie", or "no value"."""
        if self.value is None:
            return NO_VALUE
        if not self.change.moved:
            return TIED
        return self.change.course or ("higher" if self.value > 0 else "lower")


def difference(
    metric: str, base: Side, other: Side, places: tuple[int, int], better: str
) -> Difference:
    """Of one pair of points.

    On equal seeds, N and blocks its error is the jackknife of the differences of the delete-one
    values, as the report's ties have it; else the two errors count as independent.

    Args:
        places: of the points on their sides.
        better: "lower" or "higher"; "" where the metric does not say.
    """
    points = base.points[places[0]], other.points[places[1]]
    a, b = (point.value(metric) for point in points)
    errors = tuple(number(point.stderr(metric)) for point in points)
    draws = [side.draws(p, metric) for side, p in zip((base, other), points, strict=True)]
    error, unpaired = paired_error(*draws), ""
    if error is None:
        unpaired = _unpaired(base, other, *draws)
        known = [one for one in errors if one is not None]
        error = math.hypot(*known) if len(known) == 2 else None
    moved = False
    if (x := number(a)) is not None and (y := number(b)) is not None and error is not None:
        # What rounding, another block or another processor leaves of equal values is a tie.
        same = default_rule(points[1].platforms, points[0].platforms)
        least = min(one or 0.0 for one in errors)
        moved = abs(y - x) > TIE * error and not same.holds(x, y, least)
    change = Change(metric, a, b, error, _RULE, moved, better)
    return Difference(*places, change, (errors[0], errors[1]), unpaired)


def _unpaired(base: Side, other: Side, left: Sequence[Draw], right: Sequence[Draw]) -> str:
    """What is in the way of pairs, in words."""
    for side, draws in ((base, left), (other, right)):
        if not draws or not all(len(deleted) > 1 for _, deleted in draws):
            return f"no delete-one values in {side.label}"
    if [drawn for drawn, _ in left] != [drawn for drawn, _ in right]:
        return "other seeds"
    return "other blocks of samples"
