"""Which points of two sides are one: equal in all but what the comparison is about."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from samplebench.compare.side import Side
from samplebench.regression.conditions import condition_word, quantities
from samplebench.regression.points import CurvePoint
from samplebench.results.fields import HEADS, number, printable

# What a comparison may be about.
_SUBJECTS = ("model", "sampler", "params", "discretization", "rho", "guidance", "dtype")
# Values under other ones of these are of another quantity.
_QUANTITY = ("num_samples", "protocol", "reference")


@dataclass(frozen=True)
class Alone:
    """A point that is compared with none of the other side.

    Attributes:
        side: whose it is.
        place: of the point on its side.
        reason: what is in its way.
    """

    side: Side
    place: int
    reason: str


@dataclass(frozen=True)
class Matched:
    """What two sides have in common.

    Attributes:
        subject: columns that are constant on each side and differ between them.
        pairs: places of the points on either side.
        alone: those of either side that are in none of the pairs.
    """

    subject: tuple[str, ...]
    pairs: list[tuple[int, int]]
    alone: list[Alone]


def matched(base: Side, other: Side) -> Matched:
    """Pairs of points, each at most once, in the order of `base`."""
    subject = _subject(base.points, other.points)
    columns = tuple(column for column in (*_SUBJECTS, *_QUANTITY) if column not in subject)
    free: dict[Hashable, list[int]] = {}
    for place, point in enumerate(other.points):
        free.setdefault(_key(point, columns), []).append(place)
    pairs, alone, lacking = [], [], []
    for place, point in enumerate(base.points):
        there = free.get(_key(point, columns), [])
        # Of two with one budget, as an edited sampler leaves them, the one with as many steps.
        there.sort(key=lambda i: other.points[i].row.get("steps") != point.row.get("steps"))
        if not there:
            lacking.append(place)
            continue
        found = there.pop(0)
        if reason := _forbidden(point, other.points[found]):
            alone += [Alone(base, place, reason), Alone(other, found, reason)]
        else:
            pairs.append((place, found))
    extra = sorted(place for places in free.values() for place in places)
    for side, places, rival in ((base, lacking, other), (other, extra, base)):
        alone += [Alone(side, place, _why(side.points[place], rival, columns)) for place in places]
    return Matched(subject, pairs, alone)


def _subject(points: Iterable[CurvePoint], others: Iterable[CurvePoint]) -> tuple[str, ...]:
    points, others = list(points), list(others)
    found = []
    for column in _SUBJECTS:
        ours, theirs = ({p.row.get(column) for p in each} for each in (points, others))
        if len(ours) == len(theirs) == 1 and ours != theirs:
            found.append(column)
    return tuple(found)


def _key(point: CurvePoint, columns: Sequence[str]) -> Hashable:
    """The columns and the budget: that of evaluations, where there is one."""
    return (*(point.row.get(column) for column in columns), _budget(point))


def _budget(point: CurvePoint) -> tuple[str, object]:
    asked = point.row.get("nfe_requested")
    return ("steps", point.row.get("steps")) if asked is None else ("nfe_requested", asked)


def _forbidden(point: CurvePoint, other: CurvePoint) -> str:
    """Why two points of equal columns have values of two quantities; "" where they have not."""
    ours, theirs = point.origins, other.origins
    if not ours or not theirs:
        return ""
    return printable(", ".join(quantities(ours[0].conditions, theirs[0].conditions)))


def _why(point: CurvePoint, rival: Side, columns: Sequence[str]) -> str:
    """What the nearest point of the other side has in place of a point's own."""
    near = min(rival.points, key=lambda other: _distance(point, other, columns))
    told = _apart(point, near, columns)
    if not told:
        return f"its point in {rival.label} is already compared with another point of this budget"
    words = ", ".join(told.values())
    if set(told) <= set(_QUANTITY):
        return f"a different quantity in {rival.label}: {words}"
    return f"nearest in {rival.label}: {words}"


def _distance(point: CurvePoint, other: CurvePoint, columns: Sequence[str]) -> tuple[int, float]:
    """How many columns differ, then how far the budgets are apart."""
    ours, theirs = (number(_budget(each)[1]) for each in (point, other))
    apart = math.inf if ours is None or theirs is None else abs(ours - theirs)
    return len(_apart(point, other, columns)), apart


def _apart(point: CurvePoint, other: CurvePoint, columns: Sequence[str]) -> dict[str, str]:
    """What differs, in words by column."""
    found = {c: (point.row.get(c), other.row.get(c)) for c in columns}
    (kind, ours), (other_kind, theirs) = _budget(point), _budget(other)
    if kind == other_kind:
        found[kind] = (ours, theirs)
    else:
        found[kind] = (ours, other.row.get(kind))
    return {
        column: f"{HEADS.get(column, column)} {_told(a)} -> {_told(b)}"
        for column, (a, b) in found.items()
        if a != b
    }


def _told(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else printable(condition_word(value))
