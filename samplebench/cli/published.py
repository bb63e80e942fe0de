"""`samplebench published`: what others measured, as a table and a page."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, output_flags, print_table, writing

if TYPE_CHECKING:
    from samplebench.published import Published, Remeasured

_OUT = Path("reports/published")
_EXAMPLES = """
samplebench published
samplebench published --checkpoint edm-cifar10-uncond-vp --sampler heun
samplebench published --dataset imagenet --protocol openai --max-nfe 100 --out reports/imagenet
samplebench published --sampler "DPM-Solver++(3M)" --json | head
samplebench published --remeasured --checkpoint adm-imagenet64
"""
# Options that leave rows out; the first goes with --remeasured as well.
_FILTERS = ("checkpoint", "sampler", "dataset", "protocol", "max_nfe")


def add(commands: Any) -> None:
    text = "show published FID values with their conditions as a table and a page"
    parser = command(commands, "published", main, text, _EXAMPLES)
    parser.add_argument("--checkpoint", metavar="ID", help="only this checkpoint")
    parser.add_argument(
        "--sampler", metavar="NAME", help="only this sampler, by samplebench's or a source's name"
    )
    parser.add_argument("--dataset", metavar="NAME", help="cifar10, imagenet, ffhq, ...")
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="only this protocol: edm, edm2, openai, score-sde or other",
    )
    parser.add_argument(
        "--max-nfe", metavar="N", type=int, help="only values with at most N evaluations"
    )
    parser.add_argument(
        "--uncertain", action="store_true", help="include values of certainty C (unsure)"
    )
    parser.add_argument(
        "--remeasured",
        action="store_true",
        help="list published values that were measured again by others",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"output folder of the page (default: {_OUT}; none for a selection or with --json)",
    )
    output_flags(parser, "no notes below the table")


def main(args: argparse.Namespace) -> int:
    from samplebench.published import load, load_remeasured

    if args.remeasured:
        return _remeasured(args)
    chosen = _chosen(load(), args)
    shown = [row for row in chosen if args.uncertain or row.certainty != "C"]
    only, page = _only(args), None
    # What is asked for in part does not take the place of the page of all.
    if chosen and (args.out or not (only or args.uncertain or args.json)):
        ids = {row.checkpoint for row in chosen}
        cases = [case for case in load_remeasured() if not only or case.checkpoint in ids]
        page = _write(chosen, Path(args.out or _OUT), args.uncertain, cases, only)
    if args.json:
        print_table([dict(row.plain()) for row in shown], as_json=True)
        return 0
    deep = any(row.depth is not None for row in shown)
    print_table([_condensed(row, deep) for row in shown], as_json=False)
    uncounted = sum(row.nfe is None and row.depth is not None for row in shown)
    if uncounted and not args.quiet:
        print(
            f"\n{uncounted} values have only a depth: their sources count sequential calls and "
            "do not state the evaluations"
        )
    left = len(chosen) - len(shown)
    if left and not args.quiet:
        print(f"\n{left} values of certainty C are not listed; --uncertain lists them")
    if page and not args.quiet:
        print(f"\npage: {page}")
    return 0


def _remeasured(args: argparse.Namespace) -> int:
    """The table of values that were measured again.

    Raises:
        UsageError: an option that does not apply, a checkpoint without one.
    """
    from samplebench.checkpoints.catalog import resolved
    from samplebench.errors import UsageError
    from samplebench.published import load_remeasured
    from samplebench.report.atlas_tables import remeasured_rows

    for name in (*_FILTERS[1:], "uncertain", "out"):
        said = getattr(args, name)
        if said is not None and said is not False:  # 0 and "" were said, too
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} cannot be combined with --remeasured; only --checkpoint can")
    cases = load_remeasured()
    if args.checkpoint is not None:
        name = resolved(args.checkpoint)
        known = (case.checkpoint for case in cases)
        _check("re-measured checkpoint", name, known, "published --remeasured")
        cases = tuple(case for case in cases if case.checkpoint == name)
    if args.json:
        print_table([dict(case.plain()) for case in cases], as_json=True)
    else:
        print_table(remeasured_rows(cases), as_json=False)
    return 0


def _only(args: argparse.Namespace) -> str:
    """The filters as typed, "" for none."""
    given = [(name, getattr(args, name)) for name in _FILTERS]
    words = [(f"--{name.replace('_', '-')}", str(v)) for name, v in given if v is not None]
    return shlex.join(word for pair in words for word in pair)


def _chosen(rows: Sequence[Published], args: argparse.Namespace) -> list[Published]:
    """The rows that pass the filters.

    Raises:
        UsageError: a name that no row has.
    """
    from samplebench.errors import UsageError

    if args.max_nfe is not None and args.max_nfe < 1:
        raise UsageError(f"--max-nfe {args.max_nfe}: evaluations are counted from 1")
    # As the catalogue has it, or as published.csv does.
    spelt = {row.model: row.checkpoint for row in rows}
    name = spelt.get(args.checkpoint, args.checkpoint)
    _check("published checkpoint", name, spelt.values())
    _check("published dataset", args.dataset, (row.dataset for row in rows))
    _check("published protocol", args.protocol, (row.family for row in rows))
    names = {name for row in rows for name in (row.sampler.name, row.sampler_printed)}
    _check("published sampler", args.sampler, names)
    return [
        row
        for row in rows
        if name in (None, row.checkpoint)
        and args.dataset in (None, row.dataset)
        and args.protocol in (None, row.family)
        and args.sampler in (None, row.sampler.name, row.sampler_printed)
        and (args.max_nfe is None or (row.nfe is not None and row.nfe <= args.max_nfe))
    ]


def _check(kind: str, name: str | None, known: Iterable[str], listed: str = "published") -> None:
    from samplebench.errors import unknown

    names = set(known)
    if name is not None and name not in names:
        raise unknown(kind, name, names, f"samplebench {listed}")


def _condensed(row: Published, deep: bool) -> dict[str, object]:
    return {
        "checkpoint": row.checkpoint,
        "sampler": row.sampler_label,
        "nfe": row.nfe,
        **({"depth": row.depth} if deep else {}),
        "fid": row.fid_printed,
        "N": row.num_samples,
        "reference": row.reference,
        "certainty": row.certainty,
        "source": row.cite,
    }


def _write(
    rows: Sequence[Published], out: Path, uncertain: bool, cases: Sequence[Remeasured], only: str
) -> Path:
    from samplebench.files.atomic import write_atomic
    from samplebench.report.atlas import page_of

    text = page_of(rows, uncertain, cases, only)
    with writing(out, "choose another --out"):
        return write_atomic(out / "published.html", text.encode("utf-8"))
