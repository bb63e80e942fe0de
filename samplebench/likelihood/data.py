"""The images whose likelihood is asked: read, counted, labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samplebench.embedded import held_out_digits, load_digits
from samplebench.errors import InputError, UsageError
from samplebench.files.atomic import expanded
from samplebench.image_sets import ImageSet, read
from samplebench.likelihood.classes import Classes, checked_classes, classes_at
from samplebench.results.cell import hash_of
from samplebench.scoring.content import Content

# The embedded digits that the embedded networks were not trained on.
DIGITS = "digits"


@dataclass(frozen=True)
class LabelledImages:
    """Images in the order of their set, the first of them where fewer are asked for.

    Attributes:
        name: the set, in words.
        images: uint8 [N, C, H, W].
        labels: int64 [N]; None where none are used.
        classes: where the labels are from, or why there are none.
        of: how many the set has.
        sha256, labels_sha256: of all of its images, by what they decode to, and of all labels.
        notes: what was left out or converted, a line each.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: str
    of: int
    sha256: str
    labels_sha256: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def said(self) -> str:
        """Which they are, in words."""
        part = "" if self.count == self.of else f"the first {self.count:,} of "
        return part + self.name

    @property
    def dim(self) -> int:
        """Entries of an image."""
        return int(np.prod(self.images.shape[1:]))


@dataclass(frozen=True)
class Fitting:
    """What images must be like for a model.

    Attributes:
        model: its name.
        shape: (C, H, W).
        num_classes: 0 for an unconditional model.
        optional: whether it answers without labels, too.
        labels: "data", "none", or None for those of the data where the model has classes.
    """

    model: str
    shape: tuple[int, int, int]
    num_classes: int
    optional: bool
    labels: str | None


def images_of(source: str, fit: Fitting, count: int | None, quiet: bool) -> LabelledImages:
    """Reads images, the first `count` of them or all.

    Args:
        source: "digits", or a folder, zip, npy or npz of images.
        quiet: no progress.

    Raises:
        InputError: they cannot be read, are of another shape, or fewer.
        UsageError: labels are missing where the model needs them, or given where it has none.
    """
    if source == DIGITS:
        images = _embedded()
    else:
        images = read(expanded(source), quiet=quiet)
    if count is not None and count > images.count:
        raise InputError(
            f"--num-samples {count:,}: {source} holds {images.count:,} images; leave it out for all"
        )
    # Before all are read: what does not fit is told at once.
    _check_shape(next(iter(images.batches())).shape[1:], source, fit)
    labels, classes = _labels(source, images.count, fit)
    content, parts = Content(images.count), list[np.ndarray]()
    left = images.count if count is None else count
    for batch in images.batches():
        content.add(batch)
        if left > 0:
            parts.append(batch[:left])
            left -= len(parts[-1])
    pixels = np.concatenate(parts)
    return LabelledImages(
        name=images.description,
        images=pixels,
        labels=None if labels is None else labels[: len(pixels)],
        classes=classes,
        of=images.count,
        sha256=content.sha256,
        labels_sha256=None if labels is None else hash_of({"labels": labels.tolist()}),
        notes=images.notes,
    )


def _embedded() -> ImageSet:
    pixels = load_digits()[0][held_out_digits()]
    return ImageSet(f"{len(pixels)} held-out digits", len(pixels), lambda: iter([pixels]))


def _check_shape(shape: Sequence[int], source: str, fit: Fitting) -> None:
    if tuple(shape) == fit.shape:
        return
    has, wants = ("x".join(map(str, each)) for each in (shape, fit.shape))
    if tuple(shape[1:]) == fit.shape[1:]:
        step = "save them in grey" if fit.shape[0] == 1 else "save them in RGB"
    else:
        step = "resize them as its training images were"
    raise InputError(
        f"images of {source} are {has} (channels, height, width), and model {fit.model} is of "
        f"{wants}; {step}, or name a model of theirs"
    )


def _labels(source: str, count: int, fit: Fitting) -> Classes:
    """As the rule has it: a conditional model is asked with the labels of the data."""
    if not fit.num_classes:
        if fit.labels == "data":
            raise UsageError(f"--labels data: model {fit.model} has no classes; leave it out")
        return None, "none, the model has no classes"
    found: Classes = (None, "none, as asked for")
    if fit.labels == "none" and not fit.optional:
        raise UsageError(
            f"--labels none: model {fit.model} is class-conditional and answers with labels alone"
        )
    if fit.labels != "none":
        if source == DIGITS:
            labels = load_digits()[1][held_out_digits()]
            found = checked_classes(labels, fit.num_classes, "those of the digits")
        else:
            found = classes_at(expanded(source), count, fit.num_classes)
    missing = found[0] is None and fit.labels != "none"
    if missing and (fit.labels == "data" or not fit.optional):
        can = f" or ask model {fit.model} without them, --labels none" if fit.optional else ""
        raise UsageError(
            f"model {fit.model} is class-conditional, and its labels are missing: {found[1]}; give "
            f"images with labels, e.g. an .npz with arr_0 and arr_1{can}"
        )
    return found
