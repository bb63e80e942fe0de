"""Nsigma rules: all points of a run decided together."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from samplebench.regression.points import CONDITIONS, CurvePoint
from samplebench.regression.statistics import (
    critical,
    degrees_of_freedom,
    holm,
    p_value,
    pooled_variances,
)
from samplebench.regression.tolerance import FACTOR, SIGMA, Tolerance
from samplebench.regression.verdict import Change
from samplebench.results.row import STDERR

Pair = tuple[CurvePoint, CurvePoint]
# Of a change: index of its pair, index in it.
Place = tuple[int, int]


@dataclass(frozen=True)
class HolmFamily:
    """The values that share an Nsigma rule.

    Attributes:
        rule: its N is the family-wise error.
        values: how many.
        dof: of Student's t, the fewest among them.
        overlap: whether both sides have seeds in common.
    """

    rule: Tolerance
    values: int
    dof: int
    overlap: bool

    def words(self) -> str:
        """The rule with what it came to."""
        first = critical(self.rule.alpha / self.values, self.dof)
        text = (
            f"{self.rule.text}: family-wise error {self.rule.alpha:.2g} by Holm over "
            f"{self.values} value{'' if self.values == 1 else 's'}, Student's t with {self.dof} "
            f"degrees of freedom; the first move counts from {first:.2f} standard errors"
        )
        return text + ("; both sides share seeds, so it is conservative" if self.overlap else "")


def decide(
    pairs: Sequence[Pair], changes: Sequence[list[Change]]
) -> tuple[list[list[Change]], list[HolmFamily]]:
    """The changes with those of SIGMA rules decided, and the families that they make.

    A value whose standard error moved is left out: it fails by that, and its error bar would widen
    the others'.
    """
    decided = [list(found) for found in changes]
    members: dict[float, list[Place]] = defaultdict(list)
    dof: dict[Place, int] = {}
    for (metric, *_), places in _curves(pairs, changes).items():
        curve = [pairs[i] for i, _ in places]
        for (i, j), (old, new), error in zip(places, curve, _errors(metric, curve), strict=True):
            decided[i][j] = replace(decided[i][j], error=error)
            dof[i, j] = degrees_of_freedom(len(old.starts | new.starts))
            members[decided[i][j].rule.limit].append((i, j))
    families = []
    for places in members.values():
        found = [decided[i][j] for i, j in places]
        p = [p_value(_t(change), dof[at]) for change, at in zip(found, places, strict=True)]
        rule = found[0].rule
        for (i, j), moved in zip(places, holm(p, rule.alpha), strict=True):
            decided[i][j] = replace(decided[i][j], moved=moved)
        overlap = any(_overlap(*pairs[i]) for i, _ in places)
        families.append(HolmFamily(rule, len(places), min(dof[at] for at in places), overlap))
    return decided, families


def _curves(
    pairs: Sequence[Pair], changes: Sequence[Sequence[Change]]
) -> dict[tuple[Any, ...], list[Place]]:
    """Values of one model, metric and N: the points whose variances follow one line."""
    curves: dict[tuple[Any, ...], list[Place]] = defaultdict(list)
    for i, ((old, _), found) in enumerate(zip(pairs, changes, strict=True)):
        conditions = tuple(old.row.get(key) for key in ("model", *CONDITIONS))
        spoilt = {c.column for c in found if c.rule.kind == FACTOR and c.moved}
        for j, change in enumerate(found):
            if change.rule.kind != SIGMA or change.moved:
                continue
            if change.column + STDERR not in spoilt:
                curves[change.column, *conditions].append((i, j))
    return curves


def _errors(metric: str, curve: Sequence[Pair]) -> list[float]:
    """Standard errors of the differences along a curve."""
    moments = [_moments(metric, old, new) for old, new in curve]
    values, variances = zip(*moments, strict=True)
    return [
        math.sqrt(variance * (1 / old.ranges + 1 / new.ranges))
        for variance, (old, new) in zip(pooled_variances(values, variances), curve, strict=True)
    ]


def _moments(metric: str, old: CurvePoint, new: CurvePoint) -> tuple[float, float]:
    """Mean value and mean variance of one range, over those of both sides."""
    value, variance = 0.0, 0.0
    for point in (old, new):
        own, mean = point.variance(metric), point.value(metric)
        assert own is not None and mean is not None
        value += mean * point.ranges
        variance += own * point.ranges
    total = old.ranges + new.ranges
    return value / total, variance / total


def _t(change: Change) -> float:
    if change.old == change.new:
        return 0.0
    return change.sigma if change.error else math.inf


def _overlap(old: CurvePoint, new: CurvePoint) -> bool:
    n, there = old.row["num_samples"], sorted(new.starts)
    for start in old.starts:
        after = bisect_right(there, start - n)
        if after < len(there) and there[after] < start + n:
            return True
    return False
