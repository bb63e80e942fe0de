"""A paper's tables in Markdown."""

from __future__ import annotations

from samplebench.regression.markdown import escaped
from samplebench.report.paper.table import PaperCell, PaperTable, tables_of
from samplebench.results.view import View


def to_markdown(view: View) -> str:
    """The tables of a view, each between its caption and its notes."""
    return "\n\n".join(map(_table, tables_of(view)))


def _table(table: PaperTable) -> str:
    heads = [*map(escaped, table.heads), *(f"NFE {nfe}" for nfe in table.nfe)]
    rules = [*(":--" for _ in table.heads), *("--:" for _ in table.nfe)]
    lines = [[*map(escaped, names), *map(_cell, cells)] for names, cells in table.lines]
    rows = "\n".join(f"| {' | '.join(each)} |" for each in (heads, rules, *lines))
    levels = [f"{escaped(name)}: {text} at every NFE" for name, text in table.levels]
    return "\n\n".join([escaped(table.caption), rows, *levels, escaped(" ".join(table.notes))])


def _cell(cell: PaperCell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} (at {cell.counted})" if cell.counted else text
