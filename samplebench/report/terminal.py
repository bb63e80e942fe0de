"""Rows as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from samplebench.report.labels import labelled, stands_for
from samplebench.report.layout import Column, condense
from samplebench.report.standings import best_columns, remarks, standings
from samplebench.results.fields import printable, repeats_text
from samplebench.results.row import Row
from samplebench.results.view import View, few_samples


def to_text(rows: Sequence[Row]) -> str:
    """A table for the terminal; what is the same in every row is said once above it."""
    if not rows:
        return "no results yet"
    facts, columns = condense(rows)
    said = ", ".join(f"{name}: {text}" for name, text in facts)
    shown = [each for column in columns for each in (column, *_over_repeats(column, rows))]
    return "\n".join([*([said, ""] if said else []), *lines_of(shown)])


def _over_repeats(column: Column, rows: Sequence[Row]) -> list[Column]:
    """The column beside a metric's, where rows have repeats."""
    cells = [repeats_text(row, column.key) if column.metric else "" for row in rows]
    head, told = "over its repeats", [cell or "-" for cell in cells]
    return [Column(f"{column.key} over repeats", head, told)] if any(cells) else []


def view_text(view: View) -> str:
    """`to_text` of the rows, then the best of each budget and what is tied with it, a line each."""
    view = labelled(view)
    known = ((view.cells.get(cell), score) for (cell, _, _), score in view.scores.items())
    few = dict.fromkeys(few_samples(record, score) for record, score in known if record)
    few.pop("", None)
    table, found = to_text(view.rows), standings(view, "rho")
    notes = [f"note: {printable(f)}" for f in few] + [f"label: {f}" for f in stands_for(view)]
    table = "\n".join([table, *([""] if notes else []), *notes])
    if not found:
        return table
    facts, columns = best_columns(found)
    said = ", ".join(f"{name}: {text}" for name, text in facts)
    head = (
        "best per budget; tied: at most 2 standard errors of the difference apart, "
        "or without a standard error"
    )
    below = [f"note: {remark}" for remark in remarks(found)]
    lines = [*([said] if said else []), "", *lines_of(columns), *([""] if below else []), *below]
    return "\n".join([table, "", head, *lines])


def lines_of(columns: Sequence[Column]) -> list[str]:
    """Head, rule and entries as lines of text."""
    blocks = [_block(column) for column in columns]
    return ["  ".join(parts).rstrip() for parts in zip(*blocks, strict=True)]


def _block(column: Column) -> list[str]:
    """Head, rule and entries of a column, all of the same width."""
    cells = _aligned(column.cells) if column.metric else column.cells
    width = max(len(text) for text in [column.head, *cells])
    if column.numeric:
        return [text.rjust(width) for text in [column.head, "-" * width, *cells]]
    return [text.ljust(width) for text in [column.head, "-" * width, *cells]]


def _aligned(cells: Sequence[str]) -> list[str]:
    """Values with their decimal points and ± signs below each other."""
    parts = [cell.partition(" ± ") for cell in cells]
    ends = [mean.find(".") if "." in mean else len(mean) for mean, _, _ in parts]
    left = max(ends)
    right = max(len(mean) - end for (mean, _, _), end in zip(parts, ends, strict=True))
    return [
        " " * (left - end) + mean.ljust(end + right) + mark + error
        for (mean, mark, error), end in zip(parts, ends, strict=True)
    ]
