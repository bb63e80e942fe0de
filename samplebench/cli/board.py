"""`samplebench board`: every sampler on models in closed form, and yours among them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import (
    command,
    output_flags,
    output_folder,
    print_json,
    print_table,
    writing,
)
from samplebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from samplebench.board.table import BoardRow

_EXAMPLES = """
samplebench board --sampler mypackage.mymodule:my_sampler
samplebench board --sampler ./mine.py:my_sampler --models exact-2d --nfe 6,10
samplebench board --samplers euler,heun,unipc --models exact-2d,exact-modes
samplebench board --anew
"""
_OUT = "reports/board"
_WORDS = {
    "sampler": ("NAME,...", "your samplers to rank: package.module:function, ./file.py:function "
                "or any sampler that run takes"),
    "models": ("ID,...", "restrict to these models of the board"),
    "samplers": ("NAME,...", "restrict to these registered samplers"),
    "nfe": ("N,...", "budgets of network evaluations per sample (default: all of the board)"),
    "out": ("DIR", f"output folder (default: {_OUT})"),
}  # fmt: skip


def add(commands: Any) -> None:
    text = "rank samplers on models with a known distribution, by distance to exact draws"
    parser = command(commands, "board", main, text, _EXAMPLES)
    for name, (metavar, help_text) in _WORDS.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text)
    parser.add_argument(
        "--anew",
        action="store_true",
        help="compute the registered samplers again instead of using the shipped values",
    )
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.bench.request import Request
    from samplebench.board.entrants import BUDGETS, MODELS, absent, points_of
    from samplebench.checkpoints.catalog import catalog

    asked = {"sampler": args.sampler, "nfe": args.nfe}
    request = Request.of(**{name: word for name, word in asked.items() if word is not None})
    only = Request.of(sampler=args.samplers).sampler if args.samplers is not None else ()
    models = _models(args.models, MODELS)
    entries = [catalog()[model] for model in models]
    # All names, and code of others, before anything is computed.
    points = {
        entry.id: points_of(
            entry,
            only=[str(name) for name in only],
            guests=request.sampler,
            budgets=request.nfe if args.nfe is not None else BUDGETS,
        )
        for entry in entries
    }
    if empty := [model for model, found in points.items() if not found]:
        raise UsageError(
            f"--nfe {args.nfe}: too small for every sampler on {empty[0]}; use a larger --nfe"
        )
    out = output_folder(args.out or _OUT)
    with writing(out):
        rows = _measured(entries, points, out, args)
        _written(rows, absent(entries[0]), out, args.samplers is None)
    if args.json:
        print_json([row.plain() for row in rows])
        return 0
    _print(rows)
    if not args.quiet:
        print(f"\ntables: {out / 'board.csv'}, {out / 'board.md'}; page: {out / 'board.html'}")
    return 0


def _models(given: str | None, known: Sequence[str]) -> list[str]:
    if given is None:
        return [*known]
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names:
        raise UsageError("--models is empty; write e.g. --models exact-2d,exact-modes")
    for name in names:
        if name not in known:
            raise unknown("model of the board", name, known)
    return list(dict.fromkeys(names))


def _measured(entries: Any, points: Any, out: Path, args: argparse.Namespace) -> list[BoardRow]:
    """The rows of all models, of which what is missing is computed."""
    from samplebench.board.measure import measure, sets_of
    from samplebench.board.store import Shelf
    from samplebench.board.table import known_of, read_rows, rows_of, shipped
    from samplebench.ticker import bar

    ready = not args.anew and shipped().is_file()
    known = known_of(read_rows(shipped())) if ready else {}
    rows: list[BoardRow] = []
    total = sum(sets_of(each) for each in points.values())
    with bar(total, "board", "set", args.quiet) as advance:
        for entry in entries:
            board = measure(
                entry, points[entry.id], Shelf(out / "parts"), known=known, advance=advance
            )
            rows += rows_of(board)
    return rows


def _written(rows: Sequence[BoardRow], away: Any, out: Path, told: bool) -> None:
    from samplebench.board.html import write_html
    from samplebench.board.page import write_page
    from samplebench.board.table import write_rows

    write_rows(rows, out / "board.csv")
    write_page(rows, away if told else [], out / "board.md")
    write_html(rows, away if told else [], out / "board.html")


def _print(rows: Sequence[BoardRow]) -> None:
    """Per model and budget the first, and those of the user with their neighbours' places."""
    from samplebench.board.page import (
        BEST,
        budgets_of,
        excess_text,
        facts_of,
        floor_text,
        models_of,
        places_text,
        truncation_text,
        w2_text,
    )

    print(facts_of(rows))
    for model in models_of(rows):
        own = [row for row in rows if row.model == model]
        shown = []
        for budget in budgets_of(own):
            ranked = [row for row in own if row.nfe_requested == budget]
            # Names of one algorithm are ranked as one.
            count = len({row.key for row in ranked})
            shown += [
                {
                    "budget": budget,
                    "rank": f"{row.rank} of {count}",
                    "places": places_text(row),
                    "sampler": row.label,
                    "NFE": row.nfe,
                    "excess": excess_text(row),
                    "W2": w2_text(row),
                    "truncation": truncation_text(row),
                    "": "yours" if row.guest else "",
                }
                for place, row in enumerate(ranked)
                if place < BEST or row.guest
            ]
        print(f"\n{model}. {floor_text(own)}")
        print_table(shown, False)
