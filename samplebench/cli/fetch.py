"""`samplebench fetch`: checkpoints into the cache, verified, so that a run needs no network."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from samplebench.cli.common import command, output_flags, print_table

_EXAMPLES = """
samplebench fetch vp-cifar10 edm-cifar10-cond-vp
SAMPLEBENCH_CACHE=/data/samplebench samplebench fetch edm-imagenet64
SAMPLEBENCH_MIRROR=https://mirror.example/weights samplebench fetch vp-cifar10
samplebench fetch vp-cifar10-scoresde --file downloads/checkpoint_8.pth
"""


def add(commands: Any) -> None:
    text = "download and verify checkpoints"
    parser = command(commands, "fetch", main, text, _EXAMPLES)
    parser.add_argument("ids", metavar="ID", nargs="+", help="models of the catalogue")
    parser.add_argument("--checkpoints", metavar="FILE.toml", help="further models")
    parser.add_argument("--file", metavar="PATH", help="check this file of the one model named")
    parser.add_argument("--offline", action="store_true", help="open no connection, only verify")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.checkpoints.announce import announce
    from samplebench.checkpoints.catalog import catalog, checkpoint
    from samplebench.checkpoints.local import digest, local_file
    from samplebench.errors import UsageError
    from samplebench.loading import load

    known = catalog(args.checkpoints)
    entries = [checkpoint(name, known) for name in dict.fromkeys(args.ids)]
    if args.file:
        if len(entries) > 1:
            raise UsageError(f"--file {args.file}: name the one model that it is")
        entries = [entries[0].at(args.file)]
    rows = []
    for entry in entries:
        if not (args.quiet or args.offline):
            announce(entry, sys.stderr)
        path = local_file(entry, offline=args.offline, quiet=args.quiet)
        # Loading it checks every tensor's name and shape.
        load(entry, device="cpu", offline=True)
        rows.append(
            {
                "id": entry.id,
                "bytes": path.stat().st_size,
                "sha256": digest(entry),
                "hash": "published" if entry.sha256 else "of the first download",
                "structure": "as released" if entry.structure else "by its own arguments",
                "path": str(path),
            }
        )
    print_table(rows, args.json)
    return 0
