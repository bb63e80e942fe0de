"""Points of a curve on one side, and which of the other side belongs to which."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from samplebench.errors import InputError
from samplebench.regression.rows import KEY, Table
from samplebench.regression.sidecar import Origin
from samplebench.results import fields
from samplebench.results.columns import total
from samplebench.results.fields import hashes_of, number
from samplebench.results.row import COLUMNS, COUNTED, STDERR, Row, entry

SEEDS = ("seed", "repeats")
_POINT = tuple(column for column in KEY if column not in SEEDS)
# Two rows that differ in one of these are the same point under other conditions.
CONDITIONS = tuple(column for column in _POINT if column in fields.CONDITIONS)

Key = tuple[Any, ...]


@dataclass(frozen=True)
class CurvePoint:
    """One or more rows that differ in their seeds alone, none of which share a sample.

    Attributes:
        rows: ordered by seed.
        table: they are of.
    """

    rows: tuple[Row, ...]
    table: Table

    @property
    def row(self) -> Row:
        """Its first row, for what all have in common."""
        return self.rows[0]

    @property
    def seed(self) -> int | str:
        """Of its row, or those of all its rows in words."""
        seeds = ", ".join(str(row["seed"]) for row in self.rows)
        return self.row["seed"] if len(self.rows) == 1 else seeds

    @cached_property
    def ranges(self) -> int:
        """Disjoint ranges of N seeds behind it."""
        return sum(row["repeats"] for row in self.rows)

    @property
    def starts(self) -> set[int]:
        """First seed of each range."""
        # A repeat without a cell is none, however many a damaged row claims.
        counts = (min(row["repeats"], len(hashes_of(row))) for row in self.rows)
        return {
            row["seed"] + r * row["num_samples"]
            for row, count in zip(self.rows, counts, strict=True)
            for r in range(count)
        }

    @property
    def origins(self) -> list[Origin] | None:
        """Of all its cells; None unless all are known."""
        found = [self.table.origins_of(row) for row in self.rows]
        known = [origin for origins in found if origins is not None for origin in origins]
        return None if None in found else known

    @property
    def promised(self) -> list[str]:
        """The metrics that its cells were scored by against its reference, as far as their origins
        tell."""
        found = (origin.conditions.get("metrics", {}) for origin in self.origins or ())
        return [metric for metrics in found for metric in metrics.get(self.row["reference"], ())]

    @property
    def platforms(self) -> frozenset[str]:
        return frozenset().union(*(self.table.platforms_of(row) for row in self.rows))

    def value(self, column: str) -> float | None:
        """The mean over its ranges; None where a row has none."""
        values = [entry(row, column) for row in self.rows]
        known = [value for value in values if value is not None]
        if len(values) == 1 or len(known) < len(values):
            # As it is, to its last digit.
            return values[0] if len(values) == 1 else None
        repeats = (row["repeats"] for row in self.rows)
        return total(v * r for v, r in zip(known, repeats, strict=True)) / self.ranges

    def stderr(self, metric: str) -> float | None:
        """Standard error of `value`, None where a row has none."""
        column = metric + STDERR
        if len(self.rows) == 1:
            return entry(self.row, column)
        variance = self.variance(metric)
        return None if variance is None else math.sqrt(variance / self.ranges)

    def variance(self, metric: str) -> float | None:
        """Squared standard error of one range, the mean over its ranges; None where unknown."""
        # A row of R repeats holds sqrt(sum of squares) / R.
        squares = [
            row["repeats"] * error * row["repeats"] * error
            for row in self.rows
            if (error := number(row.get(metric + STDERR))) is not None
        ]
        return total(squares) / self.ranges if len(squares) == len(self.rows) else None


def points(table: Table, *, by_seed: bool) -> dict[Key, CurvePoint]:
    """The points of a side, in the order of its rows.

    Args:
        by_seed: whether rows of other seeds are other points.

    Raises:
        InputError: rows of one point share samples, so that their mean has no error bar, or a
            metric, so that nobody knows which is meant.
    """
    whole: dict[Key, Row] = {}
    for row in table.rows:
        key = _key(row, KEY)
        whole[key] = _joined(whole[key], row, table.source) if key in whole else row
    if by_seed:
        return {key: CurvePoint((row,), table) for key, row in whole.items()}
    groups: dict[Key, list[Row]] = {}
    for row in whole.values():
        groups.setdefault(_key(row, _POINT), []).append(row)
    return {key: CurvePoint(_disjoint(rows, table.source), table) for key, rows in groups.items()}


def counterparts(
    points: Iterable[CurvePoint], others: Iterable[CurvePoint]
) -> list[tuple[CurvePoint, CurvePoint]]:
    """Pairs of points that are the same but for conditions or seeds, none of them twice."""
    free = tuple(column for column in _POINT if column not in CONDITIONS)
    left: dict[Key, list[CurvePoint]] = {}
    for other in others:
        left.setdefault(_key(other.row, free), []).append(other)
    found = []
    for point in points:
        if same := left.get(_key(point.row, free)):
            found.append((point, same.pop(0)))
    return found


def referred(table: Table, other: Table) -> Table:
    """`table` where a point that does not say its reference has that of `other`.

    Older tables do not say it.
    """
    columns = tuple(column for column in _POINT if column != "reference")
    there: dict[Key, list[str]] = {}
    for row in other.rows:
        there.setdefault(_key(row, columns), []).append(row["reference"])
    own = {(_key(row, columns), row["reference"]) for row in table.rows}
    rows = []
    for row in table.rows:
        key = _key(row, columns)
        named = (one for one in there.get(key, ()) if one and (key, one) not in own)
        rows.append(row if row["reference"] else {**row, "reference": next(named, "")})
    return replace(table, rows=rows)


def replaced(old: Table, new: Table) -> Table:
    """`old` where the points that `new` has, of whatever seeds, are those of `new`."""
    groups: dict[Key, list[Row]] = {}
    for row in new.rows:
        groups.setdefault(_key(row, _POINT), []).append(row)
    fresh, rows = dict(groups), []
    for row in old.rows:
        point = _key(row, _POINT)
        rows += fresh.pop(point, []) if point in groups else [row]
    rows += [row for group in fresh.values() for row in group]
    return Table(
        rows, {**old.origins, **new.origins}, old.platforms | new.platforms, source=old.source
    )


def _key(row: Row, columns: tuple[str, ...]) -> Key:
    return tuple(row.get(column) for column in columns)


def _joined(row: Row, other: Row, source: str) -> Row:
    """A point whose metrics two sweeps of a folder computed, as one row with the cells of both."""
    if row == other:
        return row
    values = {key: value for key, value in other.items() if key not in COLUMNS and key != "cell"}
    for key, value in values.items():
        if value is not None and row.get(key) is not None:
            raise InputError(f"{source}: {key} of {row['model']} occurs twice at one point")
    if any(entry(row, column) != entry(other, column) for column in COUNTED):
        raise InputError(f"{source}: one point of {row['model']} has two counted NFE")
    known = {key: value for key, value in values.items() if value is not None}
    cells = dict.fromkeys((*hashes_of(row), *hashes_of(other)))
    return cast(Row, {**row, **known, "cell": " ".join(sorted(cells))})


def _disjoint(rows: list[Row], source: str) -> tuple[Row, ...]:
    """Rows by seed without those whose samples another row has all of."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["seed"], -row["repeats"])):
        if kept and row["seed"] < (end := _end(kept[-1])):
            if _end(row) > end:
                raise InputError(
                    f"{source}: seeds {kept[-1]['seed']} and {row['seed']} of {row['model']} share "
                    f"samples, as sample i has seed S + i; space seeds by N = {row['num_samples']}"
                )
            continue
        kept.append(row)
    return tuple(kept)


def _end(row: Row) -> int:
    return row["seed"] + row["repeats"] * row["num_samples"]
