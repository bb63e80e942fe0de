"""`samplebench check`: exit code 1 when a curve moved."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from samplebench.cli.common import command, output_flags, print_json, print_table, writing

_EXAMPLES = """
samplebench check reports/digits-exact --baseline benchmarks/baselines/digits-exact.csv
samplebench check results.csv --baseline old/results.csv --tolerance 1e-3
samplebench check reports/digits-exact --baseline baseline.csv --update
"""


def add(commands: Any) -> None:
    text = "compare results with a baseline of the same seeds; exit 1 if a value moved"
    parser = command(commands, "check", main, text, _EXAMPLES)
    parser.add_argument("results", metavar="RESULTS", help="results folder or results.csv")
    parser.add_argument("--baseline", metavar="FILE", required=True, help="a results.csv")
    parser.add_argument(
        "--tolerance",
        metavar="T",
        help="largest relative change, either way (default: 1e-6, on another platform 1e-3)",
    )
    parser.add_argument("--update", action="store_true", help="make RESULTS the baseline")
    output_flags(parser, quiet="print failures only")


def main(args: argparse.Namespace) -> int:
    from samplebench import regression

    results, baseline = Path(args.results), Path(args.baseline)
    rows, here = regression.load_rows(results)
    if args.update:
        with writing(baseline, "choose another --baseline"):
            regression.update(results, baseline)
        if args.json:
            print_json({"baseline": str(baseline), "rows": len(rows)})
        elif not args.quiet:
            print(f"{baseline}: {len(rows)} rows")
        return 0
    expected, there = regression.load_rows(baseline)
    tolerance = (
        _tolerance(args.tolerance)
        if args.tolerance is not None
        else regression.tolerance_for(here, there)
    )
    verdicts = regression.compare(rows, expected, tolerance)
    failed = any(verdict.failed for verdict in verdicts)
    shown = [v for v in verdicts if v.failed or not args.quiet]
    table = [
        {
            "status": v.status,
            **{k: v.row[k] for k in ("model", "sampler", "params", "discretization", "rho")},
            "nfe": v.row["nfe"],
            "detail": v.detail,
        }
        for v in shown
    ]
    if args.json or table:
        print_table(table, args.json)
    if not args.json and not (args.quiet and not failed):
        counts = Counter(verdict.status for verdict in verdicts)
        print(
            ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
            + f" (relative tolerance {tolerance:g})"
        )
    return 1 if failed else 0


def _tolerance(text: str) -> float:
    from samplebench.errors import UsageError

    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise UsageError(f"--tolerance {text} must be a number in [0, 1), e.g. 1e-6")
    return value
