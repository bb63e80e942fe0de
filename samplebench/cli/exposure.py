"""`samplebench trajectory --from-data`: how errors add up along a chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from samplebench.bench.request import Request
from samplebench.cli.common import decide, print_table, say, writing
from samplebench.errors import UsageError
from samplebench.scoring.real_images import real_images
from samplebench.trajectory.starting_levels import USUAL, asked_levels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from samplebench.trajectory.accumulation import Accumulation

# Words of the command that have no meaning without `--from-data`.
WORDS = {
    "levels": (
        "N|S,...",
        "with --from-data: a number of noise levels, spread evenly over the run's steps, or a "
        f"list of levels; write a single level as 2.0 (default: {USUAL})",
    ),
    "metric": ("NAME,...", "with --from-data: metrics (default: the protocol's)"),
    "reference": (
        "ID|PATH,...",
        "with --from-data: statistics or images to compare with (default: the model's)",
    ),
}


def refuse(given: Mapping[str, object]) -> None:
    """Raises `UsageError` for words of `--from-data` where it is not given."""
    for name in WORDS:
        if given.get(name) is not None:
            raise UsageError(f"--{name} needs --from-data DATA; add it, or leave --{name} out")


def measure(args: argparse.Namespace, words: dict[str, object]) -> int:
    """Plans, samples and scores the chains; prints the table and writes the page.

    Args:
        words: of the request, with `levels` and `steps` as they were written.
    """
    if words.pop("steps", None) is not None:
        raise UsageError("--steps does not work with --from-data; use --nfe, e.g. --nfe 35")
    levels = asked_levels(words.pop("levels", USUAL))
    real = real_images(args.from_data, "--from-data", quiet=args.quiet)
    request = Request.of(**words, offline=args.offline, yes=args.yes)

    from samplebench.trajectory.chains import planned
    from samplebench.trajectory.exposure import measured
    from samplebench.trajectory.exposure_page import write_exposure

    # Names first: a typo is told before torch is imported.
    plan = planned(request, real.count)
    with writing(plan.folder):
        found = measured(plan, real, levels, quiet=args.quiet)
        paths = write_exposure(found, plan.folder)
    decide(args, int(bool(found.failures)))
    if args.json:
        print_table(found.rows(), True)
    else:
        _print(found)
        if not args.quiet:
            print(f"\npage: {paths[-1]}")
    for line in found.failures:
        say(f"samplebench: failed: {line}")
    return int(args.verdict)


def _print(found: Accumulation) -> None:
    from samplebench.trajectory.exposure_table import facts_of, text_rows

    for name, text in facts_of(found):
        print(f"{name:<9}  {text}")
    print()
    print_table(text_rows(found), False)
