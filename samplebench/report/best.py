"""Which rows are the best at their budget, and which are tied with them: the rule, in one place.

Rows compete where model, protocol, reference, N and the budget asked for are equal. Tied with the
best is what differs from it by at most 2 standard errors of the difference, or has no such error.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from samplebench.checkpoints.catalog import catalog
from samplebench.metrics import retraining
from samplebench.metrics.uncertainty import spread
from samplebench.results.fields import number, unevaluated
from samplebench.results.row import STDERR, Row, value
from samplebench.results.view import View

# Tied are values that many standard errors of their difference apart, or less.
TIE = 2.0
_SIGNS = {"lower": 1, "higher": -1}
# Of a cell: its seed and N, and its delete-one values.
Draw = tuple[Hashable, Sequence[float]]
# Only rows that are equal in these compete.
_CONDITIONS = ("model", "protocol", "reference", "num_samples")


@dataclass(frozen=True)
class Contest:
    """What at least two rows with a value compete for.

    Attributes:
        budget: NFE asked for.
        best: indices of the rows with the best value; none where all values are equal.
        tied: indices of the further rows that are tied with them, the best first.
        close: of those that are not, indices of rows that differ by less than training the network
            again moves.
    """

    budget: float
    best: tuple[int, ...]
    tied: tuple[int, ...]
    close: tuple[int, ...]


def direction(metric: str, view: View) -> str | None:
    """Which way is better, "lower" or "higher"; None where neither metric nor score says so."""
    from samplebench.metrics.direction import declared

    if (better := declared(metric)) in _SIGNS:
        return better
    values = (score["value"] for (_, name, _), score in view.scores.items() if name == metric)
    words = [found["better"] for found in values if "better" in found]
    found = [word for word in _SIGNS if word in words]
    return found[0] if len(found) == 1 else None


def better_words(better: str | None) -> str:
    """E.g. " (lower is better)", or nothing."""
    return f" ({better} is better)" if better else ""


def contests(view: View, metric: str) -> list[Contest]:
    """The contests of a metric, by budget within the conditions in their first order.

    A row without a budget (explicit levels, adaptive steps) competes at the smallest budget of its
    rivals that is not below its counted NFE, and nowhere if there is none. Exact draws compete
    nowhere. A metric that declares no direction has no contests.
    """
    better, rows = direction(metric, view), view.rows
    groups: dict[Hashable, list[int]] = {}
    for index, row in enumerate(rows):
        if row.get(metric) is not None:
            groups.setdefault(tuple(row.get(key) for key in _CONDITIONS), []).append(index)
    made = []
    for members in groups.values() if better else ():
        asked = {number(rows[index].get("nfe_requested")) for index in members} - {None}
        rivals: dict[float, list[int]] = {}
        for index in members:
            budget = budget_of(rows[index], asked)
            if budget is not None and number(rows[index].get(metric)) is not None:
                rivals.setdefault(budget, []).append(index)
        for budget, some in sorted(rivals.items()):
            if len(some) > 1:
                some.sort(key=lambda i: _SIGNS[str(better)] * value(rows[i], metric))
                best, tied = _decided(some, view, metric)
                behind = [index for index in some if index not in (*best, *tied)]
                close = (i for i in behind if within_retraining(rows[best[0]], rows[i], metric))
                made.append(Contest(budget, best, tied, tuple(close)))
    return made


def marks_of(view: View, metric: str) -> dict[int, str]:
    """By the index of the row whether it is "best" or "tied"."""
    found = contests(view, metric)
    best = {index: "best" for contest in found for index in contest.best}
    return best | {index: "tied" for contest in found for index in contest.tied}


def difference_error(a: Row, b: Row, view: View, metric: str) -> float:
    """Standard error of the difference of two rows' values; NaN where nothing is known of it.

    With equal seeds, N and blocks it is that of paired differences: the jackknife of the
    differences of the delete-one values, the variances of repeats added and divided by their
    squared number. Else the two rows' errors count as independent.
    """
    paired = paired_error(draws_of(a, view, metric), draws_of(b, view, metric))
    if paired is not None:
        return paired
    errors = [number(row.get(metric + STDERR)) for row in (a, b)]
    return math.hypot(*(math.nan if error is None else error for error in errors))


def budget_of(row: Row, asked: Iterable[float | None]) -> float | None:
    """At which budget a row competes, given those of its rivals; None where at none."""
    if unevaluated(row):
        return None
    budget, nfe = number(row.get("nfe_requested")), number(row.get("nfe"))
    if budget is not None or nfe is None:
        return budget
    return min((one for one in asked if one is not None and one >= nfe), default=None)


def _decided(
    some: Sequence[int], view: View, metric: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of rows sorted by value, the best ones and those tied with them."""
    rows = view.rows
    top = value(rows[some[0]], metric)
    best = tuple(index for index in some if value(rows[index], metric) == top)
    if len(best) == len(some):
        return (), best
    return best, tuple(
        index
        for index in some[len(best) :]
        if any(_tied(rows[first], rows[index], view, metric) for first in best)
    )


def within_retraining(a: Row, b: Row, metric: str) -> bool:
    """Whether training the network of two rows again moves more than their difference."""
    known = catalog().get(str(a.get("model")))
    trained = known is None or not known.format.startswith("exact")
    return trained and retraining.explains(metric, value(a, metric), value(b, metric))


def _tied(a: Row, b: Row, view: View, metric: str) -> bool:
    """Whether nothing shows that they differ; values without an error show nothing."""
    apart = abs(value(a, metric) - value(b, metric))
    return not apart > TIE * difference_error(a, b, view, metric)


def paired_error(left: Sequence[Draw], right: Sequence[Draw]) -> float | None:
    """Of the difference of the means over these draws.

    None where seeds, N or blocks differ, or there are no two delete-one values.
    """
    if not left or len(left) != len(right):
        return None
    errors = []
    for (x, first), (y, second) in zip(left, right, strict=True):
        if x != y or len(first) < 2 or len(first) != len(second):
            return None
        errors.append(spread([p - q for p, q in zip(first, second, strict=True)]))
    return math.hypot(*errors) / len(errors)


def draws_of(row: Row, view: View, metric: str) -> list[Draw]:
    """Seed and N of each cell of a row, and its delete-one values against the row's reference."""
    records, scores = view.records_of(row), view.scores_of(row, metric)
    if len(records) != len(scores):
        return []
    drawn = [(r["conditions"].get("seed"), r["conditions"].get("num_samples")) for r in records]
    deleted = [score["value"].get("deleted") or () for score in scores]
    return list(zip(drawn, deleted, strict=True))
