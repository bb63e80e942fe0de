"""`samplebench history`: what each commit made of a committed curve."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from samplebench.cli.common import (
    command,
    output_flags,
    output_folder,
    print_json,
    print_table,
    writing,
)

_EXAMPLES = """
samplebench history curves/baseline.csv
samplebench history curves/baseline.csv --since v1.0
samplebench history curves/baseline.csv --markdown - >> summary.md
"""


def add(commands: Any) -> None:
    text = "show what each commit changed in a committed baseline"
    parser = command(commands, "history", main, text, _EXAMPLES)
    parser.add_argument("baseline", metavar="FILE", help="a baseline in a git repository")
    parser.add_argument(
        "--since", metavar="REF", help="only changes since the common ancestor with it"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write Markdown; - for stdout")
    parser.add_argument(
        "--out", metavar="DIR", help="where the page goes (default: reports/history-<name>)"
    )
    output_flags(parser, quiet="do not print the path of the page")


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import UsageError
    from samplebench.files.atomic import write_atomic
    from samplebench.history import history_of
    from samplebench.history.page import page_of
    from samplebench.history.table import json_of, lines_of, markdown_of, remarks
    from samplebench.report.names import safe_name

    if args.markdown == "-" and args.json:
        raise UsageError("--markdown - and --json both write to stdout; name a file for one")
    path = Path(args.baseline)
    found = history_of(path, args.since)
    out = output_folder(args.out or f"reports/history-{safe_name(path.stem)}")
    page = out / "history.html"
    with writing(out, "choose another --out"):
        write_atomic(page, page_of(found).encode())
    if args.markdown and args.markdown != "-":
        with writing(Path(args.markdown), "choose another file"):
            write_atomic(Path(args.markdown), markdown_of(found).encode())
    if args.json:
        print_json(json_of(found))
        return 0
    if args.markdown == "-":
        print(markdown_of(found), end="")
        return 0
    told, table = lines_of(found)
    print("\n".join([*remarks(found), *filter(None, [told])]), end="\n\n")
    print_table(table, False)
    if not args.quiet:
        print(f"\npage: {page}")
    return 0
