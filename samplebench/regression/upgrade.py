"""What schema 1 left on disk, tables and the facts beside them, as it is compared now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samplebench.regression.conditions import SharedConditions, shared
from samplebench.results import older
from samplebench.results.fields import hashes_of
from samplebench.results.row import Row


def row_of(row: Row) -> Row:
    """A row with the columns that came later; its reference is "" until somebody says it."""
    known = "nfe" not in row or any(column in row for column in older.LATER)
    return row if known else older.row_of(row, "")


def with_reference(row: Row, references: Mapping[str, str]) -> Row:
    """A row with the reference that all of its cells had, where it does not say.

    Args:
        references: by cell.
    """
    found = {references.get(cell, "") for cell in hashes_of(row)}
    return row if row["reference"] or len(found) != 1 else {**row, "reference": found.pop()}


def conditions_of(conditions: Mapping[str, Any]) -> tuple[SharedConditions, str]:
    """Conditions of a cell as the cell had them, and the reference of its rows.

    Args:
        conditions: of schema 1, whose tables are tables.
    """
    reference, extractor = older.reference_of(conditions), conditions.get("extractor", {})
    kept = shared(older.images_of(conditions))
    if {"name", "weights_sha256"} <= extractor.keys():
        kept["extractors"] = {extractor["name"]: extractor["weights_sha256"]}
    if metrics := conditions.get("metrics"):
        kept["metrics"] = {reference: metrics}
    return kept, reference
