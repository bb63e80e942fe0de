"""`samplebench advise`: which sampler, on which steps, for a model at a budget."""

from __future__ import annotations

import argparse
from typing import Any

from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.cli.common import (
    command,
    output_flags,
    output_folder,
    print_facts,
    print_json,
    print_table,
    writing,
)
from samplebench.cli.run import WORDS

_EXAMPLES = """
samplebench advise --model digits-edm --nfe 10
samplebench advise --nfe 6 --json
samplebench advise --model my.pt --format edm --nfe 20 --num-samples 10000 --reference my.npz
"""
_NFE = 10
_OWN = {
    "model": ("ID", f"model (default: {DEFAULT_MODEL}, which needs no download)"),
    "nfe": ("N", f"budget of network evaluations per sample (default: {_NFE})"),
    "num-samples": ("N", "samples for the final comparison (default: the protocol's)"),
    "seed": ("S", "first seed of the final comparison (default: 0); the search uses other seeds"),
    "metric": ("NAME", "metric that decides (default: the protocol's first)"),
    "reference": ("ID|PATH", "statistics or images to compare with (default: the model's)"),
    "out": ("DIR", "output folder (default: reports/<model>-advise)"),
}
_NAMES = (
    "model", "nfe", "num-samples", "seed", "metric", "reference", "protocol", "batch-size",
    "device", "dtype", "checkpoints", "file", "format", "model-config", "out",
)  # fmt: skip
_WORDS = {name: _OWN.get(name, WORDS[name]) for name in _NAMES}


def add(commands: Any) -> None:
    text = "recommend a sampler, grid and parameters for a model at a budget"
    parser = command(commands, "advise", main, text, _EXAMPLES)
    for name, (metavar, help_text) in _WORDS.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text)
    parser.add_argument("--offline", action="store_true", help="open no connection")
    parser.add_argument("--yes", action="store_true", help="start even if it takes more than a day")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.advise.request import AdviseRequest

    words = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _NAMES}
    # Names first: a typo is told before torch is imported.
    asked = AdviseRequest.of(**words, offline=args.offline, yes=args.yes)

    from samplebench.advise.run import advised
    from samplebench.ambient import own_settings

    out = output_folder(str(asked.out))
    with writing(out), own_settings():
        found = advised(asked, args.quiet)
    if args.json:
        print_json(found.plain())
        return 0
    print_facts(found.facts(), False)
    print()
    print_table(found.text_rows(), False)
    if not args.quiet:
        print(f"\nreport: {out / 'confirmed' / 'report.html'}, {out / 'search' / 'report.html'}")
    return 0
