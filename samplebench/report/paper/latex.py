"""A paper's tables in LaTeX, with the rules of booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from samplebench.report.paper.table import PaperCell, PaperTable, tables_of
from samplebench.report.paper.tex import tex
from samplebench.results.view import View

_EXPONENT = re.compile(r"e([+-]\d+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def to_latex(view: View) -> str:
    """The tables of a view, in ASCII; a paper needs `\\usepackage{booktabs}` for them."""
    head = r"% Made by samplebench report --latex. Needs \usepackage{booktabs}."
    if view.pending:
        head += f"\n% {view.missing}."
    return "\n\n".join([head, *map(_table, tables_of(view))])


def _table(table: PaperTable) -> str:
    left, right = len(table.heads), len(table.nfe)
    lines = [
        [tex(name) for name in names] + list(map(_cell, cells)) for names, cells in table.lines
    ]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"  \centering",
            rf"  \caption{{{tex(table.caption)}}}",
            rf"  \label{{tab:{table.label}}}",
            rf"  \begin{{tabular}}{{{'l' * left}{'c' * right}}}",
            r"    \toprule",
            rf"    {'& ' * left}\multicolumn{{{right}}}{{c}}{{NFE}} \\",
            rf"    \cmidrule(lr){{{left + 1}-{left + right}}}",
            f"    {_line([*map(tex, table.heads), *table.nfe])}",
            r"    \midrule",
            *(f"    {_line(line)}" for line in lines),
            *([r"    \midrule"] if table.levels else []),
            *(
                rf"    \multicolumn{{{left}}}{{l}}{{{tex(name)}}} & "
                rf"\multicolumn{{{right}}}{{c}}{{{_cell(PaperCell(text))}}} \\"
                for name, text in table.levels
            ),
            r"    \bottomrule",
            r"  \end{tabular}",
            "",
            r"  \smallskip",
            r"  \begin{minipage}{\linewidth}",
            r"    \footnotesize",
            *(f"    {tex(note)}" for note in table.notes),
            r"  \end{minipage}",
            r"\end{table}",
        ]
    )


def _line(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _cell(cell: PaperCell) -> str:
    if not any(map(str.isdigit, cell.text)):
        return tex(cell.text) + _counted(cell)
    value = _EXPONENT.sub(
        lambda found: rf" \times 10^{{{int(found[1])}}}", cell.text.replace("±", r"\pm")
    )
    if cell.best:
        value = _NUMBER.sub(lambda found: rf"\mathbf{{{found[0]}}}", value, count=1)
    return f"${value}${_counted(cell)}"


def _counted(cell: PaperCell) -> str:
    return rf" {{\scriptsize (at {cell.counted})}}" if cell.counted else ""
