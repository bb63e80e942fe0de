"""The real images of `--from-data`: a set on disk, or the digits that no network was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samplebench.bench.start_images import StartImages
from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import InputError, UsageError
from samplebench.files.archives import Arrays, Unreadable
from samplebench.files.atomic import expanded
from samplebench.files.places import FOLDER, NOTHING, what
from samplebench.image_sets import ImageSet, read
from samplebench.image_sets.image_set import batch_size
from samplebench.scoring.rows import Rows

# The held-out digits; a folder of that name is ./digits.
DIGITS = "digits"
# Where an .npz has labels: as here, or as OpenAI's files of samples.
_LABELS = ("labels", "arr_1")


@dataclass(frozen=True)
class RealImages:
    """A set of real images with what is known of their classes.

    Attributes:
        labels: int64 [count]; None where they are not known.
    """

    images: ImageSet
    labels: np.ndarray | None

    def chosen(self, number: int) -> StartImages:
        """Those from which so many samples start: all, or as many, evenly over the set.

        A set may be sorted by class, so that its first images would be no sample of it.

        Raises:
            InputError: an image cannot be read, or their sizes differ.
            EnvironmentError_: there is no room for them.
        """
        count = self.images.count
        places = np.arange(min(number, count)) * count // min(number, count)
        rows, shape, first = None, (0, 0, 0), 0
        for batch in self.images.batches():
            shape = batch.shape[1:]
            if rows is None:
                rows = Rows(len(places), int(np.prod(shape)), np.uint8)
            wanted = places[(places >= first) & (places < first + len(batch))] - first
            rows.add(batch[wanted].reshape(len(wanted), int(np.prod(shape))))
            first += len(batch)
        assert rows is not None
        pixels = rows.whole().reshape(len(places), *shape)
        labels = None if self.labels is None else self.labels[places]
        return StartImages(self.images.description, pixels, labels)

    def notes(self, number: int) -> tuple[str, ...]:
        """What is to be known where there are more or fewer samples than images, a line each."""
        count, called = self.images.count, self.images.description
        if number > count:
            return (
                f"N = {number:,} samples start from {called}: sample i from image i mod {count:,}, "
                "so that error bars are of their noise and too small for other images",
            )
        if number < count:
            return (f"{number:,} of {called}, evenly over the set, are started from",)
        return ()


def real_images(word: str, *, quiet: bool = True) -> RealImages:
    """The images that a word names; their headers are read, not yet the images.

    Args:
        word: "digits" for the 360 that no embedded network was trained on, or the path of a
            folder, zip, npy or npz of images; an .npz may have their labels.
        quiet: no progress.

    Raises:
        UsageError: nothing is there.
        InputError: it is no set of images, or has fewer than 2.
    """
    if word == DIGITS:
        return _held_out()
    path = expanded(word)
    if what(path) == NOTHING:
        raise UsageError(
            f"--from-data {word}: no such file or folder; give images as a folder, zip or npz, or "
            f"the word '{DIGITS}'"
        )
    images = read(path, quiet=quiet)
    if images.count < 2:
        raise InputError(f"{images.description}: a score needs at least 2 images")
    return RealImages(images, _labels(path, images.count))


def _held_out() -> RealImages:
    digits, labels = load_digits()
    held_out = held_out_digits()
    pixels = digits[held_out]

    def batches() -> Iterator[np.ndarray]:
        size = batch_size(pixels.shape[1:])
        return (pixels[first : first + size] for first in range(0, len(pixels), size))

    text = f"{len(pixels)} held-out digits"
    return RealImages(ImageSet(text, len(pixels), batches), labels[held_out])


def _labels(path: Path, count: int) -> np.ndarray | None:
    """The labels that stand beside an .npz's images, int64 [count]; None where there are none.

    Raises:
        InputError: what is called so is none.
    """
    if what(path) == FOLDER or path.suffix != ".npz":
        return None
    try:
        arrays = Arrays(path)
        key = next((key for key in _LABELS if key in arrays.keys), None)
        if key is None:
            return None
        stored = arrays[key]
        if stored.dtype.kind not in "iu" or stored.shape != (count,):
            raise InputError(
                f"{path}: {key} is {stored.text}; whole numbers [{count}], one for each image, are "
                "needed"
            )
        return stored.whole().astype(np.int64)
    except Unreadable as error:
        raise InputError(f"{path} cannot be read: {error}") from None
