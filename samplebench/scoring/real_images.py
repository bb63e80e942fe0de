"""Real images that a word names: a set on disk, or the digits that no network was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import InputError, UsageError
from samplebench.files.atomic import expanded
from samplebench.files.places import NOTHING, what
from samplebench.image_sets import ImageSet, read
from samplebench.image_sets.classes import Classes, classes_at
from samplebench.image_sets.image_set import batch_size
from samplebench.scoring.rows import Rows

# The held-out digits; a folder of that name is ./digits.
DIGITS = "digits"
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class RealImages:
    """A set of real images, and what is known of their classes.

    Attributes:
        word: that named them.
        classes: reads the class of each; raises `InputError` where labels are damaged.
    """

    word: str
    images: ImageSet
    classes: Callable[[], Classes]

    @property
    def count(self) -> int:
        return self.images.count

    def at(
        self, places: np.ndarray, seen: Callable[[np.ndarray], None] = lambda batch: None
    ) -> np.ndarray:
        """The images at increasing places, uint8 [n, C, H, W], which may be mapped from a file.

        Args:
            seen: is told every batch of the set, in order.

        Raises:
            InputError: an image cannot be read, or their sizes differ.
            EnvironmentError_: there is no room for them.
        """
        rows, shape, first = None, (0, 0, 0), 0
        for batch in self.images.batches():
            seen(batch)
            shape = batch.shape[1:]
            if rows is None:
                rows = Rows(len(places), int(np.prod(shape)), np.uint8)
            wanted = places[(places >= first) & (places < first + len(batch))] - first
            rows.add(batch[wanted].reshape(len(wanted), int(np.prod(shape))))
            first += len(batch)
        assert rows is not None
        return rows.whole().reshape(len(places), *shape)


def spread(count: int) -> np.ndarray:
    """The places of a set in an order whose first N lie evenly over it, whatever N, int64 [count].

    By the fraction of their golden multiples. A set may be sorted by class, or repeat with a
    period: its first N images, or every k-th, would be no sample of it.
    """
    order: np.ndarray = np.argsort(np.arange(count) * _GOLDEN % 1, kind="stable")
    return order


def real_images(word: str, flag: str, *, quiet: bool = True) -> RealImages:
    """The images that a word names; their headers are read, not yet the images or labels.

    Args:
        word: "digits" for the 360 that no embedded network was trained on, or the path of a
            folder, zip, npy or npz of images.
        flag: that has the word, for messages.
        quiet: no progress.

    Raises:
        UsageError: nothing is there.
        InputError: it is no set of images, or has fewer than 2.
    """
    if word == DIGITS:
        return _held_out()
    path = expanded(word)
    if not word.strip() or what(path) == NOTHING:
        raise UsageError(
            f"{flag} {word}: no such file or folder; give images as a folder, zip or npz, or the "
            f"word '{DIGITS}'"
        )
    images = read(path, quiet=quiet)
    if images.count < 2:
        raise InputError(f"{flag} {word} holds one image, which leaves no standard error; give 2")
    return RealImages(word, images, partial(classes_at, path, images.count))


def _held_out() -> RealImages:
    digits, labels = load_digits()
    held_out = held_out_digits()
    pixels = digits[held_out]

    def batches() -> Iterator[np.ndarray]:
        size = batch_size(pixels.shape[1:])
        return (pixels[first : first + size] for first in range(0, len(pixels), size))

    images = ImageSet(f"{len(pixels)} held-out digits", len(pixels), batches)
    return RealImages(DIGITS, images, lambda: Classes(labels[held_out], "those of the digits"))
