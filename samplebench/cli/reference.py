"""`samplebench reference`: statistics that samples are compared with."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from samplebench.cli.common import command, output_flags, print_facts, print_table, say, writing
from samplebench.errors import UsageError
from samplebench.files.atomic import expanded

_EXAMPLES = """
samplebench reference list
samplebench reference describe digits
samplebench reference make --images my/folder --extractor digits --out mine.reference.npz
samplebench reference make --images my.zip --keep features --out mine.reference.npz
"""


def add(commands: Any) -> None:
    text = "make, describe or list reference statistics"
    parser = command(commands, "reference", main, text, _EXAMPLES)
    parser.add_argument("action", choices=("make", "describe", "list"))
    parser.add_argument("source", nargs="?", metavar="ID|FILE", help="reference to describe")
    parser.add_argument(
        "--images", metavar="PATH", help="folder or zip of images, or .npz / .npy of uint8"
    )
    parser.add_argument(
        "--extractor", metavar="NAME", default="digits", help="default: digits, for 8x8 digits"
    )
    parser.add_argument("--out", metavar="FILE", help="file to write")
    parser.add_argument(
        "--keep", choices=("moments", "features"), default="moments",
        help="features also stores the features of every image, for metrics that need them "
        "(default: moments)",
    )  # fmt: skip
    parser.add_argument(
        "--device", metavar="D", help="cuda, mps or cpu (default: the best available)"
    )
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.metrics.moments import rank_note
    from samplebench.references import reference as references

    if args.source and args.action != "describe":
        raise UsageError(
            f"reference {args.action} takes no '{args.source}'; to see one: "
            f"samplebench reference describe {args.source}"
        )
    if args.action == "list":
        rows = [references.load(name).facts() for name in references.names()]
        for row in rows:
            row["extractor"] = row.get("holds", row["extractor"])
        keys = ("id", "num_images", "extractor", "feature_dim", "made_from")
        print_table([{key: row[key] for key in keys} for row in rows], args.json)
        return 0
    if args.action == "describe":
        if not args.source:
            raise UsageError(f"name a reference: {', '.join(references.names())}, or a file")
        found = references.load(args.source)
        if not args.quiet:
            for note in rank_note(f"reference {found.id}", found.num_images, found.feature_dim):
                say(f"note: {note}")
        print_facts(found.describe(), args.json)
        return 0
    _make(args)
    return 0


def _make(args: argparse.Namespace) -> None:
    """Makes a reference of images and prints what it is."""
    from samplebench.metrics.moments import rank_note
    from samplebench.references import reference as references

    if not args.images or not args.out:
        raise UsageError("reference make needs --images PATH and --out FILE")
    source, target = expanded(args.images), expanded(args.out)
    _check_target(source, target)
    from samplebench.devices import resolve_device
    from samplebench.features.judged import extractor_of
    from samplebench.image_sets import read
    from samplebench.references.files import beside_images
    from samplebench.scoring.extract import fetch_extractor, statistics_of

    fetch_extractor(args.extractor, offline=False, quiet=args.quiet)
    extractor = extractor_of(args.extractor, resolve_device(args.device))
    images = read(source, quiet=args.quiet)
    few = rank_note(images.description, images.count, extractor.feature_dim)
    if not args.quiet:
        for note in (*beside_images(source), *images.notes, *few):
            say(f"note: {note}")
    rows = args.keep == "features"
    wanted = [(extractor, rows)]
    (found,) = statistics_of(images, wanted, device=args.device, quiet=args.quiet)
    for doubt in () if args.quiet else found.doubts:
        say(f"note: {doubt}")
    with writing(target, "choose another --out"):
        made = references.save(target, found.moments, extractor, images.description, found.rows)
    print_facts(made.describe(), args.json)


def _check_target(source: Path, target: Path) -> None:
    """Raises `UsageError` where the reference would take the place of something else."""
    folder = os.path.isdir(target)
    both = os.path.exists(target) and os.path.exists(source)
    if folder or (both and target.samefile(source)):
        what = "a folder" if folder else "the images themselves"
        raise UsageError(f"--out {target} is {what}; name a new file, e.g. mine.reference.npz")
