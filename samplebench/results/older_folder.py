"""A results folder of schema 1: read for report and check, never written."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from samplebench.files.places import file_at
from samplebench.results import older, shape
from samplebench.results.cell import hash_of
from samplebench.results.columns import HASH, fault_of_cells, fault_of_columns, shown
from samplebench.results.damage import (
    Damaged,
    check_folders,
    check_sheet,
    is_measured,
    read_json,
)
from samplebench.results.record import Record, Score
from samplebench.results.requests import (
    MEND,
    Asked,
    AskedRow,
    fault_of_metrics,
    files,
    merged,
)
from samplebench.results.row import COLUMNS
from samplebench.results.shown import view_of
from samplebench.results.store import Store, is_results_folder, schema_of
from samplebench.results.view import View

_COLUMNS = tuple(column for column in COLUMNS if column not in older.LATER)
_AGAIN = "repeat its sweep into another folder"


class OlderFolder:
    """Cells with their values, as they were written before images and scores were apart.

    A score has the name of its metric and cell.

    Raises:
        InputError: something else is in the place of a sub-folder.
        EnvironmentError_: one cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        check_folders(out, ("cells", "requests"))
        self._read: dict[str, Mapping[str, Any]] = {}

    def has(self, cell: str) -> bool:
        return file_at(self._path(cell))

    def cell(self, cell: str) -> Record:
        return older.record_of(self._record(cell))

    def has_score(self, score: str) -> bool:
        return self.has(score.partition(" ")[0])

    def score(self, score: str) -> Score:
        cell, _, metric = score.partition(" ")
        found = older.scores_of(self._record(cell))
        own = [one for one in found if one["conditions"]["metric"] == metric]
        if not own:
            raise Damaged(self._path(cell), "values are missing", _AGAIN)
        return own[0]

    def sheet(self, cell: str) -> Path:
        return self.out / "cells" / f"{cell}.png"

    def check_sheets(self, view: View) -> None:
        for path in view.sheets.values():
            check_sheet(path)

    @cached_property
    def requests(self) -> list[Asked]:
        """In the order of asking."""
        found = [self._asked(path) for path in files(self.out)]
        return sorted(found, key=lambda asked: asked.number)

    def view(self) -> View:
        """Finished rows of all requests."""
        return view_of(self, merged(self.requests))

    def _asked(self, path: Path) -> Asked:
        content = read_json(path, MEND)
        number, words, rows = (content.get(key) for key in ("number", "request", "rows"))
        if type(number) is not int or not isinstance(rows, list):
            raise Damaged(path, "rows are missing", MEND)
        made = []
        for row in rows:
            if fault := _fault(row):
                raise Damaged(path, fault, MEND)
            made.append(self._upgraded(row))
        return Asked(path, number, words if isinstance(words, Mapping) else {}, made)

    def _upgraded(self, row: Mapping[str, Any]) -> AskedRow:
        there = (cell for cell in row["cells"] if self.has(cell))
        first = next(there, None)
        reference = older.reference_of(self._record(first)["conditions"]) if first else ""
        columns = older.columns_of(row["columns"], reference)
        scores = {m: [f"{cell} {m}" for cell in row["cells"]] for m in row["metrics"]}
        return {"columns": columns, "cells": list(row["cells"]), "scores": scores}

    def _record(self, cell: str) -> Mapping[str, Any]:
        if cell not in self._read:
            self._read[cell] = read_older_cell(self._path(cell))
        return self._read[cell]

    def _path(self, cell: str) -> Path:
        return self.out / "cells" / f"{cell}.json"


def read_older_cell(path: Path) -> dict[str, Any]:
    """The record in `cells/HASH.json` of schema 1, with all that it was asked for.

    Raises:
        Damaged: cut off, of another schema, or of conditions that do not have this hash.
        EnvironmentError_: it cannot be read.
    """
    record = read_json(path)
    found = record.get("schema")
    if type(found) is not int or found != older.SCHEMA:
        raise Damaged(path, f"schema {shown(found)}, not {older.SCHEMA}", _AGAIN)
    try:
        name, conditions = record["cell"], record["conditions"]
        if name != path.stem or hash_of(conditions) != path.stem:
            raise Damaged(path, "its name is not the hash of its conditions", _AGAIN)
        whole = record["nfe"] > 0 and bool(record["values"])
        for metric in conditions["metrics"]:
            whole &= is_measured(record["values"][metric])
    except (KeyError, TypeError, AttributeError, IndexError):
        whole = False
    if not whole:
        raise Damaged(path, "values are missing", _AGAIN)
    if found := shape.fault_of_older(record):
        raise Damaged(path, f"{found} is not what a run writes", _AGAIN)
    return record


def _fault(row: Any) -> str:
    """What is wrong with a row, "" if nothing."""
    try:
        whole = set(row["columns"]) == set(_COLUMNS) and row["cells"] and row["metrics"]
        lists = [row["cells"], row["metrics"]]
    except (KeyError, TypeError):
        return "rows are missing"
    if not whole or not all(isinstance(items, list) for items in lists):
        return "rows are missing"
    if not all(isinstance(cell, str) and HASH.fullmatch(cell) for cell in row["cells"]):
        return "a cell is not a hash"
    if fault := fault_of_metrics(row["metrics"]):
        return fault
    if not isinstance(row["columns"].get("nfe"), int | float):
        return "nfe is missing"
    columns = older.columns_of(row["columns"], "")
    return fault_of_columns(columns) or fault_of_cells(row["cells"], columns["repeats"])


def opened(out: Path) -> Store | OlderFolder:
    """A results folder of any schema that report and check read.

    Raises:
        InputError: it is none, or a newer samplebench made it.
    """
    if is_results_folder(out) and schema_of(out) == older.SCHEMA:
        return OlderFolder(out)
    return Store(out)
