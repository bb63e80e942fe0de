"""Features that further extractors make of the images that were kept of a finished cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from samplebench.answers.blame import Failed
from samplebench.bench.loaded import LoadedExtractor
from samplebench.bench.scores import Kind, keep_statistics
from samplebench.metrics.blocks import Blocked, BlockedRows
from samplebench.metrics.moments import BlockedMoments
from samplebench.results.record import Conditions
from samplebench.results.store import Store
from samplebench.ticker import bar


@dataclass(frozen=True)
class Remade:
    """What extractors make of a cell's kept images.

    Attributes:
        statistics: by extractor and kind, and reasons why the same images give others, each a line.
        failed: why an extractor's features are none, by its key.
    """

    statistics: Mapping[Kind, tuple[Blocked, list[str]]]
    failed: Mapping[str, str]


def remade(
    store: Store,
    cell: str,
    extractors: Sequence[LoadedExtractor],
    conditions: Conditions,
    *,
    quiet: bool = True,
) -> Remade:
    """Statistics of kept images, in one pass over them; kept as those of the other extractors.

    Args:
        conditions: of the cell; images come in blocks as when they were sampled.
        quiet: no progress.

    Raises:
        Damaged: the images are not what was written.
        UsageError: an extractor of others fails or answers wrongly.
    """
    statistics, failed = dict[Kind, tuple[Blocked, list[str]]](), dict[str, str]()
    doubts = {one.key: dict[str, None]() for one in extractors}
    images, block = store.kept.images(cell), conditions["block"]
    rows = {
        one.key: store.rows(cell, f"{one.key}.made", (one.dim,), np.float64) for one in extractors
    }
    names = ", ".join(one.name for one in extractors)
    title = f"{names} features of {conditions['model']} {conditions['sampler']}"
    try:
        with bar(len(images), title, "image", quiet) as advance:
            for first in range(0, len(images), block):
                part, seed = images[first : first + block], conditions["seed"] + first
                batch = _filled(part, block)
                for one in extractors:
                    if one.key in failed:
                        continue
                    try:
                        found = one.features_of(batch, len(part), seed, doubts[one.key])
                        rows[one.key].write(first, found)
                    except Failed as failure:
                        failed[one.key] = str(failure)
                advance(len(part))
        for one in extractors:
            if one.key in failed:
                continue
            made, own = rows[one.key].mapped(len(images)), list(doubts[one.key])
            moments = BlockedMoments.of(made)
            keep_statistics(store, cell, one, moments, made, own)
            statistics[one.key, "moments"] = moments, own
            kept = BlockedRows(store.kept.features(cell, one.key))
            statistics[one.key, "features"] = kept, own
    finally:
        for file in rows.values():
            file.drop()
    return Remade(statistics, failed)


def _filled(images: np.ndarray, block: int) -> torch.Tensor:
    """uint8 images [n, H, W, C] as a batch [B, C, H, W], filled up to a whole block."""
    filled = np.zeros((block, *images.shape[1:]), np.uint8)
    filled[: len(images)] = images
    return torch.from_numpy(filled).permute(0, 3, 1, 2).contiguous()
