"""The two sides of a comparison: rows of a results folder or of a CSV, with their origins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samplebench.bench.view import COLUMNS
from samplebench.errors import InputError
from samplebench.regression import sidecar
from samplebench.regression.sidecar import Origin
from samplebench.report.fields import hashes_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """One side.

    Attributes:
        rows: as in results.csv.
        origins: cell hash -> its origin; cells whose origin nobody recorded are missing.
        platforms: on which the values were computed; empty where unknown.
        pending: planned cells of a results folder that have no result yet.
        source: file or folder, for messages.
    """

    rows: list[Row]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    platforms: frozenset[str] = frozenset()
    pending: int = 0
    source: str = field(default="", compare=False)

    def origins_of(self, row: Mapping[str, Any]) -> list[Origin] | None:
        """Of all cells of a row; None unless all are known."""
        cells = hashes_of(dict(row))
        known = [self.origins[cell] for cell in cells if cell in self.origins]
        return known if cells and len(known) == len(cells) else None

    def platforms_of(self, row: Mapping[str, Any]) -> frozenset[str]:
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
    from samplebench.bench.store import is_results_folder
    from samplebench.report.tables import read_csv

    if source.is_dir():
        return _of_folder(source, None)
    if not source.is_file():
        raise InputError(f"{source} does not exist; give a results folder or a results.csv")
    try:
        rows = read_csv(source)
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{source} is not a results.csv ({error})") from None
    if not rows or not {*COLUMNS, "cell"} <= set(rows[0]) or not all(r["cell"] for r in rows):
        raise InputError(f"{source} is not a results.csv: columns or rows are missing")
    if not provenance:
        return Table(rows, source=str(source))
    if is_results_folder(source.parent):
        return _of_folder(source.parent, rows)
    origins, platforms = sidecar.read(source)
    return Table(rows, origins, frozenset(platforms), source=str(source))


def _of_folder(folder: Path, rows: list[Row] | None) -> Table:
    """The rows of a folder, or these with what the folder knows of them."""
    from samplebench.bench.store import Store

    view = Store(folder).view()
    if rows is None:
        # As a CSV has them, so that a folder equals its own results.csv at any tolerance.
        rows = [{k: _digits(v) for k, v in row.items()} for row in view.rows]
    origins = {cell: Origin.of(record) for cell, record in view.cells.items()}
    platforms = frozenset(origin.platform for origin in origins.values())
    return Table(rows, origins, platforms, view.pending, str(folder))


def _digits(value: Any) -> Any:
    return float(f"{value:.12g}") if isinstance(value, float) else value
