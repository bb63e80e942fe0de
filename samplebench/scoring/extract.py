"""An extractor over a set of images, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.answers.blame import Failed, blame, ours
from samplebench.answers.draws import watched_generators
from samplebench.answers.memory import memory_of
from samplebench.devices import resolve_device
from samplebench.errors import InputError, UsageError
from samplebench.features.judged import features
from samplebench.image_sets import ImageSet
from samplebench.metrics.moments import Moments
from samplebench.registry import extractors
from samplebench.scoring.content import Content
from samplebench.scoring.rows import Rows
from samplebench.ticker import bar

# Raised when a change of samplebench's own extractors or metrics changes values: scores, and cached
# statistics of images, are then made anew.
SCORING = 2
# Images uint8 [n, C, H, W] and their features float64 [n, D].
Take = Callable[[np.ndarray, np.ndarray], None]


def extract(
    images: ImageSet, extractor: Any, take: Take, *, device: Any = None, quiet: bool = False
) -> tuple[str, ...]:
    """Hands every batch of images and its features on, in order.

    Args:
        extractor: callable on uint8 [N, C, H, W], with feature_dim.
        take: is given them.
        device: that the extractor was made for, by name; None for the best there is.
        quiet: no progress.

    Returns:
        Lines on what makes the features irreproducible.

    Raises:
        InputError: fewer than 2 images, or the extractor fails on them or returns something else
            than a row of finite numbers for each.
        EnvironmentError_: memory ran out.
    """
    import torch

    enough(images)
    dim, name = extractor.feature_dim, getattr(extractor, "name", type(extractor).__name__)
    where = resolve_device(device)
    with (
        watched_generators(0, where) as draws,
        memory_of(where, "free some, or take --device cpu"),
        bar(images.count, images.description, "image", quiet) as advance,
    ):
        for batch in images.batches():
            try:
                rows = features(extractor, torch.from_numpy(batch), name, dim, len(batch))
            except (Failed, UsageError) as error:
                raise InputError(f"{images.description}: {error}") from None
            take(batch, rows)
            advance(len(batch))
    if draws.of and not ours(extractor):
        return (f"extractor {name} draws from {draws}: the same images give other features",)
    return ()


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
    extractor: Any,
    *,
    rows: bool = False,
    device: Any = None,
    quiet: bool = False,
) -> Extracted:
    """Statistics of an extractor's features over all images; see `extract`."""
    dim, content = extractor.feature_dim, Content(images.count)
    moments = Moments.zeros(dim)
    kept = Rows(images.count, dim, np.float32) if rows else None

    def take(batch: np.ndarray, found: np.ndarray) -> None:
        content.add(batch)
        moments.add(found)
        if kept is not None:
            kept.add(found)

    doubts = extract(images, extractor, take, device=device, quiet=quiet)
    whole = None if kept is None else kept.whole()
    return Extracted(moments, whole, content.sha256, doubts)


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
