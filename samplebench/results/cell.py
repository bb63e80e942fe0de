"""A cell and its scores, each under a name that says all that decides it; and rows of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from samplebench.results.record import Conditions, ScoreConditions
from samplebench.results.row import Columns


def hash_of(conditions: Mapping[str, object]) -> str:
    """SHA-256 of plain JSON values, in hex."""
    text = json.dumps(conditions, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """A set of images to sample.

    Attributes:
        conditions: everything that changes an image, as plain JSON values.
        nfe: planned network evaluations per sample; None where a method chooses its steps.
        not_reusable: one line on what of others' code in it cannot be told apart from other code,
            so that it is computed anew every time; "" for nothing.
        depth: of the planned evaluations those that wait for one another; None as for nfe.
        guide_nfe: planned further passes of guidance per sample; None as for nfe.
    """

    conditions: Conditions
    nfe: int | None
    not_reusable: str = ""
    depth: int | None = None
    guide_nfe: float | None = 0

    @cached_property
    def hash(self) -> str:
        return hash_of(self.conditions)


@dataclass(frozen=True)
class PlannedScore:
    """A metric of a cell against a reference.

    Attributes:
        conditions: everything that changes the value, as plain JSON values.
        not_reusable: as of a cell.
    """

    conditions: ScoreConditions
    not_reusable: str = ""

    @cached_property
    def hash(self) -> str:
        return hash_of(self.conditions)

    @property
    def metric(self) -> str:
        return self.conditions["metric"]


@dataclass(frozen=True)
class PlannedRow:
    """One point of a curve: the columns that a request fixes, its cells and their scores.

    Attributes:
        cells: one per repeat.
        scores: by metric, one per repeat.
    """

    columns: Columns
    cells: tuple[Cell, ...]
    scores: Mapping[str, tuple[PlannedScore, ...]]
    computed_as: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.scores)
