"""A cell: what is computed once, under a name that says all that decides it; and rows of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from samplebench.results.record import Conditions
from samplebench.results.row import Columns


@dataclass(frozen=True)
class Cell:
    """One value to compute.

    Attributes:
        conditions: everything that changes a number, as plain JSON values.
        nfe: planned network evaluations per sample.
        not_reusable: one line on what of others' code in it cannot be told apart from other code,
            so that it is computed anew every time; "" for nothing.
    """

    conditions: Conditions
    nfe: int
    not_reusable: str = ""

    @cached_property
    def hash(self) -> str:
        text = json.dumps(self.conditions, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class PlannedRow:
    """One point of a curve: the columns that a request fixes, and its cells, one per repeat."""

    columns: Columns
    metrics: tuple[str, ...]
    cells: tuple[Cell, ...]
    computed_as: str
