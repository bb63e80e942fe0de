"""What every set of images is, wherever it lies: counted, of one shape, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

_BATCH = 64
# Larger images come in smaller batches than 64.
_BYTES = 256 << 20
# 4096 x 4096: no extractor sees more, and a small file can claim any size.
MAX_PIXELS = 1 << 24


def batch_size(shape: tuple[int, ...]) -> int:
    """How many images [C, H, W] are in memory at a time."""
    return max(1, min(_BATCH, _BYTES // int(np.prod(shape))))


@dataclass(frozen=True)
class ImageSet:
    """uint8 images of one shape, never all in memory at once.

    Attributes:
        description: in words, for the reference made of them.
        count: number of images.
        batches: yields uint8 arrays [n, C, H, W] in a fixed order.
        notes: what was left out or converted, a line each.
    """

    description: str
    count: int
    batches: Callable[[], Iterator[np.ndarray]]
    notes: tuple[str, ...] = ()
