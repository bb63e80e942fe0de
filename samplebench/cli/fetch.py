"""`samplebench fetch`: what a run needs into the cache, verified, so that it needs no network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import command, output_flags, print_table

if TYPE_CHECKING:
    from samplebench.checkpoints.catalog import Checkpoint

_EXAMPLES = """
samplebench fetch vp-cifar10 edm-cifar10-cond-vp
SAMPLEBENCH_CACHE=/data/samplebench samplebench fetch edm-imagenet64
SAMPLEBENCH_MIRROR=https://mirror.example/weights samplebench fetch vp-cifar10
samplebench fetch vp-cifar10-scoresde --file downloads/checkpoint_8.pth
samplebench fetch hf:google/ddpm-cifar10-32
samplebench fetch edm-cifar10-cond-vp --metric fid,fd-dinov2
"""


def add(commands: Any) -> None:
    text = (
        "download and verify checkpoints with their classifiers, reference statistics and extractor"
    )
    parser = command(commands, "fetch", main, text, _EXAMPLES)
    parser.add_argument("ids", metavar="ID", nargs="+", help="catalogue ids or hf:ORG/NAME")
    parser.add_argument(
        "--metric",
        metavar="NAME,...",
        help="also fetch the extractors of these metrics (see list metrics)",
    )
    parser.add_argument("--checkpoints", metavar="FILE.toml", help="further models")
    parser.add_argument("--file", metavar="PATH", help="verify this file of the one model named")
    parser.add_argument("--offline", action="store_true", help="open no connection, only verify")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.checkpoints.announce import announce
    from samplebench.checkpoints.local import local_file
    from samplebench.errors import UsageError
    from samplebench.loading import load, load_classifier

    # Names first: a typo is told before gigabytes are on their way.
    entries, extractors = _entries(args), _extractors(args)
    if args.file:
        if len(entries) > 1:
            raise UsageError(f"--file {args.file}: name the one model that it belongs to")
        entries = [entries[0].at(args.file)]
    rows = []
    for entry in entries:
        if not (args.quiet or args.offline):
            announce(entry, sys.stderr)
        path = local_file(entry, offline=args.offline, quiet=args.quiet)
        # Loading it checks every tensor's name and shape.
        load(entry, device="cpu", offline=True, quiet=args.quiet)
        rows.append(_released(entry, path))
        if entry.classifier is not None and not args.file:
            if not (args.quiet or args.offline):
                announce(entry.classifier, sys.stderr)
            path = local_file(entry.classifier, offline=args.offline, quiet=args.quiet)
            load_classifier(entry, device="cpu", offline=True)
            rows.append(_released(entry.classifier, path))
    if not args.file:
        rows += _measures(entries, extractors, args)
    print_table(rows, args.json)
    return 0


def _entries(args: argparse.Namespace) -> list[Checkpoint]:
    """What is to be fetched; of models of one's own those on a hub alone."""
    from samplebench.checkpoints.catalog import catalog, checkpoint
    from samplebench.download.hub import PREFIX
    from samplebench.loading.source import source_of

    known = catalog(args.checkpoints)
    return [
        source_of(word, known, offline=args.offline)
        if word.startswith(PREFIX)
        else checkpoint(word, known)
        for word in dict.fromkeys(args.ids)
    ]


def _extractors(args: argparse.Namespace) -> list[str]:
    """Those of the metrics that are named."""
    from samplebench.scoring.measure import declared

    names = (name.strip() for name in (args.metric or "").split(","))
    return [str(declared(name).extractor) for name in names if name]


def _measures(
    entries: Sequence[Checkpoint], further: Sequence[str], args: argparse.Namespace
) -> list[dict[str, object]]:
    """A row for each reference and extractor that had to be fetched.

    Args:
        further: extractors beside those of the models' protocols.
    """
    from samplebench.protocols import protocol
    from samplebench.references.reference import load
    from samplebench.registry import extractors
    from samplebench.scoring.extract import fetch_extractor

    how = {"offline": args.offline, "quiet": args.quiet}
    rows: list[dict[str, object]] = []
    names = [*(protocol(entry.protocol).extractor for entry in entries), *further]
    for name in dict.fromkeys(names):
        path = fetch_extractor(name, **how)
        # Layers of one network come from one file.
        if path and str(path) not in (row["path"] for row in rows):
            digest = extractors.get(name).weights_sha256
            rows.append(_row(name, path, digest, "published", "as released"))
    asked = dict.fromkeys((entry.reference, entry.home) for entry in entries if entry.reference)
    for name, home in asked:
        reference = load(name, home)
        if (artefact := reference.artefact) is None:
            continue
        path = reference.fetch(**how)
        # Loaded again its hash is known; its statistics are read, and so checked.
        holds = load(name, home).statistics.holds
        every = [load(name, home, extractor) for extractor in holds]
        dims = " and ".join(str(len(each.mean)) for each in every)
        structure = f"mean and covariance of {dims} features"
        known = "published" if artefact.sha256 else "of the first download"
        rows.append(_row(name, path, every[0].sha256, known, structure))
    return rows


def _released(entry: Checkpoint, path: Path) -> dict[str, object]:
    """The row of a checkpoint's file."""
    from samplebench.checkpoints.local import digest

    unknown = "of its first use" if entry.published_at else "of this file"
    known_as = "published" if entry.sha256 else unknown
    structure = "as released" if entry.structure else "by its own arguments"
    return _row(entry.id, path, digest(entry), known_as, structure)


def _row(name: str, path: Path, digest: str, known: str, structure: str) -> dict[str, object]:
    return {
        "id": name,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "hash": known,
        "structure": structure,
        "path": str(path),
    }
