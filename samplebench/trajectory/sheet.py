"""Rows of a measurement for JSON, and as the text of a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping

from samplebench.answers.parameters import word
from samplebench.results.fields import guarded

# What a row holds.
Plain = str | int | float | None


def plain_rows(rows: Iterable[Mapping[str, Plain]]) -> list[dict[str, Plain]]:
    """The rows with 12 significant digits, None where a number is not finite."""
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def csv_text(rows: Iterable[Mapping[str, Plain]]) -> str:
    """Rows of equal keys, one at least; floats with 12 significant digits, nothing volatile."""
    buffer = io.StringIO(newline="")
    first, *others = rows
    writer = csv.DictWriter(buffer, list(first), lineterminator="\n")
    writer.writeheader()
    for row in (first, *others):
        writer.writerow({key: _entry(value) for key, value in row.items()})
    return buffer.getvalue()


def _plain(value: Plain) -> Plain:
    if not isinstance(value, float):
        return value
    return float(word(value)) if math.isfinite(value) else None


def _entry(value: Plain) -> str:
    """As a CSV file has it."""
    if value is None:
        return ""
    return guarded(value) if isinstance(value, str) else word(value)
