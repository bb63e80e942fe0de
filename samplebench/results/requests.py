"""What was asked of a results folder: its request files, and the rows that they come to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, TypedDict

from samplebench.results.cell import PlannedRow
from samplebench.results.columns import HASH, fault_of_columns
from samplebench.results.damage import Damaged, read_json
from samplebench.results.row import COLUMNS, STDERR, Columns

_TAKEN = frozenset({*COLUMNS, "cell"})
_MEND = "delete it and run its sweep again; finished cells are kept"
# The order of a report made of several requests; what is None comes first.
_ORDER = itemgetter(
    "model", "protocol", "sampler", "params", "discretization", "dtype",
    "rho", "nfe_requested", "steps", "seed", "repeats", "num_samples",
)  # fmt: skip


class AskedRow(TypedDict):
    """A row as a request file has it: its columns, with the planned NFE, and what gives its values.

    Attributes:
        cells: hashes, one per repeat.
    """

    columns: Columns
    metrics: list[str]
    cells: list[str]


def asked_rows(rows: Iterable[PlannedRow]) -> list[AskedRow]:
    """Rows of a plan as a request file has them."""
    return [
        {
            "columns": row.columns,
            "metrics": list(row.metrics),
            "cells": [cell.hash for cell in row.cells],
        }
        for row in rows
    ]


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        path: its file.
        number: in the order of asking, from 1.
        words: of the command line.
        rows: in the order of the plan.
    """

    path: Path
    number: int
    words: Mapping[str, Any]
    rows: list[AskedRow]

    @property
    def cells(self) -> set[str]:
        return {cell for row in self.rows for cell in row["cells"]}


def read(path: Path) -> Asked:
    """A request file.

    Raises:
        Damaged: it is not what was written.
    """
    content = read_json(path, _MEND)
    number, words, rows = (content.get(key) for key in ("number", "request", "rows"))
    if type(number) is not int or not isinstance(rows, list):
        raise Damaged(path, "rows are missing", _MEND)
    for row in rows:
        if found := _fault(row):
            raise Damaged(path, found, _MEND)
    return Asked(path, number, words if isinstance(words, Mapping) else {}, rows)


def read_all(folder: Path) -> list[Asked]:
    """The requests of a results folder in the order of asking."""
    found = [read(path) for path in sorted((folder / "requests").glob("*.json"))]
    return sorted(found, key=lambda asked: asked.number)


def merged(requests: Iterable[Asked]) -> tuple[list[AskedRow], list[tuple[AskedRow, AskedRow]]]:
    """The rows of all requests, each metric of a point once, and what gave way to what.

    A metric that was asked for again, of other code or another block, is the newer row's.

    Args:
        requests: in the order of asking.

    Returns:
        The rows, sorted, and pairs of an older row and the newer one that took a metric from it.
    """
    points: dict[str, list[AskedRow]] = {}
    replaced = []
    for row in (row for asked in requests for row in asked.rows):
        # The planned NFE follows from the code.
        columns = {key: value for key, value in row["columns"].items() if key != "nfe"}
        point = points.setdefault(json.dumps(columns, sort_keys=True), [])
        kept: list[AskedRow] = []
        for older in point:
            left = [metric for metric in older["metrics"] if metric not in row["metrics"]]
            if len(left) < len(older["metrics"]):
                replaced.append((older, row))
            if left:
                kept.append({**older, "metrics": left})
        point[:] = [*kept, row]
    rows = [row for point in points.values() for row in point]
    return sorted(rows, key=_order), replaced


def _fault(row: Any) -> str:
    """What is wrong with a row, "" if nothing."""
    try:
        whole = set(row["columns"]) == set(COLUMNS) and row["cells"] and row["metrics"]
        lists = [row["cells"], row["metrics"]]
    except (KeyError, TypeError):
        return "rows are missing"
    if not whole or not all(isinstance(items, list) for items in lists):
        return "rows are missing"
    if not all(isinstance(text, str) and text for text in (*row["cells"], *row["metrics"])):
        return "a cell or a metric is no text"
    if taken := next((m for m in row["metrics"] if m in _TAKEN or m.endswith(STDERR)), ""):
        return f"a metric is called {taken}, which is a column"
    if not all(HASH.fullmatch(cell) for cell in row["cells"]):
        return "a cell is no hash"
    return fault_of_columns(row["columns"])


def _order(row: AskedRow) -> tuple[Any, ...]:
    return tuple(-1 if value is None else value for value in _ORDER(row["columns"]))
