"""The images whose likelihood is asked: read, counted, labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samplebench.errors import InputError, UsageError
from samplebench.image_sets.classes import Classes
from samplebench.results.cell import hash_of
from samplebench.scoring.content import Content
from samplebench.scoring.real_images import RealImages, real_images, spread


@dataclass(frozen=True)
class LabelledImages:
    """Images in the order of their set, spread over it where fewer are asked for.

    Attributes:
        name: the set, in words.
        images: uint8 [N, C, H, W], which may be mapped from a file.
        places: of each in its set, int64 [N], increasing.
        order: int64 [N], which comes first: of more images the first ones are these.
        labels: int64 [N]; None where none are used.
        classes: where the labels are from, or why there are none.
        of: how many the set has.
        sha256, labels_sha256: of all of its images, by what they decode to, and of all labels.
        notes: what was left out or converted, a line each.
    """

    name: str
    images: np.ndarray
    places: np.ndarray
    order: np.ndarray
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
        part = "" if self.count == self.of else f"{self.count:,} of "
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
    """Reads images, so many of them or all.

    Args:
        source: "digits", or a folder, zip, npy or npz of images.
        quiet: no progress.

    Raises:
        InputError: they cannot be read, are of another shape, or fewer.
        UsageError: nothing is there, or labels are missing where the model needs them, or given
            where it has none.
    """
    real = real_images(source, "--data", quiet=quiet)
    images = real.images
    if count is not None and count > real.count:
        raise InputError(
            f"--num-samples {count:,}: {source} holds {real.count:,} images; leave it out for all"
        )
    # Before all are read: what does not fit is told at once.
    _check_shape(next(iter(images.batches())).shape[1:], source, fit)
    found = _labels(real, fit)
    chosen = spread(real.count)[:count]
    places, content = np.sort(chosen), Content(real.count)
    pixels = real.at(places, content.add)
    labels = found.labels
    return LabelledImages(
        name=images.description,
        images=pixels,
        places=places,
        order=np.searchsorted(places, chosen),
        labels=found.at(places).labels,
        classes=found.said,
        of=real.count,
        sha256=content.sha256,
        labels_sha256=None if labels is None else hash_of({"labels": labels.tolist()}),
        notes=images.notes,
    )


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
        f"{wants}; {step}, or use a model of that size"
    )


def _labels(real: RealImages, fit: Fitting) -> Classes:
    """As the rule has it: a conditional model is asked with the labels of the data."""
    if not fit.num_classes:
        if fit.labels == "data":
            raise UsageError(f"--labels data: model {fit.model} has no classes; leave it out")
        return Classes(None, "none, because the model has no classes")
    if fit.labels == "none":
        if not fit.optional:
            raise UsageError(
                f"--labels none: model {fit.model} is class-conditional and needs labels; leave it "
                "out"
            )
        return Classes(None, "none, as requested")
    found = real.classes().of(fit.num_classes)
    if found.labels is None and (fit.labels == "data" or not fit.optional):
        can = f" or run model {fit.model} without them, --labels none" if fit.optional else ""
        raise UsageError(
            f"model {fit.model} is class-conditional, and its labels are missing: {found.said}; "
            f"give images with labels, e.g. an .npz with arr_0 and arr_1{can}"
        )
    return found
