"""The numbers of a point on both sides, each with the rule that it is held to."""

from __future__ import annotations

import math
from collections.abc import Iterable

from samplebench.errors import UsageError
from samplebench.regression.points import CurvePoint
from samplebench.regression.statistics import spread_factor
from samplebench.regression.tolerance import (
    FACTOR,
    SIGMA,
    STRICT,
    Rules,
    Tolerance,
    default_rule,
)
from samplebench.regression.verdict import Change
from samplebench.results.fields import metrics_of, number
from samplebench.results.row import COUNTED, STDERR

# What no metric reaches, and whose square is still a number.
_MOST = 1e100
# Where there is nothing to compare: that there is a value at all.
_PRESENT = Tolerance("relative", 0.0, "a value")


def changes(old: CurvePoint, new: CurvePoint, rules: Rules, by_seed: bool) -> list[Change]:
    """Every number of two points; the values of SIGMA rules are left undecided.

    Raises:
        UsageError: a metric of other seeds has no rule that can compare it, or no error bar.
    """
    fallback = default_rule(new.platforms, old.platforms)
    found = _counted(old, new)
    promised = (*old.promised, *new.promised)
    for metric in dict.fromkeys((*metrics_of([*old.rows, *new.rows]), *promised)):
        if old.value(metric) is None and new.value(metric) is None:
            if metric in promised:
                found.append(Change(metric, None, None, None, _PRESENT, moved=True))
            continue
        rule = rules.of(metric)
        if rule is None and not by_seed and old.starts != new.starts:
            raise UsageError(
                f"metric {metric} has no rule, and its seeds differ from the baseline's: add "
                f"--tolerance {metric}:3sigma"
            )
        found.append(_change(metric, old, new, rule or fallback))
        if rule is None:
            # Of equal seeds the error bars are equal too.
            found.append(_change(metric + STDERR, old, new, fallback))
        elif rule.kind == SIGMA and not found[-1].moved:
            found.append(_spread(metric, old, new))
    return found


def alone(new: CurvePoint) -> list[Change]:
    """The values that a point without a counterpart should have and has not."""
    values = ((m, new.value(m)) for m in metrics_of(new.rows))
    return [
        Change(metric, None, value, None, _PRESENT, moved=True)
        for metric, value in values
        if value is not None and number(value) is None
    ]


def bounds(
    old: CurvePoint | None, new: CurvePoint, rules: Rules, concerned: Iterable[str]
) -> list[Change]:
    """The ceilings and floors that a point breaks.

    Args:
        concerned: metrics that its model has.
    """
    found = []
    for metric in concerned:
        value = new.value(metric)
        for rule in rules.bounds.get(metric, ()):
            finite = number(value)
            if finite is None or not rule.holds(0.0, finite):
                then = None if old is None else old.value(metric)
                found.append(Change(metric, then, value, None, rule, moved=True))
    return found


def _counted(old: CurvePoint, new: CurvePoint) -> list[Change]:
    """NFE, and what else was counted where it moved otherwise."""
    nfe, *others = (_change(column, old, new, STRICT) for column in COUNTED)
    return [nfe, *(c for c in others if c.moved and (c.old, c.new) != (nfe.old, nfe.new))]


def _change(column: str, old: CurvePoint, new: CurvePoint, rule: Tolerance) -> Change:
    stderr = column.endswith(STDERR)
    metric = column.removesuffix(STDERR)
    a = old.stderr(metric) if stderr else old.value(column)
    b = new.stderr(metric) if stderr else new.value(column)
    errors = (None, None) if stderr else (old.stderr(column), new.stderr(column))
    known = [error for error in errors if error is not None]
    error = math.hypot(*known) if len(known) == 2 else None
    if stderr and _unknown(a) and _unknown(b):
        # Of a metric that has none.
        moved = False
    elif a is None or b is None or not (abs(a) < _MOST and abs(b) < _MOST):
        moved = True
    else:
        least = min(number(one) or 0.0 for one in errors)
        moved = rule.kind != SIGMA and a != b and not rule.holds(a, b, least)
    return Change(column, a, b, error, rule, moved or (stderr and (_negative(a) or _negative(b))))


def _unknown(error: float | None) -> bool:
    return error is None or math.isnan(error)


def _negative(error: float | None) -> bool:
    return error is not None and error < 0


def _spread(metric: str, old: CurvePoint, new: CurvePoint) -> Change:
    """The standard errors of one range: a rule that trusts them must not trust any."""
    then, now = _error_of_range(metric, old), _error_of_range(metric, new)
    limit = spread_factor(old.ranges, new.ranges)
    rule = Tolerance(FACTOR, limit, f"factor {limit:.2g}")
    return Change(metric + STDERR, then, now, None, rule, moved=not rule.holds(then, now))


def _error_of_range(metric: str, point: CurvePoint) -> float:
    variance = point.variance(metric)
    wrong = [row for row in point.rows if (number(row.get(metric + STDERR)) or 0.0) <= 0]
    if wrong or variance is None or not 0 < variance < math.inf:
        # None, NaN, 0, below 0 or beyond what has a square.
        none = any(row.get(metric + STDERR) == 0 for row in wrong)
        # As of a share that is 0 in every block, of which a percentage allows nothing.
        what, limit = ("a standard error of 0", "abs:0.01") if none else ("no standard error", "2%")
        raise UsageError(
            f"metric {metric} of {point.row['model']} has {what} in {point.table.source}; "
            f"give it another --tolerance, e.g. {metric}:{limit}"
        )
    return math.sqrt(variance)
