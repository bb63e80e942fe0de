"""Which kind of set a path is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from samplebench.errors import InputError
from samplebench.files.archives import Arrays, Unreadable, one_line, opened
from samplebench.files.atomic import regular
from samplebench.image_sets import arrays, files
from samplebench.image_sets.folder import Folder
from samplebench.image_sets.image_set import ImageSet
from samplebench.image_sets.picture import looks_like_one
from samplebench.image_sets.zipped import Zipped


class SingleImage(Unreadable):
    """A file that is one image, in the place of a set."""


def read(path: Path, *, quiet: bool = True) -> ImageSet:
    """A set of images, read whole or refused.

    Args:
        path: a folder of images (searched recursively through links, in sorted order), a zip
            archive of them, an .npy of uint8 [N, C, H, W], [N, H, W, C] or [N, H, W], or an .npz
            with one of `images`, `arr_0`, or with one such array of another name.
        quiet: no progress while the headers are read.

    Raises:
        InputError: nothing readable there, images of several shapes, or one of a kind whose
            values are not 8 bits of grey or RGB without a choice.
    """
    try:
        if os.path.isdir(path):
            return files.images_of(Folder(path), path, quiet)
        if _is_zip_of_files(path):
            return files.images_of(Zipped(path), path, quiet)
        return arrays.images_of(path)
    except Unreadable as error:
        raise InputError(
            f"{path} is neither a folder of images nor an .npy / .npz with 'images' or 'arr_0' "
            f"nor a zip of images ({error})"
        ) from None


def is_set(path: Path) -> bool:
    """Whether what is at a path is meant to be a set of images, which `read` reads or refuses.

    Files of statistics, of weights and of text are not, nor is what cannot be read.
    """
    try:
        if os.path.isdir(path) or _is_zip_of_files(path):
            return True
        stored = Arrays(path)
        found = {key: stored[key] for key in stored.keys}
    except SingleImage:
        return True
    except (Unreadable, InputError):
        return False
    return any(
        array.ndim in (3, 4) and (array.dtype == np.uint8 or key in ("", *arrays.KEYS))
        for key, array in found.items()
    )


def stamp(path: Path) -> str:
    """What shows without reading them that images have changed: names, sizes and times.

    Raises:
        InputError: a folder below it cannot be read.
        OSError: a file cannot be looked at.
    """
    found = hashlib.sha256()
    names = Folder(path).listing.images if os.path.isdir(path) else [()]
    for parts in names:
        state = path.joinpath(*parts).stat()
        found.update(f"{parts} {state.st_size} {state.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _is_zip_of_files(path: Path) -> bool:
    """Whether it is a zip archive that is no .npz."""
    with one_line():
        with regular(path).open("rb") as file:
            start = file.read(512)
        if looks_like_one(start):
            raise SingleImage("a single image; name the folder that it is in")
        if not start.startswith(b"PK"):
            return False
        with opened(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    if any(name.endswith("data.pkl") for name in names):
        raise Unreadable("a file of torch.save; save its images as uint8 with np.save")
    return not names or not all(name.endswith(".npy") for name in names)
