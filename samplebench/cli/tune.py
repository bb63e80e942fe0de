"""`samplebench tune`: time grids searched for a sampler, and judged on other seeds."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from samplebench.answers.parameters import label
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.cli.common import (
    command,
    decide,
    given_words,
    output_flags,
    output_folder,
    print_table,
    say,
    writing,
)
from samplebench.cli.run import WORDS

if TYPE_CHECKING:
    from samplebench.tune import Tuned
    from samplebench.tune.request import TuneRequest

_EXAMPLES = """
samplebench tune --sampler ipndm --nfe 5,8,10 --method rho
samplebench tune --model digits-edm --sampler dpmpp-2m --nfe 6 --method rho,coordinate
samplebench tune --sampler heun --param heun.alpha=0.5 --nfe 9 --num-samples 0
samplebench tune --model my.pt --format edm --sampler euler --nfe 10 --num-samples 5000
"""
_USUAL = {"nfe": "5,8,10", "method": "coordinate", "budget": "25,000"}
_WORDS = {
    "model": ("ID", f"model (default: {DEFAULT_MODEL}, which needs no download)"),
    "sampler": (
        "NAME", "one sampler, or package.module:function (default: the model's first deterministic)"
    ),
    "nfe": ("N,...", f"budgets of network evaluations per sample (default: {_USUAL['nfe']})"),
    "method": ("NAME,...", f"search methods (default: {_USUAL['method']})"),
    "budget-evaluations": (
        "N",
        "network evaluations per search, counted per image (default: "
        f"{_USUAL['budget']})",
    ),
    "cost": ("COST", "step cost for the method gits: own (the sampler's step) or euler (default: "
    "own)"),
    "param": ("SAMPLER.NAME=V,...", "parameters of the sampler, fixed"),
    "seed": ("S", "first seed of the evaluation (default: 0); searches use other seeds"),
    "num-samples": ("N", "samples for the metric (default: the protocol's; 0: no metric)"),
    **{name: WORDS[name] for name in ("metric", "reference", "device", "checkpoints", "file",
                                      "format")},
    "out": ("DIR", "output folder (default: reports/<model>-tune)"),
}  # fmt: skip


def add(commands: Any) -> None:
    text = "search time grids for a sampler at a budget and evaluate them on other seeds"
    parser = command(commands, "tune", main, text, _EXAMPLES)
    for name, (metavar, help_text) in _WORDS.items():
        action = "append" if name == "param" else "store"
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text, action=action)
    parser.add_argument("--offline", action="store_true", help="open no connection")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="start even if sampling for the metric takes more than a day",
    )
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.tune.request import TuneRequest

    words = given_words(args, _WORDS)
    # Names first: a typo is told before torch is imported.
    asked = TuneRequest.of(**words, offline=args.offline, yes=args.yes)

    from samplebench.tune.run import planned, tuned

    plan = planned(asked)
    with writing(output_folder(str(asked.out))):
        result = tuned(asked, plan, args.quiet)
    decide(args, int(bool(result.failures)))
    if args.json:
        print_table(result.rows(), True)
    else:
        _print(result, asked, args.quiet)
    for line in result.failures:
        say(f"samplebench: failed: {line}")
    return int(args.verdict)


def _print(result: Tuned, asked: TuneRequest, quiet: bool) -> None:
    """What holds for all rows, the table, and how the best is used."""
    from samplebench.tune.table import advice, facts_of, text_rows

    for name, text in facts_of(result):
        print(f"{name:<9}  {text}")
    print()
    print_table(text_rows(result), False)
    print()
    for line in advice(result):
        print(line)
    if quiet:
        return
    print(f"\ncards: {result.out / 'cards'}, {result.out / 'solvers'}")
    print(f"page: {result.out / 'tune.html'}")
    for line in _commands(result, asked):
        print(line)


def _commands(result: Tuned, asked: TuneRequest) -> list[str]:
    """The commands that run the best of what was found: one for each set of parameters."""
    from samplebench.tune.cards import list_path

    by_params: dict[str, list[str]] = {}
    for budget in result.budgets:
        grid = result.best(budget)
        if grid is not None and grid.found is not None:
            given = label({f"{result.sampler}.{k}": v for k, v in grid.found.changed.items()})
            card = f"card:{list_path(result.out, grid.found)}"
            by_params.setdefault(given.replace(" ", ","), []).append(card)
    words = asked.request.words()
    known = [
        f"--{name}={words[name]}" for name in ("checkpoints", "file", "format") if name in words
    ]
    (model,), (sampler,) = words["model"], words["sampler"]
    return [
        "use: "
        + shlex.join(
            [
                "samplebench", "run", "--model", model, *known, "--sampler", sampler,
                *(["--param", params] if params else []),
                "--discretization", ",".join(cards),
            ]
        )
        for params, cards in by_params.items()
    ]  # fmt: skip
