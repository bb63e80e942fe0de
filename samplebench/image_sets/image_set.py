"""What every set of images is, wherever it lies: counted, of one shape, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.errors import InputError, UsageError
from samplebench.features.judged import features
from samplebench.metrics.moments import Moments
from samplebench.ticker import bar

if TYPE_CHECKING:
    from torch import Tensor

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

    def moments(self, extractor: Callable[[Tensor], Tensor], *, quiet: bool = False) -> Moments:
        """Moments of an extractor's features over all images.

        Raises:
            InputError: fewer than 2 images, or the extractor fails on them or returns something
                else than a row of finite numbers for each.
        """
        import torch

        if self.count < 2:
            raise InputError(f"{self.description}: statistics need at least 2 images")
        dim: int = extractor.feature_dim  # type: ignore[attr-defined]
        total, name = Moments.zeros(dim), getattr(extractor, "name", type(extractor).__name__)
        with bar(self.count, self.description, "image", quiet) as advance:
            for batch in self.batches():
                images = torch.from_numpy(batch)
                try:
                    total.add(features(extractor, images, name, dim, len(images)))
                except (Failed, UsageError) as error:
                    raise InputError(f"{self.description}: {error}") from None
                advance(len(batch))
        return total
