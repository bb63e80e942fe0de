"""What the columns of a row may hold: for whoever reads rows from a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from samplebench.results.fields import visible
from samplebench.results.row import COLUMNS, COUNTED, OPTIONAL, SD, STDERR, Columns, Row, suffix_of

HASH = re.compile(r"[0-9a-f]{64}")
# Least and most of the whole numbers; the limits are those of a request.
_WHOLE = {
    "steps": (0, 10**9),
    "nfe_requested": (1, 10**9),
    "seed": (0, 2**63),
    "repeats": (1, 1000),
    "num_samples": (1, 2**63),
}
_SPREADS = {STDERR: "standard error", SD: "standard deviation"}
_EMPTY_ALLOWED = ("params", "guidance", "reference")


def fault(row: Row) -> str:
    """Why no run can have made a row, e.g. "seed is -1, not 0 or more"; "" of one that may be."""
    if found := fault_of_columns(row):
        return found
    if empty := [column for column in COUNTED if row.get(column) is None]:
        return f"{empty[0]} is empty"
    for column in row.keys() - {*COLUMNS, "cell"}:
        if found := _fault_of_value(suffix_of(column, row), row.get(column)):
            return f"{column} is {found}"
    if not isinstance(row["cell"], str) or not row["cell"]:
        return "cell is empty"
    return fault_of_cells(row["cell"].split(" "), row["repeats"])


def fault_of_columns(row: Columns) -> str:
    """The same of COLUMNS alone, where what is counted may not be known yet."""
    for column in COLUMNS:
        if found := _fault_of_column(column, row.get(column)):
            return f"{column} is {found}"
    # Whoever makes a step evaluates the network.
    if none := [column for column in ("nfe", "depth") if row["steps"] != 0 == row.get(column)]:
        return f"{none[0]} is 0, not above 0"
    return ""


def _fault_of_column(column: str, value: Any) -> str:
    if value is None and column in OPTIONAL:
        return ""
    if column in _WHOLE:
        low, high = _WHOLE[column]
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return ""
        return f"{shown(value)}, not a whole number from {low} to {high:,}"
    if column == "rho":
        return "" if _is_number(value) and 0 < value < math.inf else f"{shown(value)}, not above 0"
    if column in COUNTED:
        return "" if _is_number(value) and 0 <= value < math.inf else f"{shown(value)}, below 0"
    if not isinstance(value, str):
        return f"{shown(value)}, not a text"
    if not value and column not in _EMPTY_ALLOWED:
        return "empty"
    return "" if value.isprintable() else f"{shown(value)}, which has control characters"


def _fault_of_value(end: str, value: Any) -> str:
    if value is not None and not _is_number(value):
        return f"{shown(value)}, not a number"
    if end in _SPREADS and value is not None and (value < 0 or value == math.inf):
        return f"{shown(value)}, and a {_SPREADS[end]} is neither negative nor infinite"
    return ""


def fault_of_cells(hashes: Sequence[str], repeats: int) -> str:
    """What is wrong with the cells of a row, "" if nothing."""
    if wrong := next((text for text in hashes if not HASH.fullmatch(text)), None):
        return f"cell is {shown(wrong)}, not a hash of 64 digits"
    if len(set(hashes)) < len(hashes):
        return f"cell names {shown(max(hashes, key=hashes.count))} twice"
    if len(hashes) != repeats:
        return f"repeats is {repeats}, and cell names {len(hashes)}"
    return ""


def total(values: Iterable[float]) -> float:
    """The exact sum, rounded once; infinite or NaN where the values give no other."""
    found = list(values)
    try:
        return math.fsum(found)
    except (OverflowError, ValueError):  # beyond the largest float, or of two infinities
        return sum(found)


def shown(value: object) -> str:
    """A value for a message: short, printable, "empty" where there is none."""
    if value is None or value == "":
        return "empty"
    text = visible(str(value)[:60])
    return f"'{text}'" if isinstance(value, str) else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
