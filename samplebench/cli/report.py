"""`samplebench report`: table, figures and page from a results folder alone, without torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from samplebench.cli.common import command

_EXAMPLES = """
samplebench report reports/digits-exact
samplebench report reports/digits-exact --json
"""


def add(commands: Any) -> None:
    text = "rebuild the report of a results folder from its cells"
    parser = command(commands, "report", main, text, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="results folder of 'samplebench run'")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def main(args: argparse.Namespace) -> int:
    from samplebench.bench.store import Store
    from samplebench.report import write_report
    from samplebench.report.tables import to_json, to_text

    store = Store(Path(args.dir))
    view = store.view()
    write_report(view, store.out)
    if args.json:
        print(to_json(view.rows))
    elif not args.quiet:
        print(to_text(view.rows))
        if view.pending:
            print(f"\n{view.pending} planned cells have no result yet")
        print(f"\nreport: {store.out / 'report.html'}")
    return 0
