"""A side of a comparison: the points of a results folder or of a results.csv."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from samplebench.errors import InputError, SamplebenchError, UsageError, unknown
from samplebench.regression import Table, load_rows
from samplebench.regression.points import CurvePoint, points, referred
from samplebench.report.best import Draw, draws_of
from samplebench.report.labels import labelled
from samplebench.results.fields import metrics_of, printable
from samplebench.results.row import STDERR, Row
from samplebench.results.store import is_results_folder
from samplebench.results.view import View

_TABLE = "results.csv"
# Characters of a label: what of a longer one is shown of its two ends.
_LONGEST, _HEAD, _TAIL = 40, 24, 15
# So many folders are named where the one that was meant is not.
_NAMED = 5


@dataclass(frozen=True)
class Side:
    """What one folder has.

    Attributes:
        label: short, and like no other side's.
        table: its rows, with what they were computed under.
        view: its records, scores and labels; without any of a CSV alone.
        points: rows that differ in their seeds alone are one.
        rows: a row per point, with its mean over seeds and what readers are told for names.
    """

    label: str
    table: Table
    view: View
    points: tuple[CurvePoint, ...]
    rows: tuple[Row, ...]

    def draws(self, point: CurvePoint, metric: str) -> list[Draw]:
        """Seed, N and delete-one values of each of a point's cells."""
        return [draw for row in point.rows for draw in draws_of(row, self.view, metric)]


def sides_of(sources: Sequence[str]) -> list[Side]:
    """The sides of these folders and tables, in their order.

    Raises:
        UsageError: fewer than two, one of them twice, or a name that is not there.
        InputError: one is no results folder or table, is damaged, or has no finished point.
        EnvironmentError_: one cannot be read.
    """
    if len(sources) < 2:
        raise UsageError(
            "compare needs two results folders or more, e.g. samplebench compare reports/a "
            "reports/b"
        )
    paths = [_place(source) for source in sources]
    for place, path in enumerate(paths):
        if path.resolve() in [other.resolve() for other in paths[:place]]:
            raise UsageError(f"{path} is given twice; name another folder to compare with")
    tables = [load_rows(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if not table.rows:
            raise InputError(f"{path} has no finished point yet; run its sweep first")
    # Older tables do not say their reference; another side may.
    for place, table in enumerate(tables):
        for other in (*tables[:place], *tables[place + 1 :]):
            tables[place] = table = referred(table, other)
    return [_side(label, table) for label, table in zip(labels_of(paths), tables, strict=True)]


def _side(label: str, table: Table) -> Side:
    view = table.view or View(label, table.rows, {}, {})
    found = tuple(points(table, by_seed=False).values())
    rows = labelled(replace(view, rows=list(map(_row, found)))).rows
    return Side(label, table, view, found, tuple(rows))


def _row(point: CurvePoint) -> Row:
    """A point as one row."""
    if len(point.rows) == 1:
        return point.row
    values: dict[str, float | None] = {}
    for metric in metrics_of(point.rows):
        values |= {metric: point.value(metric), metric + STDERR: point.stderr(metric)}
    named = {"nfe": point.value("nfe"), "seed": point.seed, "repeats": point.ranges}
    return cast(Row, {**point.row, **named, **values})


def _place(source: str) -> Path:
    """The path of a folder or table that may be one."""
    path = Path(source)
    if not path.exists():
        if beside := _folders(path.parent):
            raise unknown("results folder", source, beside)
    elif path.is_dir() and not is_results_folder(path) and (within := _folders(path)):
        named = ", ".join(within[:_NAMED]) + (" ..." if len(within) > _NAMED else "")
        raise InputError(f"{path} is not a results folder; in it are {named}")
    return path


def _folders(folder: Path) -> list[str]:
    """The results folders in one, as a user would write them."""
    found = []
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            with suppress(SamplebenchError, OSError):
                found += [str(path)] if is_results_folder(path) else []
    return found


def labels_of(paths: Sequence[Path]) -> list[str]:
    """Their last names, with as many folders before these as tell them apart."""
    whole = [_parts(path) for path in paths]
    lengths = [1] * len(whole)

    def names() -> list[str]:
        return ["/".join(parts[-n:]) for parts, n in zip(whole, lengths, strict=True)]

    def crowded(place: int) -> bool:
        found, own = names(), whole[place]
        same = (i for i, name in enumerate(found) if name == found[place] and whole[i] != own)
        return lengths[place] < len(own) and next(same, None) is not None

    while longer := [place for place in range(len(whole)) if crowded(place)]:
        for place in longer:
            lengths[place] += 1
    found = [_short(printable(name)) for name in names()]
    if len(set(found)) == len(found):
        return found
    return [f"{place} {name}" for place, name in enumerate(found, 1)]


def _parts(path: Path) -> tuple[str, ...]:
    """Of a table of the usual name those of its folder."""
    parts = path.resolve().parts
    return parts[:-1] if parts[-1] == _TABLE and len(parts) > 2 else parts


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_HEAD]}…{name[-_TAIL:]}"
