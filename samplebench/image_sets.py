"""Sets of real images on disk: a folder of files or an array archive, read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.answers.features import features
from samplebench.errors import InputError, UsageError
from samplebench.metrics.moments import Moments
from samplebench.ticker import bar

if TYPE_CHECKING:
    from torch import Tensor

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
_BATCH = 64


@dataclass(frozen=True)
class ImageSet:
    """uint8 images of one shape, never all in memory at once if they are files.

    Attributes:
        description: in words, for the reference made of them.
        count: number of images.
        batches: yields uint8 arrays [n, C, H, W] in a fixed order.
    """

    description: str
    count: int
    batches: Callable[[], Iterator[np.ndarray]]

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


def read(path: Path) -> ImageSet:
    """A set of images.

    Args:
        path: a folder (searched recursively, in sorted order), an .npy of uint8 [N, C, H, W] or
            [N, H, W, C], or an .npz with one of `images`, `arr_0`.

    Raises:
        InputError: nothing readable there, or images of several shapes.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES)
        if not files:
            raise InputError(f"{path} holds no images ({', '.join(sorted(_SUFFIXES))})")
        return ImageSet(f"{len(files)} images of {path.name}", len(files), lambda: _files(files))
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            key = next(k for k in ("images", "arr_0") if k in loaded)
            loaded = loaded[key]
    except (OSError, ValueError, StopIteration, EOFError, BadZipFile):
        raise InputError(
            f"{path} is neither a folder of images nor an .npy / .npz with 'images' or 'arr_0'"
        ) from None
    if loaded.dtype != np.uint8 or loaded.ndim != 4:
        raise InputError(
            f"{path} holds {loaded.dtype} {loaded.shape}; uint8 [N, C, H, W] is needed"
        )
    if loaded.shape[1] not in (1, 3) and loaded.shape[3] in (1, 3):
        loaded = loaded.transpose(0, 3, 1, 2)
    array = np.ascontiguousarray(loaded)
    return ImageSet(
        f"{len(array)} images of {path.name}",
        len(array),
        lambda: (array[i : i + _BATCH] for i in range(0, len(array), _BATCH)),
    )


def _files(files: list[Path]) -> Iterator[np.ndarray]:
    from PIL import Image, UnidentifiedImageError

    shape = None
    for start in range(0, len(files), _BATCH):
        batch = []
        for file in files[start : start + _BATCH]:
            try:
                with Image.open(file) as image:
                    array = np.asarray(
                        image if image.mode in ("L", "RGB") else image.convert("RGB")
                    )
            except (UnidentifiedImageError, OSError) as error:
                raise InputError(f"{file} is not a readable image ({error})") from None
            array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
            if shape not in (None, array.shape):
                raise InputError(f"{file} has shape {array.shape}, the images before it {shape}")
            shape = array.shape
            batch.append(array)
        yield np.stack(batch)
