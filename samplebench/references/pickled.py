"""EDM2's reference statistics: a pickle of plain data, read without running anything of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.checkpoints.numpy_array import ARRAYS, NumpyArray
from samplebench.checkpoints.pickle_machine import Machine
from samplebench.checkpoints.pickle_values import Refused
from samplebench.files.archives import Unreadable
from samplebench.files.atomic import regular
from samplebench.files.shown import shown

_COUNT = "num_images"
_ARRAYS = ("mu", "sigma")


def is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle does."""
    with regular(path).open("rb") as file:
        return file.read(1) == b"\x80"


def held(path: Path) -> list[str]:
    """The metrics that the file has statistics for, as it calls them; none where it is another."""
    try:
        with _loaded(path) as data:
            known = data if type(data) is dict else {}
            return [name for name in known if isinstance(name, str)]
    except Refused:
        return []


def gaussian(path: Path, metric: str) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of images, and mean [D] and covariance [D, D] of a metric's features.

    Args:
        path: of the file.
        metric: as the file calls it, e.g. "fid".

    Raises:
        Unreadable: it is another pickle, damaged, or holds no such metric or more than such
            statistics.
    """
    try:
        with _loaded(path) as data:
            count, found = _checked(data, metric)
            return count, found[0].load(), found[1].load()
    except Refused as error:
        raise Unreadable(f"it is a pickle, not EDM2's statistics for {metric}: {error}") from None


@contextmanager
def _loaded(path: Path) -> Iterator[Any]:
    """What the pickle says; its arrays are read from it when they are asked for."""
    with regular(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        machine = Machine(file, size, ARRAYS)
        data = machine.load()
        if machine.position != size:
            raise Refused(f"{size - machine.position} bytes follow its end")
        yield data


def _checked(data: Any, metric: str) -> tuple[int, tuple[NumpyArray, NumpyArray]]:
    if type(data) is not dict or type(count := data.pop(_COUNT, None)) is not int:
        raise Refused(f"it has no {_COUNT}")
    if not 1 < count < 1 << 53:
        raise Refused(f"its {_COUNT} is not a number of images")
    if metric not in data:
        raise Refused(f"it holds {', '.join(map(shown, list(data)[:4])) or 'nothing'}")
    if type(data[metric]) is not dict or data[metric].keys() != set(_ARRAYS):
        raise Refused(f"what it holds of it is not {' and '.join(_ARRAYS)}")
    mean, cov = (data[metric][name] for name in _ARRAYS)
    if not (isinstance(mean, NumpyArray) and isinstance(cov, NumpyArray)):
        raise Refused(f"{' and '.join(_ARRAYS)} are not arrays")
    if mean.shape is None or len(mean.shape) != 1 or cov.shape != 2 * mean.shape:
        raise Refused(f"{' and '.join(_ARRAYS)} are not [D] and [D, D]")
    return count, (mean, cov)
