"""Condense rows for a reader: what is constant is said once, the rest becomes columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from samplebench.results.fields import (
    CONDITIONS,
    HEADS,
    called,
    count_text,
    grid_label,
    metrics_of,
    printable,
    sampler_label,
    value_texts,
)
from samplebench.results.row import COUNTED, INTEGERS, STDERR, Row

# Of these nothing is said where there are none.
_MAY_BE_NONE = ("guidance", "reference")


@dataclass(frozen=True)
class Column:
    """One column of text, with one entry per row."""

    key: str
    head: str
    cells: list[str]
    metric: bool = False

    @property
    def numeric(self) -> bool:
        return self.key in INTEGERS

    @property
    def kind(self) -> str:
        """How a page sets it: "value", "number" or "text"."""
        return "value" if self.metric else "number" if self.numeric else "text"


def _texts(rows: Sequence[Row], key: str, symbol: str) -> list[str]:
    if key == "model":
        return [called(row, key) for row in rows]
    if key == "sampler":
        return [sampler_label(row) for row in rows]
    if key == "discretization":
        return [grid_label(row, symbol) for row in rows]
    written = count_text if key in COUNTED else printable
    nothing = "none" if key == "guidance" else "-"
    return [nothing if row.get(key) in (None, "") else written(row.get(key)) for row in rows]


def _counted(rows: Sequence[Row]) -> list[str]:
    """NFE, and what else was counted where it says more."""
    deep = any(row.get("depth", row.get("nfe")) != row.get("nfe") for row in rows)
    guided = any(row.get("guide_nfe") for row in rows)
    return ["nfe", *(["depth"] if deep else []), *(["guide_nfe"] if guided else [])]


def condense(
    rows: Sequence[Row], symbol: str = "rho"
) -> tuple[list[tuple[str, str]], list[Column]]:
    """Facts that hold for every row as (name, text), and the columns that tell rows apart.

    Args:
        rows: at least one.
        symbol: how to write rho.
    """
    facts: list[tuple[str, str]] = []
    columns: list[Column] = []
    for key in ("model", "sampler", "discretization", *CONDITIONS):
        cells, head = _texts(rows, key, symbol), HEADS.get(key, key)
        if key in _MAY_BE_NONE and not any(row.get(key) for row in rows):
            continue
        if len(set(cells)) == 1:
            facts.append((head, cells[0]))
        else:
            columns.append(Column(key, head, cells))
    columns += [
        Column(key, HEADS.get(key, key), _texts(rows, key, symbol)) for key in _counted(rows)
    ]
    if any(row.get("nfe_requested") not in (None, row.get("nfe")) for row in rows):
        columns.append(
            Column("nfe_requested", HEADS["nfe_requested"], _texts(rows, "nfe_requested", symbol))
        )
    # Two rows that look alike so far differ in the number of steps.
    if len(set(zip(*(column.cells for column in columns), strict=True))) < len(rows):
        columns.append(Column("steps", "steps", _texts(rows, "steps", symbol)))
    for name in metrics_of(rows):
        cells = value_texts([(row.get(name), row.get(name + STDERR)) for row in rows])
        columns.append(Column(name, printable(name), cells, metric=True))
    return facts, columns
