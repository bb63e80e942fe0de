"""The two sides of a comparison: rows of a results folder or of a CSV, with their origins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast

from samplebench.errors import InputError
from samplebench.files.atomic import regular
from samplebench.regression import sidecar, upgrade
from samplebench.regression.sidecar import Facts, Origin
from samplebench.results.columns import fault
from samplebench.results.fields import hashes_of, metrics_of, printable
from samplebench.results.record import Score
from samplebench.results.row import COLUMNS, COUNTED, STDERR, Row
from samplebench.results.view import View

# What makes two rows the same point of the same curve; what is counted is compared.
KEY = tuple(column for column in COLUMNS if column not in COUNTED)
# No table of curves comes near it.
MOST_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Table:
    """One side.

    Attributes:
        rows: as in results.csv.
        origins: cell hash -> its origin; cells whose origin nobody recorded are missing.
        platforms: on which the values were computed; empty where unknown.
        pending: planned cells of a results folder that have no result yet.
        source: file or folder, for messages.
        view: of the results folder that has the cells of its rows; None of a CSV alone.
        commit: hash of the commit that it was read from; "" of a file or folder.
    """

    rows: list[Row]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    platforms: frozenset[str] = frozenset()
    pending: int = 0
    source: str = field(default="", compare=False)
    view: View | None = field(default=None, compare=False)
    commit: str = field(default="", compare=False)

    @cached_property
    def references(self) -> dict[str, set[str]]:
        """Those that each model's values are distances to, as far as its rows say."""
        found: dict[str, set[str]] = {}
        for row in (row for row in self.rows if row["reference"]):
            found.setdefault(row["model"], set()).add(row["reference"])
        return found

    def origins_of(self, row: Row) -> list[Origin] | None:
        """Of all cells of a row; None unless all are known."""
        cells = hashes_of(row)
        known = [self.origins[cell] for cell in cells if cell in self.origins]
        return known if cells and len(known) == len(cells) else None

    def platforms_of(self, row: Row) -> frozenset[str]:
        """On which a row was computed, as far as known."""
        origins = self.origins_of(row)
        return self.platforms if origins is None else frozenset(o.platform for o in origins)


def load_rows(source: Path, *, provenance: bool = True) -> Table:
    """Rows of a results folder or of a CSV.

    Args:
        source: a CSV's origins are in the .provenance.json beside it, or in its results folder.
        provenance: off: origins are left unknown.

    Raises:
        InputError: there is no such file, or it is not a results table.
    """
    from samplebench.results.store import is_results_folder

    if source.is_dir():
        return _of_folder(source, None)
    if not source.exists():
        raise InputError(f"{source} does not exist; give a results folder or a results.csv")
    regular(source)
    rows = _of_csv(source)
    if not provenance:
        return Table(rows, source=str(source))
    if is_results_folder(source.parent):
        return _of_folder(source.parent, rows)
    return _table(rows, sidecar.read(source), source)


def _table(
    rows: Iterable[Row], facts: Facts, source: Path | str, view: View | None = None
) -> Table:
    rows = [upgrade.with_reference(row, facts.references) for row in rows]
    pending = view.pending if view else 0
    return Table(rows, facts.origins, facts.platforms, pending, str(source), view)


def table_in(content: bytes, facts: bytes | None, source: str) -> Table:
    """A CSV that is in no folder, as a commit has it.

    Args:
        content: of the CSV.
        facts: content of the .provenance.json beside it; None where there is none.
        source: what messages call the CSV.

    Raises:
        InputError: as of `load_rows`.
    """
    from samplebench.results.tables import numbered_rows_in

    rows = _rows(lambda: numbered_rows_in(content), source)
    beside = str(sidecar.beside(PurePosixPath(source)))
    known = Facts() if facts is None else sidecar.facts_in(facts, beside)
    return _table(rows, known, source)


def _of_csv(source: Path) -> list[Row]:
    """The rows of a file."""
    from samplebench.results.tables import numbered_rows

    if source.stat().st_size > MOST_BYTES:
        raise InputError(f"{source} is not a results.csv (larger than {MOST_BYTES:,} bytes)")
    return _rows(lambda: numbered_rows(source), str(source))


def _rows(read: Callable[[], list[tuple[int, Row]]], source: str) -> list[Row]:
    """The rows of a table, each of which a run can have made."""
    try:
        found = [(line, upgrade.row_of(row)) for line, row in read()]
        if not found or not {*COLUMNS, "cell"} <= set(found[0][1]):
            raise InputError(f"{source} is not a results.csv: columns or rows are missing")
        _check([(f"line {line}", row) for line, row in found])
    except ValueError as error:
        raise InputError(f"{source} is not a results.csv ({printable(error)})") from None
    return [row for _, row in found]


def _of_folder(folder: Path, rows: list[Row] | None) -> Table:
    """The rows of a folder, or these with what the folder knows of them."""
    from samplebench.results.older_folder import opened

    return table_of(opened(folder).view(), folder, rows)


def table_of(view: View, source: Path, rows: list[Row] | None = None) -> Table:
    """The rows of a view, or these with what the view knows of them.

    Args:
        source: results folder, for messages.

    Raises:
        InputError: rows that no run can have made.
    """
    from samplebench.results.tables import rounded

    if rows is None:
        # As a CSV has them, so that a folder equals its own results.csv at any tolerance.
        rows = [cast(Row, {k: rounded(v) for k, v in row.items()}) for row in view.rows]
        try:
            _check([(f"row {number}", row) for number, row in enumerate(rows, 1)])
        except ValueError as error:
            raise InputError(f"{source} cannot be compared ({printable(error)})") from None
    scores: dict[str, list[Score]] = {}
    references: dict[str, str] = {}
    for (cell, _, reference), score in view.scores.items():
        scores.setdefault(cell, []).append(score)
        references[cell] = reference
    found = ((cell, Origin.of(record, scores.get(cell, []))) for cell, record in view.cells.items())
    origins = {cell: origin for cell, origin in found if origin is not None}
    platforms = frozenset(origin.platform for origin in origins.values())
    return _table(rows, Facts(origins, platforms, references), source, view)


def _check(rows: Iterable[tuple[str, Row]]) -> None:
    """Raises ValueError naming the first row that is none, or whose values another has too.

    Rows of one point are its metrics in parts, as two sweeps of one folder give them.
    """
    parts: dict[tuple[Any, ...], list[tuple[str, set[str]]]] = {}
    for place, row in rows:
        for column in row:
            if column.endswith(STDERR) and column.removesuffix(STDERR) not in row:
                raise ValueError(f"column {column} has no column {column.removesuffix(STDERR)}")
        if found := fault(row):
            raise ValueError(f"{place}: {found}")
        own = {metric for metric in metrics_of([row]) if row.get(metric) is not None}
        others = parts.setdefault(tuple(row.get(column) for column in KEY), [])
        for other, metrics in others:
            if not own or not metrics or own & metrics:
                raise ValueError(f"{place} is the same point as {other}")
        others.append((place, own))
