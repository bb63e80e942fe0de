"""`samplebench report`: table, figures and page from a results folder alone, without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, output_flags, say, style_flag, writing

if TYPE_CHECKING:
    from samplebench.results.view import View

_EXAMPLES = """
samplebench report reports/digits-exact
samplebench report reports/digits-exact --json
samplebench report reports/digits-exact --latex > table.tex       tables for a paper
samplebench report reports/digits-exact --markdown > table.md
samplebench report reports/digits-exact --style paper             figures for a paper
"""


def add(commands: Any) -> None:
    text = "rebuild the report of a results folder from its cells"
    parser = command(commands, "report", main, text, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="results folder of 'samplebench run'")
    parser.add_argument(
        "--uncertain",
        action="store_true",
        help="also draw published values of certainty C (unsure)",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--latex", action="store_true", help="print a paper's tables, samplers by NFE, in LaTeX"
    )
    forms.add_argument("--markdown", action="store_true", help="print the same in Markdown")
    style_flag(parser, "DIR/figures/paper")
    output_flags(parser, forms=forms)


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import InputError
    from samplebench.report import write_report
    from samplebench.report.curves import plots_of
    from samplebench.report.labels import labelled
    from samplebench.report.paper.figure import write_paper_figures
    from samplebench.results.older_folder import opened

    store = opened(Path(args.dir))
    view = store.view()
    store.check_sheets(view)
    tables = args.latex or args.markdown
    if (tables or args.style) and not view.rows:
        raise InputError(f"{store.out} has no finished cell yet; run its sweep first")
    figures = []
    with writing(store.out):
        write_report(view, store.out, args.uncertain)
        if args.style:
            plots = plots_of(labelled(view))
            figures = write_paper_figures(plots, store.out / "figures" / "paper")
    print(_text(args, view))
    missing = view.missing
    if args.quiet or args.json:
        return 0
    if tables:
        if missing:
            say(f"note: {missing}")
        return 0
    if missing:
        print(f"\n{missing}")
    print(f"\nreport: {store.out / 'report.html'}")
    if figures:
        print(f"for a paper: {', '.join(map(str, figures))}")
    return 0


def _text(args: argparse.Namespace, view: View) -> str:
    """The table in the form that was asked for."""
    from samplebench.report.paper.latex import to_latex
    from samplebench.report.paper.markdown import to_markdown
    from samplebench.report.terminal import view_text
    from samplebench.results.tables import to_json

    if args.json:
        return to_json(view.rows)
    if args.latex:
        return to_latex(view)
    return to_markdown(view) if args.markdown else view_text(view)
