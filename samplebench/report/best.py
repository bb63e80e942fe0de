"""Which rows are the best at their budget, and which are tied with them: the rule, in one place.

Rows compete where model, protocol, reference, N and the budget asked for are equal. Tied with the
best is what differs from it by at most 2 standard errors of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from samplebench.errors import SamplebenchError
from samplebench.metrics.uncertainty import spread
from samplebench.results.fields import number, records_of
from samplebench.results.record import Record
from samplebench.results.row import STDERR, Row, value

# Tied are values that many standard errors of their difference apart, or less.
TIE = 2.0
_SIGNS = {"lower": 1, "higher": -1}
Cells = Mapping[str, Record]


@dataclass(frozen=True)
class Contest:
    """What at least two rows with a value compete for.

    Attributes:
        reference: (id, sha256) of the statistics that the rows were compared with.
        budget: NFE asked for.
        best: indices of the rows with the best value; none where all values are equal.
        tied: indices of the further rows that are tied with them, the best first.
    """

    reference: tuple[tuple[Any, Any], ...]
    budget: float
    best: tuple[int, ...]
    tied: tuple[int, ...]


def direction(metric: str, cells: Cells) -> str | None:
    """Which way is better, "lower" or "higher"; None where neither metric nor record says so.

    Names are looked up only, never imported: what is in a file must not run code.
    """
    from samplebench.registry import metrics

    with suppress(SamplebenchError):  # a broken plugin is not in the way of a report
        metrics.names()
    if metric in metrics:
        words = [metrics.entry(metric).better]
    else:
        values = (record["values"].get(metric) for record in cells.values())
        words = [found["better"] for found in values if found and "better" in found]
    found = [word for word in _SIGNS if word in words]
    return found[0] if len(found) == 1 else None


def better_words(better: str | None) -> str:
    """E.g. " (lower is better)", or nothing."""
    return f" ({better} is better)" if better else ""


def contests(rows: Sequence[Row], cells: Cells, metric: str) -> list[Contest]:
    """The contests of a metric, by budget within the conditions in their first order.

    A row without a budget (explicit levels, adaptive steps) competes at the smallest budget of its
    rivals that is not below its counted NFE, and nowhere if there is none. A metric that declares
    no direction has no contests.
    """
    better = direction(metric, cells)
    groups: dict[Hashable, list[int]] = {}
    for index, row in enumerate(rows):
        if row.get(metric) is not None:
            groups.setdefault(_conditions(row, cells), []).append(index)
    made = []
    for members in groups.values() if better else ():
        asked = {number(rows[index].get("nfe_requested")) for index in members} - {None}
        rivals: dict[float, list[int]] = {}
        for index in members:
            budget = _budget(rows[index], asked)
            if budget is not None and number(rows[index].get(metric)) is not None:
                rivals.setdefault(budget, []).append(index)
        for budget, some in sorted(rivals.items()):
            if len(some) > 1:
                some.sort(key=lambda i: _SIGNS[str(better)] * value(rows[i], metric))
                best, tied = _decided(some, rows, cells, metric)
                made.append(Contest(_reference(rows[some[0]], cells), budget, best, tied))
    return made


def marks_of(rows: Sequence[Row], cells: Cells, metric: str) -> dict[int, str]:
    """By the index of the row whether it is "best" or "tied"."""
    found = contests(rows, cells, metric)
    best = {index: "best" for contest in found for index in contest.best}
    return best | {index: "tied" for contest in found for index in contest.tied}


def difference_error(a: Row, b: Row, cells: Cells, metric: str) -> float:
    """Standard error of the difference of two rows' values; NaN where nothing is known of it.

    With equal seeds, N and blocks it is that of paired differences: the jackknife of the
    differences of the delete-one values, the variances of repeats added and divided by their
    squared number. Else the two rows' errors count as independent.
    """
    paired = _paired(records_of(a, cells), records_of(b, cells), metric)
    if paired is not None:
        return paired
    errors = [number(row.get(metric + STDERR)) for row in (a, b)]
    return math.hypot(*(math.nan if error is None else error for error in errors))


def _conditions(row: Row, cells: Cells) -> Hashable:
    fixed = (row.get("model"), row.get("protocol"), row.get("num_samples"))
    return (*fixed, _reference(row, cells))


def _reference(row: Row, cells: Cells) -> tuple[tuple[Any, Any], ...]:
    found = (record["conditions"].get("reference") for record in records_of(row, cells))
    return tuple(dict.fromkeys((one.get("id"), one.get("sha256")) for one in found if one))


def _budget(row: Row, asked: Iterable[float | None]) -> float | None:
    budget, nfe = number(row.get("nfe_requested")), number(row.get("nfe"))
    if budget is not None or nfe is None:
        return budget
    return min((one for one in asked if one is not None and one >= nfe), default=None)


def _decided(
    some: Sequence[int], rows: Sequence[Row], cells: Cells, metric: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of rows sorted by value, the best ones and those tied with them."""
    top = value(rows[some[0]], metric)
    best = tuple(index for index in some if value(rows[index], metric) == top)
    if len(best) == len(some):
        return (), best
    return best, tuple(
        index
        for index in some[len(best) :]
        if any(_tied(rows[first], rows[index], cells, metric) for first in best)
    )


def _tied(a: Row, b: Row, cells: Cells, metric: str) -> bool:
    """Whether nothing shows that they differ; values without an error show nothing."""
    apart = abs(value(a, metric) - value(b, metric))
    return not apart > TIE * difference_error(a, b, cells, metric)


def _paired(a: Sequence[Record], b: Sequence[Record], metric: str) -> float | None:
    """None where seeds, N or blocks differ, or delete-one values are missing."""
    if not a or len(a) != len(b):
        return None
    errors = []
    for x, y in zip(a, b, strict=True):
        left, right = _deleted(x, metric), _deleted(y, metric)
        facts = (x["conditions"], y["conditions"])
        same = all(facts[0].get(key) == facts[1].get(key) for key in ("seed", "num_samples"))
        if not (same and left and len(left) == len(right)):
            return None
        errors.append(spread([p - q for p, q in zip(left, right, strict=True)]))
    return math.hypot(*errors) / len(errors)


def _deleted(record: Record, metric: str) -> Sequence[float]:
    found = record["values"].get(metric)
    return (found and found.get("deleted")) or ()
