"""`samplebench card`: solvers, and where their steps are, as files of numbers."""

from __future__ import annotations

import argparse
from typing import Any

from samplebench.bench.request import Request
from samplebench.cards.card import Card
from samplebench.cards.levels import LevelsCard
from samplebench.cards.name import LETTERS, safe
from samplebench.cards.read import read_card
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.cli.common import command, given_words, output_flags, print_facts, writing
from samplebench.cli.run import WORDS
from samplebench.errors import UsageError
from samplebench.files.atomic import expanded, write_atomic
from samplebench.files.places import file_at

_EXAMPLES = """
samplebench card export --sampler dpmpp-2m --nfe 8 --out dpmpp-2m-8.json
samplebench card export --sampler heun --nfe 9 --rho 3 --param heun.alpha=0.5
samplebench card export --sampler euler --discretization 80/20/5/1/0.2/0 --name mine
samplebench card describe dpmpp-2m-8.json
"""
_WORDS = {
    "model": ("ID", f"model whose noise levels are used (default: {DEFAULT_MODEL})"),
    "sampler": ("NAME", "a deterministic sampler on noise levels, or package.module:function"),
    "nfe": ("N", "budget of network evaluations per sample"),
    "rho": ("R", "exponent of the discretization (default: the discretization's, 7 for edm)"),
    "discretization": ("NAME", WORDS["discretization"][1]),
    "param": ("SAMPLER.NAME=V,...", "parameters of the sampler"),
    **{name: WORDS[name] for name in ("checkpoints", "file")},
}


def add(commands: Any) -> None:
    text = "write a sampler's steps as a solver card, or describe a card"
    parser = command(commands, "card", main, text, _EXAMPLES)
    parser.add_argument("action", choices=("export", "describe"))
    parser.add_argument("source", nargs="?", metavar="FILE", help="card to describe")
    for name, (metavar, help_text) in _WORDS.items():
        action = "append" if name == "param" else "store"
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text, action=action)
    parser.add_argument(
        "--name", metavar="NAME", help="name of the card (default: <sampler>-<NFE>)"
    )
    parser.add_argument("--out", metavar="FILE", help="file to write (default: print the card)")
    parser.add_argument("--offline", action="store_true", help="open no connection")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    if args.action == "describe":
        if not args.source:
            raise UsageError("name a card's file, e.g. samplebench card describe mine.json")
        if said := [name for name in (*_WORDS, "name", "out") if getattr(args, name) is not None]:
            raise UsageError(f"card describe takes no --{said[0]}; it is for card export")
        _print_card(read_card(args.source), args.json)
        return 0
    if args.source:
        raise UsageError(
            f"card export takes no '{args.source}'; to see a card: "
            f"samplebench card describe {args.source}"
        )
    _export(args)
    return 0


def _export(args: argparse.Namespace) -> None:
    """Writes the card, and prints what it is; without a file it prints the card."""
    from samplebench.bench.single import check_single, setting_on
    from samplebench.bench.sources import checkpoints_of
    from samplebench.bench.survey import Survey

    if args.name is not None and (not args.name or args.name != safe(args.name)):
        hint = safe(args.name) or "mine-8"
        raise UsageError(f"--name {args.name!r}: {LETTERS}; e.g. {hint}")
    words = given_words(args, _WORDS)
    request = Request.of(**{"model": DEFAULT_MODEL, **words})
    check_single(request)
    (entry,) = checkpoints_of(request)
    target = args.out and expanded(args.out)
    if target:
        file_at(target)

    from samplebench.cards.text import text_of
    from samplebench.loading import load
    from samplebench.sampling.export import as_card

    # Its noise levels are wanted, not its answers.
    model = load(entry, device="cpu", offline=args.offline, quiet=args.quiet)
    survey = Survey(request.given)
    setting = setting_on(request, model, entry.id, survey)
    if not args.quiet:
        survey.show()
    process = getattr(model.process, "name", None)
    card = as_card(setting, model, name=args.name or "", made_for=entry.id, process=process)
    if not target:
        print(text_of(card), end="")
        return
    with writing(target, "choose another --out"):
        write_atomic(target, text_of(card).encode())
    _print_card(card, args.json)


def _print_card(card: Card | LevelsCard, as_json: bool) -> None:
    """What a card says, without its coefficients."""
    where, levels = ("times", card.times) if isinstance(card, Card) else ("sigmas", card.levels)
    shown = list(levels) if as_json else ", ".join(f"{level:.4g}" for level in levels)
    print_facts({"name": card.name, **card.about, where: shown}, as_json)
