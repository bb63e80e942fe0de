"""Which kind of set a path is."""

from __future__ import annotations

import os
from pathlib import Path

from samplebench.errors import InputError
from samplebench.files.archives import Unreadable, one_line, opened
from samplebench.files.atomic import regular
from samplebench.image_sets import arrays, files
from samplebench.image_sets.folder import Folder
from samplebench.image_sets.image_set import ImageSet
from samplebench.image_sets.picture import looks_like_one
from samplebench.image_sets.zipped import Zipped


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


def _is_zip_of_files(path: Path) -> bool:
    """Whether it is a zip archive that is no .npz."""
    with one_line():
        with regular(path).open("rb") as file:
            start = file.read(512)
        if looks_like_one(start):
            raise Unreadable("a single image; name the folder that it is in")
        if not start.startswith(b"PK"):
            return False
        with opened(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    if any(name.endswith("data.pkl") for name in names):
        raise Unreadable("a file of torch.save; save its images as uint8 with np.save")
    return not names or not all(name.endswith(".npy") for name in names)
