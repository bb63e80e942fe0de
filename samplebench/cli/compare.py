"""`samplebench compare`: results folders side by side, with differences point by point."""

from __future__ import annotations

import argparse
from typing import Any

from samplebench.cli.common import (
    command,
    output_flags,
    output_folder,
    print_json,
    style_flag,
    writing,
)

_EXAMPLES = """
samplebench compare reports/digits-adm-base reports/digits-adm-ip
samplebench compare reports/before reports/after reports/other --metric fd-digits
samplebench compare curves/baseline.csv reports/digits-exact --out reports/news --json
samplebench compare reports/before reports/after --style paper    figures for a paper
"""


def add(commands: Any) -> None:
    text = "compare results folders: curves, and differences with their error bars"
    parser = command(commands, "compare", main, text, _EXAMPLES)
    parser.add_argument(
        "results", metavar="RESULTS", nargs="+",
        help="results folders, or results.csv files; the others are compared with the first",
    )  # fmt: skip
    parser.add_argument(
        "--metric", metavar="NAME,...", help="metrics (default: all in the folders)"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="output folder (default: reports/compare-<names>)"
    )
    style_flag(parser, "figures/paper beside the page")
    output_flags(parser, quiet="do not print the path of the page")


def main(args: argparse.Namespace) -> int:
    from samplebench.answers.scalars import listed
    from samplebench.compare import compare
    from samplebench.compare.figures import plots_of_sides
    from samplebench.compare.table import json_of, text_of
    from samplebench.compare.write import folder_name, write_comparison
    from samplebench.report.paper.figure import write_paper_figures

    names = () if args.metric is None else listed("metric", args.metric, "fd-digits")
    found = compare(args.results, names)
    out = output_folder(args.out or f"reports/{folder_name(found)}")
    figures = []
    with writing(out, "choose another --out"):
        paths = write_comparison(found, out)
        if args.style:
            figures = write_paper_figures(plots_of_sides(found), out / "figures" / "paper")
    if args.json:
        print_json(json_of(found))
        return 0
    print(text_of(found))
    if not args.quiet:
        print(f"\npage: {paths[-1]}")
        if figures:
            print(f"for a paper: {', '.join(map(str, figures))}")
    return 0
