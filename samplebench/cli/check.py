"""`samplebench check`: exit code 1 when a curve moved."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import (
    command,
    decide,
    output_flags,
    print_json,
    say,
    table_lines,
    writing,
)

if TYPE_CHECKING:
    from samplebench.regression import Summary, Table, Verdict

_EXAMPLES = """
samplebench check reports/digits-exact --subset --baseline benchmarks/baselines/digits-exact.csv
samplebench check results.csv --baseline old/results.csv --tolerance fd-digits:2%
samplebench check reports/other-seeds --baseline baseline.csv --tolerance 3sigma
samplebench check reports/other-seeds --baseline baseline.csv --tolerance '3sigma,fid<=2.1'
samplebench check reports/fast --baseline baseline.csv --subset --markdown - >> summary.md
samplebench check reports/fast --baseline curves/fast.csv --baseline-ref origin/main
samplebench check reports/digits-exact --baseline baseline.csv --update
"""
# What --update does to rows of these statuses.
_REWRITTEN = {"moved": "changed", "missing": "removed", "conditions differ": "replaced"}


def add(commands: Any) -> None:
    text = "compare results with a baseline; exit 1 if a value moved, up or down"
    parser = command(commands, "check", main, text, _EXAMPLES)
    parser.add_argument("results", metavar="RESULTS", help="results folder or results.csv")
    parser.add_argument("--baseline", metavar="FILE", required=True, help="committed results.csv")
    parser.add_argument(
        "--baseline-ref",
        metavar="REF",
        help="read FILE from this commit of its git repository, e.g. origin/main",
    )
    parser.add_argument(
        "--tolerance",
        metavar="[METRIC:]T",
        action="append",
        default=[],
        help="2%%, abs:0.05, 1e-3 (relative) or 3sigma (for other seeds), and bounds such as "
        "'fid<=2.1'; repeatable (default: 1e-6 relative at equal seeds, 1e-3 on another platform)",
    )
    parser.add_argument(
        "--allow-better", action="store_true", help="accept values that became better"
    )
    parser.add_argument(
        "--subset", action="store_true", help="compare only the rows that RESULTS has"
    )
    parser.add_argument(
        "--retrained",
        action="store_true",
        help="accept another checkpoint of the same training recipe; needs an Nsigma rule",
    )
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write Markdown; - for stdout")
    parser.add_argument(
        "--github",
        action="store_true",
        help="in GitHub Actions: write job summary, step outputs and annotations",
    )
    parser.add_argument("--update", action="store_true", help="make RESULTS the baseline")
    output_flags(parser, quiet="print failures only")


def main(args: argparse.Namespace) -> int:
    from samplebench.errors import SamplebenchError, UsageError
    from samplebench.regression.github import annotation, check_workflow, within

    if args.markdown == "-" and args.json:
        raise UsageError("--markdown - and --json both write to stdout; name a file for one")
    if args.github and (args.json or args.markdown == "-"):
        other = "--json" if args.json else "--markdown -"
        raise UsageError(f"--github and {other} both write to stdout; leave one of them out")
    if args.update and args.baseline_ref is not None:
        raise UsageError("--update writes a file, not a commit; leave --baseline-ref out")
    if not args.github:
        return _update(args) if args.update else _check(args)
    check_workflow(os.environ)
    try:
        return _update(args) if args.update else _check(args)
    except SamplebenchError as error:
        print(annotation(str(error), within(Path(args.baseline), os.environ)))
        raise


def compared(
    current: Table,
    baseline: Table,
    tolerance: Sequence[str] = (),
    *,
    allow_better: bool = False,
    subset: bool = False,
    retrained: bool = False,
) -> Summary:
    """What the command says of two tables.

    Args:
        tolerance: each as of --tolerance; the others are the options of their names.

    Raises:
        UsageError: of rules that cannot be meant, or cannot compare what there is.
        InputError: nothing can be compared.
    """
    from samplebench import regression
    from samplebench.metrics.direction import declared
    from samplebench.regression.tolerance import parse
    from samplebench.results.fields import metrics_of

    names = metrics_of([*baseline.rows, *current.rows])
    better = {name: better for name in names if (better := declared(name))}
    rules = parse(tolerance, names)
    gate = regression.Gate(rules, better, allow_better, subset, retrained)
    return regression.compare(current, baseline, gate)


def _check(args: argparse.Namespace) -> int:
    from samplebench import regression
    from samplebench.regression.github import annotated, within, write_workflow
    from samplebench.regression.junit import to_junit
    from samplebench.regression.markdown import to_markdown

    current = regression.load_rows(Path(args.results))
    path = Path(args.baseline)
    if args.baseline_ref is None:
        baseline = regression.load_rows(path)
    else:
        baseline = regression.load_committed(path, args.baseline_ref)
    summary = compared(
        current,
        baseline,
        args.tolerance,
        allow_better=args.allow_better,
        subset=args.subset,
        retrained=args.retrained,
    )
    decide(args, 1 if summary.failed else 0)
    if args.github:
        with writing(Path("the summary of the job"), "see that the step may write to it"):
            write_workflow(summary, os.environ)
        for line in annotated(summary, within(path, os.environ)):
            print(line)
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
    from samplebench.regression.text import plain

    if args.json:
        shown = [v for v in summary.verdicts if v.failed or not args.quiet]
        print_json([plain(verdict) for verdict in shown])
        return
    for line in told(summary, quiet=args.quiet, retrained=args.retrained):
        print(line)
    if (step := summary.next_step()) and (summary.failed or not args.quiet):
        print(step)


def told(summary: Summary, *, quiet: bool, retrained: bool) -> list[str]:
    """What the command prints, but for the next step.

    Args:
        quiet: failures only.
        retrained: whether weights may be others, of which values may move for that alone.
    """
    from samplebench.regression.text import lines

    shown = [verdict for verdict in summary.verdicts if verdict.failed or not quiet]
    found = list(table_lines(lines(shown))) if shown else []
    if quiet and not summary.failed:
        return found
    remark = _remark(summary) if retrained else ""
    return list(filter(None, [*found, summary.unknown, summary.counts(), *summary.rules(), remark]))


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
        for line in told_update(baseline, verdicts):
            print(line)
    return 0


def told_update(baseline: Path, verdicts: Sequence[Verdict]) -> list[str]:
    """Old and new values of what was rewritten; of a first baseline the number of rows alone."""
    from samplebench.regression.text import lines
    from samplebench.regression.verdict import MISSING, NEW, SAME
    from samplebench.results.fields import counted

    changed = [verdict for verdict in verdicts if verdict.status != SAME]
    shown = changed if any(verdict.status != NEW for verdict in verdicts) else []
    table = list(table_lines(lines(shown, _REWRITTEN))) if shown else []
    counts = Counter(_REWRITTEN.get(verdict.status, verdict.status) for verdict in verdicts)
    rows = sum(verdict.status != MISSING for verdict in verdicts)
    found = ", ".join(f"{count} {word}" for word, count in counts.items())
    return [*table, f"{baseline}: {counted(rows, 'row')} ({found})"]


def _write(path: Path, content: bytes) -> None:
    from samplebench.files.atomic import write_atomic

    with writing(path, "choose another file"):
        write_atomic(path, content)
