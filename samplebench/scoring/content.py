"""What images are, wherever they lie: a hash over what they decode to."""

from __future__ import annotations

import hashlib

import numpy as np

from samplebench.image_sets import ImageSet


class Content:
    """A hash over images that come in batches.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._hash = hashlib.sha256()

    def add(self, batch: np.ndarray) -> None:
        """The next images, uint8 [n, C, H, W]."""
        if self._count:
            self._hash.update(f"uint8 {[self._count, *batch.shape[1:]]}\n".encode())
            self._count = 0
        self._hash.update(np.ascontiguousarray(batch).data)

    @property
    def sha256(self) -> str:
        """Over shape and values, in hex."""
        return self._hash.hexdigest()


def content_of(images: ImageSet) -> str:
    """SHA-256 over shape and values of all images in order."""
    content = Content(images.count)
    for batch in images.batches():
        content.add(batch)
    return content.sha256
