"""What was asked of a results folder: its request files, and the rows that they come to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, TypedDict

from samplebench.results.cell import PlannedRow
from samplebench.results.columns import HASH, fault_of_cells, fault_of_columns
from samplebench.results.damage import Damaged, read_sealed
from samplebench.results.row import COLUMNS, COUNTED, Columns, suffix_of

_TAKEN = frozenset({*COLUMNS, "cell"})
MEND = "delete it and run its sweep again; finished cells are kept"
# Digits of a request's name.
NAME = 16
# The order of a report made of several requests; what is None comes first.
_ORDER = itemgetter(
    "model", "protocol", "sampler", "params", "guidance", "discretization", "dtype",
    "rho", "nfe_requested", "steps", "seed", "repeats", "num_samples", "reference",
)  # fmt: skip


class AskedRow(TypedDict):
    """A row as a request file has it: its columns, with the planned NFE, and what gives its values.

    Attributes:
        cells: hashes, one per repeat.
        scores: by metric their hashes, one per repeat.
    """

    columns: Columns
    cells: list[str]
    scores: dict[str, list[str]]


def asked_rows(rows: Iterable[PlannedRow]) -> list[AskedRow]:
    """Rows of a plan as a request file has them."""
    return [
        {
            "columns": row.columns,
            "cells": [cell.hash for cell in row.cells],
            "scores": {metric: [s.hash for s in scores] for metric, scores in row.scores.items()},
        }
        for row in rows
    ]


def content_of(words: Mapping[str, Any], rows: Iterable[PlannedRow]) -> dict[str, object]:
    """What is asked for: the words of a request, and the rows of its plan."""
    # JSON has no infinity.
    plain = json.loads(json.dumps(words), parse_constant=str)
    return {"request": plain, "rows": asked_rows(rows)}


def name_of(content: Mapping[str, object]) -> str:
    """The name of a request by what is asked for."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:NAME]


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

    @property
    def scores(self) -> set[str]:
        return {score for row in self.rows for each in row["scores"].values() for score in each}


def read(path: Path, schema: int) -> Asked:
    """A request file.

    Raises:
        Damaged: it is not what was written.
        InputError: a newer samplebench wrote it, or it is no file.
        EnvironmentError_: it cannot be read.
    """
    content = read_sealed(path, schema, MEND)
    number, words, rows = (content.get(key) for key in ("number", "request", "rows"))
    if type(number) is not int or number < 1 or not isinstance(rows, list):
        raise Damaged(path, "rows are missing", MEND)
    for row in rows:
        if found := _fault(row):
            raise Damaged(path, found, MEND)
    return Asked(path, number, words if isinstance(words, Mapping) else {}, rows)


def files(folder: Path) -> list[Path]:
    """The request files of a results folder, and no others."""
    return sorted((folder / "requests").glob(f"{'[0-9a-f]' * NAME}.json"))


def read_all(folder: Path, schema: int) -> list[Asked]:
    """The requests of a results folder in the order of asking; raises as `read` does."""
    found = [read(path, schema) for path in files(folder)]
    return sorted(found, key=lambda asked: asked.number)


def merged(requests: Iterable[Asked]) -> list[AskedRow]:
    """The rows of all requests, sorted, each metric of a point once, in the order of asking.

    A metric that was asked for again, of other code or another block, is the newer row's.

    Args:
        requests: in the order of asking.
    """
    requests = list(requests)
    points: dict[str, list[AskedRow]] = {}
    for row in (row for asked in requests for row in asked.rows):
        columns = {key: value for key, value in row["columns"].items() if key not in COUNTED}
        point = points.setdefault(json.dumps(columns, sort_keys=True), [])
        kept = []
        for older in point:
            left = {m: s for m, s in older["scores"].items() if m not in row["scores"]}
            if left and older["cells"] == row["cells"]:
                # One row for the metrics of one set of images.
                row = {**row, "scores": {**left, **row["scores"]}}
            elif left:
                kept.append(AskedRow({**older, "scores": left}))
        point[:] = [*kept, row]
    asked = _asked_metrics(requests)
    found = (_with_metrics_of(row, asked) for point in points.values() for row in point)
    return sorted(found, key=_order)


def _asked_metrics(requests: Iterable[Asked]) -> list[str]:
    """The metrics in the order of asking: a file has them sorted."""
    given = (asked.words.get("metric") for asked in requests)
    lists = (names if isinstance(names, list) else [names] for names in given)
    return [name for names in lists for name in names if isinstance(name, str)]


def _with_metrics_of(row: AskedRow, asked: list[str]) -> AskedRow:
    """A row with its metrics in that order, then those that nobody asked for by name."""
    scores, known = row["scores"], [name for name in asked if name in row["scores"]]
    return {**row, "scores": {name: scores[name] for name in dict.fromkeys((*known, *scores))}}


def _fault(row: Any) -> str:
    """What is wrong with a row, "" if nothing."""
    try:
        columns, cells, scores = row["columns"], row["cells"], row["scores"]
        lists = [cells, *scores.values()]
    except (KeyError, TypeError, AttributeError):
        return "rows are missing"
    if not (isinstance(columns, Mapping) and set(columns) == set(COLUMNS) and cells and scores):
        return "rows are missing"
    if not all(isinstance(items, list) and len(items) == len(cells) for items in lists):
        return "rows are missing"
    if not all(isinstance(text, str) and HASH.fullmatch(text) for each in lists for text in each):
        return "a cell or a score is not a hash"
    if found := fault_of_metrics(scores):
        return found
    return fault_of_columns(row["columns"]) or fault_of_cells(cells, columns["repeats"])


def fault_of_metrics(names: Iterable[Any]) -> str:
    """What is wrong with the names of metrics, "" if nothing."""
    names = list(names)
    for name in names:
        if not isinstance(name, str) or not name:
            return "a cell or a metric is not text"
        if name in _TAKEN or suffix_of(name, names):
            return f"a metric is called {name}, which is a column"
    return ""


def _order(row: AskedRow) -> tuple[Any, ...]:
    return tuple(-1 if value is None else value for value in _ORDER(row["columns"]))
