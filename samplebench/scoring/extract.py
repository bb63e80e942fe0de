"""Extractors over a set of images, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.blame import Failed, blame
from samplebench.answers.draws import watched_generators
from samplebench.answers.memory import memory_of
from samplebench.devices import resolve_device
from samplebench.errors import InputError, UsageError
from samplebench.features.judged import features, watched_extractor
from samplebench.image_sets import ImageSet
from samplebench.metrics.moments import Moments
from samplebench.registry import extractors
from samplebench.scoring.content import Content
from samplebench.scoring.rows import Rows
from samplebench.ticker import bar

if TYPE_CHECKING:
    import torch

# Raised when a change of samplebench's own extractors or metrics changes values: scores, and cached
# statistics of images, are then made anew.
SCORING = 2
# Images uint8 [n, C, H, W], and their features of each extractor, float64 [n, D].
Take = Callable[[np.ndarray, list[np.ndarray]], None]


def extract(
    images: ImageSet,
    extractors: Sequence[Any],
    take: Take,
    *,
    device: Any = None,
    quiet: bool = False,
) -> list[tuple[str, ...]]:
    """Hands every batch of images and its features on, in order; the images are read once.

    Args:
        extractors: each callable on uint8 [N, C, H, W], with feature_dim.
        take: is given them.
        device: that the extractors were made for, by name; None for the best there is.
        quiet: no progress.

    Returns:
        Of each extractor lines on what makes its features irreproducible.

    Raises:
        InputError: fewer than 2 images, or an extractor fails on them or returns something else
            than a row of finite numbers for each.
        EnvironmentError_: memory ran out.
    """
    enough(images)
    where, first = resolve_device(device), 0
    doubts = [dict[str, None]() for _ in extractors]
    with (
        watched_generators(0, where),
        memory_of(where, "free some memory, or use --device cpu"),
        bar(images.count, images.description, "image", quiet) as advance,
    ):
        for batch in images.batches():
            found = []
            for extractor, own in zip(extractors, doubts, strict=True):
                try:
                    found.append(_features(extractor, batch, first, where, own))
                except (Failed, UsageError) as error:
                    raise InputError(f"{images.description}: {error}") from None
            take(batch, found)
            advance(len(batch))
            first += len(batch)
    return [tuple(own) for own in doubts]


def _features(
    extractor: Any, batch: np.ndarray, first: int, device: torch.device, doubts: dict[str, None]
) -> np.ndarray:
    """Features of uint8 images [n, C, H, W], the first of which is image `first`."""
    import torch

    name = getattr(extractor, "name", type(extractor).__name__)

    def doubt(text: str) -> None:
        doubts.setdefault(f"{text}: the same images give other features")

    with watched_extractor(name, extractor, first, device, doubt):
        given = torch.from_numpy(batch)
        return features(extractor, given, name, extractor.feature_dim, len(batch))


@dataclass(frozen=True)
class Extracted:
    """The statistics of a set of images.

    Attributes:
        moments: of the features.
        rows: the features themselves as they are kept, float32 [N, D]; None where not asked for.
        content: SHA-256 over shape and values of the images, wherever they lie.
        doubts: lines on what makes them irreproducible.
    """

    moments: Moments
    rows: np.ndarray | None
    content: str
    doubts: tuple[str, ...]


def statistics_of(
    images: ImageSet,
    wanted: Sequence[tuple[Any, bool]],
    *,
    device: Any = None,
    quiet: bool = False,
) -> list[Extracted]:
    """Statistics of each extractor's features over all images, in one pass; see `extract`.

    Args:
        wanted: extractors, and whether the features themselves are kept.
    """
    content = Content(images.count)
    moments = [Moments.zeros(extractor.feature_dim) for extractor, _ in wanted]
    kept = [
        Rows(images.count, extractor.feature_dim, np.float32) if rows else None
        for extractor, rows in wanted
    ]

    def take(batch: np.ndarray, found: list[np.ndarray]) -> None:
        content.add(batch)
        for own, sums, rows in zip(found, moments, kept, strict=True):
            sums.add(own)
            if rows is not None:
                rows.add(own)

    extractors = [extractor for extractor, _ in wanted]
    doubts = extract(images, extractors, take, device=device, quiet=quiet)
    return [
        Extracted(sums, None if rows is None else rows.whole(), content.sha256, lines)
        for sums, rows, lines in zip(moments, kept, doubts, strict=True)
    ]


def enough(images: ImageSet) -> None:
    """Raises `InputError` for a set that has no covariance."""
    if images.count < 2:
        raise InputError(f"{images.description}: statistics need at least 2 images")


def fetch_extractor(name: str, *, offline: bool, quiet: bool) -> Path | None:
    """The verified file that an extractor needs; None where it needs none.

    Raises:
        EnvironmentError_: it cannot be fetched, or a library is not installed.
        InputError: it is not the released file.
    """
    extractor = extractors.get(name)
    if not hasattr(extractor, "fetch"):
        return None
    with blame(f"extractor {name}", extractor):
        path: Path = extractor.fetch(offline=offline, quiet=quiet)
    return path
