"""`samplebench report`: table, figures and page from a results folder alone, without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from samplebench.cli.common import command, output_flags, writing

_EXAMPLES = """
samplebench report reports/digits-exact
samplebench report reports/digits-exact --json
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
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.report import write_report
    from samplebench.report.terminal import view_text
    from samplebench.results.older_folder import opened
    from samplebench.results.tables import to_json

    store = opened(Path(args.dir))
    view = store.view()
    store.check_sheets(view)
    with writing(store.out):
        write_report(view, store.out, args.uncertain)
    print(to_json(view.rows) if args.json else view_text(view))
    if not args.json and not args.quiet:
        if view.pending:
            print(f"\n{view.pending} planned cells have no result yet")
        print(f"\nreport: {store.out / 'report.html'}")
    return 0
