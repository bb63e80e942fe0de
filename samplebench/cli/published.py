"""`samplebench published`: what others measured, as a table and a page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, output_flags, print_table, writing

if TYPE_CHECKING:
    from samplebench.published import Published

_OUT = Path("reports/published")
_FEW = 20  # names that an error message can list
_EXAMPLES = """
samplebench published
samplebench published --checkpoint edm-cifar10-32x32-uncond-vp --sampler heun
samplebench published --dataset imagenet --protocol openai --max-nfe 100 --quiet
samplebench published --sampler "DPM-Solver++(3M)" --json | head
"""


def add(commands: Any) -> None:
    text = "show published FID values with their conditions, and write them as a page"
    parser = command(commands, "published", main, text, _EXAMPLES)
    parser.add_argument("--checkpoint", metavar="ID", help="of this checkpoint only")
    parser.add_argument(
        "--sampler", metavar="NAME", help="of this sampler, or as a source calls it"
    )
    parser.add_argument("--dataset", metavar="NAME", help="cifar10, imagenet, ffhq, ...")
    parser.add_argument("--protocol", metavar="NAME", help="edm, edm2, openai, score-sde or other")
    parser.add_argument("--max-nfe", metavar="N", type=int, help="of at most N evaluations")
    parser.add_argument("--uncertain", action="store_true", help="values of certainty C too")
    parser.add_argument(
        "--out", metavar="DIR", help=f"folder of the page (default: {_OUT}; with --json none)"
    )
    output_flags(parser, "no notes below the table")


def main(args: argparse.Namespace) -> int:
    from samplebench.published import load

    chosen = _chosen(load(), args)
    shown = [row for row in chosen if args.uncertain or row.certainty != "C"]
    page = None
    if chosen and (args.out or not args.json):
        page = _write(chosen, Path(args.out or _OUT), args.uncertain)
    if args.json:
        print_table([dict(row.plain()) for row in shown], as_json=True)
        return 0
    print_table([_condensed(row) for row in shown], as_json=False)
    left = len(chosen) - len(shown)
    if left and not args.quiet:
        print(f"\n{left} values of certainty C are not listed; --uncertain lists them")
    if page and not args.quiet:
        print(f"\npage: {page}")
    return 0


def _chosen(rows: Sequence[Published], args: argparse.Namespace) -> list[Published]:
    """The rows that pass the filters.

    Raises:
        UsageError: a name that no row has.
    """
    from samplebench.errors import UsageError

    if args.max_nfe is not None and args.max_nfe < 1:
        raise UsageError(f"--max-nfe {args.max_nfe}: evaluations are counted from 1")
    _check("checkpoint", args.checkpoint, (row.model for row in rows))
    _check("dataset", args.dataset, (row.dataset for row in rows))
    _check("protocol", args.protocol, (row.family for row in rows))
    names = {name for row in rows for name in (row.sampler.name, row.sampler_printed)}
    _check("sampler", args.sampler, names)
    return [
        row
        for row in rows
        if args.checkpoint in (None, row.model)
        and args.dataset in (None, row.dataset)
        and args.protocol in (None, row.family)
        and args.sampler in (None, row.sampler.name, row.sampler_printed)
        and (args.max_nfe is None or (row.nfe is not None and row.nfe <= args.max_nfe))
    ]


def _check(kind: str, name: str | None, known: Iterable[str]) -> None:
    from difflib import get_close_matches

    from samplebench.errors import UsageError, unknown

    names = set(known)
    if name is None or name in names:
        return
    if len(names) > _FEW and not get_close_matches(name, names, cutoff=0.5):
        raise UsageError(
            f"unknown published {kind} '{name}'; 'samplebench published' lists all {len(names)}"
        )
    raise unknown(f"published {kind}", name, names)


def _condensed(row: Published) -> dict[str, object]:
    return {
        "checkpoint": row.model,
        "sampler": row.sampler_label,
        "nfe": row.nfe,
        "fid": row.fid_printed,
        "N": row.num_samples,
        "reference": row.reference,
        "certainty": row.certainty,
        "source": row.cite,
    }


def _write(rows: Sequence[Published], out: Path, uncertain: bool) -> Path:
    from samplebench.files.atomic import write_atomic
    from samplebench.report.atlas import page_of

    text = page_of(rows, uncertain)
    with writing(out, "choose another --out"):
        return write_atomic(out / "published.html", text.encode("utf-8"))
