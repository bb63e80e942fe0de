"""Images in NumPy's files: which array they are, in which layout, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samplebench.errors import InputError
from samplebench.files.archives import Arrays, Stored, Unreadable
from samplebench.files.shown import shown
from samplebench.image_sets.image_set import MAX_PIXELS, ImageSet, batch_size

KEYS = ("images", "arr_0")
_CHANNELS = (1, 3)
_WANTED = "uint8 [N, C, H, W] is needed, or [N, H, W, C]"


def images_of(path: Path) -> ImageSet:
    """The images of an .npy or .npz.

    Args:
        path: of uint8 [N, C, H, W], [N, H, W, C] or [N, H, W]; in an .npz under `images` or
            `arr_0`, or the only such array.

    Raises:
        Unreadable: it is no such file.
        InputError: it holds other arrays.
    """
    arrays = Arrays(path)
    key = _key(path, arrays)
    stored = arrays[key]
    notes = [] if key in ("", *KEYS) else [f"{path}: its images are those called {shown(key)}"]
    last = _channels_last(path, stored)
    channels = stored.shape[1:2] if stored.ndim == 4 and not last else stored.shape[3:] or (1,)
    if last is None:
        notes.append(f"{path} {stored.text} fits both layouts and is taken as [N, C, H, W]")
    height, width = stored.shape[1:3] if last or stored.ndim == 3 else stored.shape[2:]
    count, shape = stored.shape[0], (*channels, height, width)
    if not 0 < height * width <= MAX_PIXELS or not count:
        raise InputError(f"{path} holds no images that can be read: {stored.text}")
    return ImageSet(
        f"{count} images of {path.name}",
        count,
        lambda: _batches(path, stored, bool(last), shape),
        tuple(notes),
    )


def _key(path: Path, arrays: Arrays) -> str:
    """The key of the images."""
    for key in (*KEYS, ""):
        if key in arrays.keys:
            return key
    candidates = []
    for key in arrays.keys:
        try:
            found = arrays[key]
        except Unreadable:
            continue
        if found.dtype == np.uint8 and found.ndim in (3, 4):
            candidates.append(key)
    if len(candidates) == 1:
        return candidates[0]
    kind = "several arrays of images" if candidates else "no array of images"
    raise Unreadable(f"it holds {kind}: {arrays.named()}")


def _channels_last(path: Path, stored: Stored) -> bool | None:
    """Whether the layout is [N, H, W, C]; None where it could be either.

    Raises:
        InputError: neither.
    """
    shape, dtype = stored.shape, stored.dtype
    text = f"{path} holds {stored.text}"
    if dtype != np.uint8:
        raise InputError(f"{text}; {_WANTED}: {_advice(dtype)}")
    if stored.ndim == 3 and shape[2] > 4:
        return False
    if stored.ndim != 4:
        raise InputError(f"{text}; {_WANTED}")
    first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
    if not first and not last:
        alpha = " (4 channels: drop the alpha channel)" if 4 in (shape[1], shape[3]) else ""
        raise InputError(f"{text}; {_WANTED}, with 1 or 3 channels{alpha}")
    return None if first and last else last


def _advice(dtype: np.dtype) -> str:
    if dtype.kind == "f":
        return "if its values are 0 to 1, save (255 * x).round().astype('uint8')"
    if dtype == np.uint16:
        return "if its values go up to 65535, save ((x + 128.) // 257).astype('uint8')"
    if dtype.kind == "b":
        return "save 255 * x.astype('uint8')"
    return "if its values are 0 to 255, save x.astype('uint8')"


def _batches(
    path: Path, stored: Stored, last: bool, shape: tuple[int, ...]
) -> Iterator[np.ndarray]:
    """The images as uint8 [n, C, H, W]."""
    try:
        for piece in stored.pieces(batch_size(shape)):
            images = piece.transpose(0, 3, 1, 2) if last else piece
            # Copied, as strides that only one channel leaves open choose torch's algorithms.
            batch = np.empty((len(piece), *shape), np.uint8)
            batch[...] = images[:, None] if images.ndim == 3 else images
            yield batch
    except Unreadable as error:
        raise InputError(f"{path} cannot be read to its end: {error}") from None
