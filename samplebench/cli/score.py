"""`samplebench score`: metrics of images that exist already, a sweep's or others'."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.cli.common import (
    command,
    decide,
    output_flags,
    print_json,
    print_table,
    say,
    writing,
)
from samplebench.errors import UsageError
from samplebench.files.atomic import expanded

if TYPE_CHECKING:
    from samplebench.image_sets import ImageSet
    from samplebench.scoring.images import ImageScore
    from samplebench.scoring.measure import Measure

_EXAMPLES = """
samplebench score reports/digits-exact --metric fd-digits --reference digits
samplebench score reports/mine --metric fd-pixels --reference real/folder real.npz
samplebench score --images my/folder --reference digits --metric fd-digits
samplebench score --images mine.npz --reference real.zip --metric fd-pixels --json
samplebench score --images mine.npz --reference real.zip edm-cifar10-32x32 --metric fid,fd-pixels
"""


def add(commands: Any) -> None:
    text = "compute metrics of finished cells or of image files, without sampling"
    parser = command(commands, "score", main, text, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", nargs="?", help="results folder of 'samplebench run'")
    parser.add_argument(
        "--images", metavar="PATH", help="folder or zip of images, or .npz / .npy of uint8"
    )
    parser.add_argument(
        "--metric", metavar="NAME,...", help="metrics, see 'samplebench list metrics'"
    )
    parser.add_argument(
        "--reference", metavar="R", nargs="+", action="extend", default=[],
        help="references: ids or files of statistics, or images as above (default: that of a "
        "cell's model)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoints", metavar="FILE.toml", help="file with further models, as for run"
    )
    parser.add_argument(
        "--device", metavar="D", help="cuda, mps or cpu (default: the best available)"
    )
    parser.add_argument("--offline", action="store_true", help="open no connection")
    output_flags(parser)


def main(args: argparse.Namespace) -> int:
    from samplebench.scoring.references import sources_of

    if (args.dir is None) == (args.images is None):
        raise UsageError(
            "score needs either a results folder or --images PATH, e.g. samplebench score "
            "reports/digits-exact --metric fd-digits"
        )
    names = tuple(name.strip() for name in (args.metric or "").split(",") if name.strip())
    sources = sources_of(args.reference)
    if args.images is not None:
        return _score_images(args, names, sources)
    if not names:
        raise UsageError(f"score {args.dir} needs --metric NAME, e.g. --metric fd-digits")
    return _score_folder(args, names, sources)


def _score_folder(
    args: argparse.Namespace, names: tuple[str, ...], sources: tuple[str, ...]
) -> int:
    """Further scores of a folder's finished cells."""
    from samplebench.results.store import Store

    store = Store(Path(args.dir), create=False)
    from samplebench.api import failures
    from samplebench.bench.progress import Progress
    from samplebench.bench.rescore import Wanted, rescore
    from samplebench.devices import resolve_device
    from samplebench.report import write_report
    from samplebench.report.terminal import view_text
    from samplebench.results.tables import to_json

    device = resolve_device(args.device)
    wanted = Wanted(names, sources, args.checkpoints, device, args.offline)
    with writing(store.out), store.locked():
        done = rescore(store, wanted, Progress(args.quiet), quiet=args.quiet)
        write_report(store.view(), store.out)
    view = store.view(done.rows)
    complaint, lost = done.complaint(store.out), failures(view)
    decide(args, 2 if complaint else int(bool(lost)))
    print(to_json(view.rows) if args.json else view_text(view))
    if not args.quiet and not args.json:
        print(f"\nreport: {store.out / 'report.html'}")
    for line in lost:
        say(f"samplebench: failed: {line}")
    if complaint:
        say(f"samplebench: error: {complaint}")
    return int(args.verdict)


def _score_images(
    args: argparse.Namespace, names: tuple[str, ...], sources: tuple[str, ...]
) -> int:
    """Scores of images made elsewhere."""
    from samplebench.scoring.measure import measures

    if not names or not (sources or _compare_with_nothing(names)):
        raise UsageError(
            "score --images needs --metric NAME and --reference R, e.g. --metric fd-pixels "
            "--reference real/folder"
        )
    # Names first: a typo is told before images are read.
    asked = measures(names, sources, device=args.device)

    from samplebench.devices import resolve_device
    from samplebench.image_sets import read
    from samplebench.references.files import beside_images
    from samplebench.scoring.images import score_images
    from samplebench.scoring.measure import ready

    resolve_device(args.device)
    source = expanded(args.images)
    images = read(source, quiet=args.quiet)
    here = ready(asked, offline=args.offline, quiet=args.quiet)
    if not args.quiet:
        for note in (*beside_images(source), *_notes(images, here)):
            say(f"note: {note}")
    found = score_images(images, here, device=args.device, quiet=args.quiet)
    if not args.quiet:
        for doubt in dict.fromkeys(doubt for each in found for doubt in each.doubts):
            say(f"note: {doubt}")
    lost = [each.failed for each in found if each.failed is not None]
    decide(args, int(bool(lost)))
    _print(images, found, args.json)
    for failure in lost:
        say(f"samplebench: failed: {failure}")
    return int(args.verdict)


def _compare_with_nothing(names: Iterable[str]) -> bool:
    """Whether these metrics need no reference."""
    from samplebench.registry import metrics
    from samplebench.registry.entry import NOTHING

    return all(metrics.entry(name).against == NOTHING for name in names)


def _notes(images: ImageSet, found: Iterable[Measure]) -> dict[str, None]:
    """What the user should know of images and references, a line each."""
    from samplebench.metrics.infinity import subset_notes
    from samplebench.metrics.moments import rank_note

    found, notes = list(found), list(images.notes)
    for reference in (each.reference for each in found if each.metric.against == "moments"):
        notes += rank_note(images.description, images.count, reference.feature_dim)
        name = f"reference {reference.id}"
        notes += rank_note(name, reference.num_images, reference.feature_dim)
    for each in found:
        notes += subset_notes(each.metric, images.count, each.reference.feature_dim)
    return dict.fromkeys(notes)


def _print(images: ImageSet, found: Sequence[ImageScore], as_json: bool) -> None:
    """Value, standard error, N, protocol, reference and extractor of every score."""
    from samplebench.scoring.images import PROTOCOL

    if as_json:
        rows = [
            {
                "images": images.description,
                "metric": each.measure.metric.name,
                "value": each.value["value"],
                "stderr": each.value["stderr"],
                "terms": each.terms,
                "num_samples": each.count,
                "protocol": PROTOCOL,
                "reference": each.measure.reference.id,
                "reference_sha256": each.measure.reference.sha256,
                "extractor": each.measure.extractor,
                "deleted": each.value.get("deleted", []),
                **({} if each.failed is None else {"failed": str(each.failed)}),
            }
            for each in found
        ]
        print_json(rows)
        return
    table = [
        {
            "metric": each.measure.metric.name,
            "value": "" if each.value["value"] is None else f"{each.value['value']:.6g}",
            "stderr": "" if each.value["stderr"] is None else f"{each.value['stderr']:.2g}",
            "N": each.count,
            "protocol": PROTOCOL,
            "reference": each.measure.label,
            "extractor": each.measure.extractor,
        }
        for each in found
    ]
    print_table(table, False)
