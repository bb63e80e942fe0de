"""`samplebench check`: exit code 1 when a curve moved."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import (
    command,
    decide,
    output_flags,
    print_json,
    print_table,
    say,
    writing,
)

if TYPE_CHECKING:
    from samplebench.regression import Summary, Verdict

_EXAMPLES = """
samplebench check reports/digits-exact --subset --baseline benchmarks/baselines/digits-exact.csv
samplebench check results.csv --baseline old/results.csv --tolerance fd-digits:2%
samplebench check reports/other-seeds --baseline baseline.csv --tolerance 3sigma
samplebench check reports/other-seeds --baseline baseline.csv --tolerance '3sigma,fid<=2.1'
samplebench check reports/fast --baseline baseline.csv --subset --markdown - >> summary.md
samplebench check reports/digits-exact --baseline baseline.csv --update
"""
# What --update does to rows of these statuses.
_REWRITTEN = {"moved": "changed", "missing": "removed", "conditions differ": "replaced"}


def add(commands: Any) -> None:
    text = "compare results with a baseline; exit 1 if a value moved, either way"
    parser = command(commands, "check", main, text, _EXAMPLES)
    parser.add_argument("results", metavar="RESULTS", help="results folder or results.csv")
    parser.add_argument("--baseline", metavar="FILE", required=True, help="a results.csv")
    parser.add_argument(
        "--tolerance",
        metavar="[METRIC:]T",
        action="append",
        default=[],
        help="2%%, abs:0.05, 1e-3 (relative) or 3sigma (other seeds), beside them 'fid<=2.1'; "
        "repeatable (default: 1e-6 relative at equal seeds, on another platform 1e-3)",
    )
    parser.add_argument("--allow-better", action="store_true", help="a better value does not fail")
    parser.add_argument("--subset", action="store_true", help="RESULTS may lack baseline rows")
    parser.add_argument(
        "--retrained",
        action="store_true",
        help="RESULTS are of other weights from the same training; needs an Nsigma rule",
    )
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write Markdown; - for stdout")
    parser.add_argument("--update", action="store_true", help="make RESULTS the baseline")
    output_flags(parser, quiet="print failures only")


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import UsageError

    if args.markdown == "-" and args.json:
        raise UsageError("--markdown - and --json both write to stdout; name a file for one")
    return _update(args) if args.update else _check(args)


def _check(args: argparse.Namespace) -> int:
    from samplebench import regression
    from samplebench.metrics.direction import declared
    from samplebench.regression.junit import to_junit
    from samplebench.regression.markdown import to_markdown
    from samplebench.regression.tolerance import parse
    from samplebench.results.fields import metrics_of

    current = regression.load_rows(Path(args.results))
    baseline = regression.load_rows(Path(args.baseline))
    names = metrics_of([*baseline.rows, *current.rows])
    gate = regression.Gate(
        parse(args.tolerance, names),
        {name: better for name in names if (better := declared(name))},
        args.allow_better,
        args.subset,
        args.retrained,
    )
    summary = regression.compare(current, baseline, gate)
    decide(args, 1 if summary.failed else 0)
    if args.junit:
        _write(Path(args.junit), to_junit(summary))
    if args.markdown == "-":
        print(to_markdown(summary), end="")
    else:
        if args.markdown:
            _write(Path(args.markdown), to_markdown(summary).encode())
        _print(args, summary)
    if args.markdown or args.json:
        # Where the table goes elsewhere, the log still says what failed.
        for line in summary.failures():
            say(line)
    return args.verdict


def _print(args: argparse.Namespace, summary: Summary) -> None:
    from samplebench.regression.text import lines, plain

    shown = [v for v in summary.verdicts if v.failed or not args.quiet]
    if args.json:
        print_json([plain(verdict) for verdict in shown])
        return
    if shown:
        print_table(lines(shown), False)
    if args.quiet and not summary.failed:
        return
    if summary.unknown:
        print(summary.unknown)
    print(summary.counts())
    remark = _remark(summary) if args.retrained else ""
    for line in [*summary.rules(), *filter(None, [remark, summary.next_step()])]:
        print(line)


def _remark(summary: Summary) -> str:
    """What is to be known of values that moved with the training; "" where nothing is."""
    from samplebench.metrics.retraining import REMARK, explains
    from samplebench.results.fields import number

    changes = [change for verdict in summary.verdicts for change in verdict.moves]
    pairs = ((c.column, number(c.old), number(c.new)) for c in changes)
    known = any(
        old is not None and new is not None and explains(column, old, new)
        for column, old, new in pairs
    )
    return REMARK if known else ""


def _update(args: argparse.Namespace) -> int:
    from samplebench import regression
    from samplebench.regression.text import plain
    from samplebench.regression.verdict import MISSING, SAME

    baseline = Path(args.baseline)
    with writing(baseline, "choose another --baseline"):
        verdicts = regression.update(Path(args.results), baseline, subset=args.subset)
    if args.json:
        rows = sum(verdict.status != MISSING for verdict in verdicts)
        changes = [plain(verdict) for verdict in verdicts if verdict.status != SAME]
        print_json({"baseline": str(baseline), "rows": rows, "changes": changes})
    elif not args.quiet:
        _print_update(baseline, verdicts)
    return 0


def _print_update(baseline: Path, verdicts: Sequence[Verdict]) -> None:
    """Old and new values of what was rewritten; of a first baseline the number of rows alone."""
    from samplebench.regression.text import lines
    from samplebench.regression.verdict import MISSING, NEW, SAME
    from samplebench.results.fields import counted

    changed = [verdict for verdict in verdicts if verdict.status != SAME]
    if any(verdict.status != NEW for verdict in verdicts) and changed:
        print_table(lines(changed, _REWRITTEN), False)
    counts = Counter(_REWRITTEN.get(verdict.status, verdict.status) for verdict in verdicts)
    rows = sum(verdict.status != MISSING for verdict in verdicts)
    found = ", ".join(f"{count} {word}" for word, count in counts.items())
    print(f"{baseline}: {counted(rows, 'row')} ({found})")


def _write(path: Path, content: bytes) -> None:
    from samplebench.files.atomic import write_atomic

    with writing(path, "choose another file"):
        write_atomic(path, content)
