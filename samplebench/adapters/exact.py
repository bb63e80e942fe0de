"""Exact denoisers: the posterior mean under the kernel density of a set of images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import InputError
from samplebench.files.archives import Arrays
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samplebench.models.model import Model


@adapters.register("exact", labels_optional=True, precisions=("float64", "float32"), exact=True)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The kernel density of an archive of uint8 `images` [K, C, H, W] with `labels` [K]."""
    from samplebench.models.exact import ExactModel

    return ExactModel(*density(path, config, device, dtype))


def density(
    path: Path, config: Mapping[str, Any], device: torch.device, dtype: torch.dtype | None
) -> tuple[Tensor, Tensor | None, float]:
    """Images in [-1, 1], their classes if it is conditional, and the bandwidth.

    Raises:
        InputError: the file is no such archive, or config has no bandwidth above 0.
    """
    import torch

    bandwidth: Any = config.get("bandwidth")
    conditional = config.get("conditional", True)
    number = isinstance(bandwidth, int | float) and not isinstance(bandwidth, bool)
    if not (number and 0 < bandwidth < math.inf):
        raise InputError(f"{path}: config has bandwidth {bandwidth!r}; it is a number above 0")
    if not isinstance(conditional, bool):
        raise InputError(f"{path}: config has conditional {conditional!r}; it is true or false")
    try:
        images, labels = _arrays(path, conditional)
    except ValueError as error:
        raise InputError(
            f"{path} is not an archive of an exact model ({error}); it holds uint8 images "
            "[K, C, H, W] and labels [K]"
        ) from None
    precision = dtype or torch.float64
    pixels = (torch.from_numpy(images).to(torch.float64) / 127.5 - 1).to(device, precision)
    classes = None if labels is None else torch.from_numpy(labels).to(device)
    return pixels, classes, float(bandwidth)


def _arrays(path: Path, conditional: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Raises ValueError where they are not images and the class of each."""
    arrays = Arrays(path)
    if missing := [key for key in ("images", "labels") if key not in arrays.keys]:
        raise ValueError(f"it has {arrays.named()}, no {' and no '.join(missing)}")
    pixels, classes = arrays["images"], arrays["labels"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or 0 in pixels.shape:
        raise ValueError(f"images are {pixels.text}")
    if not conditional:
        return pixels.whole(), None
    if classes.dtype.kind not in "iu" or classes.shape != pixels.shape[:1]:
        raise ValueError(f"{pixels.shape[0]} images, and labels are {classes.text}")
    labels = classes.whole().astype(np.int64)
    found = np.unique(labels)
    # A class without an image has no density.
    if not np.array_equal(found, np.arange(len(found))):
        raise ValueError(f"labels from {found[0]} to {found[-1]}, of which some have no image")
    return pixels.whole(), labels
