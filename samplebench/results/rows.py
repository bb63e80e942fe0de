"""Rows of a cell under way, in a file of their own: each block is written at its place."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.errors import EnvironmentError_
from samplebench.files.atomic import named, regular, synced
from samplebench.files.held import standing
from samplebench.files.places import file_at

_PIECE = 1 << 22


class RowsFile:
    """Plain numbers [N, ...] without a header, in C order.

    Args:
        path: of the file, which is made when the first rows are written.
        shape: of one row.
        dtype: of the numbers.

    Attributes:
        crc: of all rows so far, where they were written in order.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self.crc = 0

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def write(self, first: int, rows: np.ndarray) -> None:
        """Writes rows [n, ...] at the place of rows first, first + 1, ...

        Raises:
            EnvironmentError_: the rows before them are gone.
            InputError: something else than a file is there.
        """
        data = np.ascontiguousarray(rows, dtype=self.dtype).tobytes()
        start = first * self.row_bytes
        with standing(self.path), named(self.path):
            self._check_size(start)
            with open(self.path, "r+b" if self.path.exists() else "xb") as file:
                file.seek(start)
                file.write(data)
        self.crc = zlib.crc32(data, self.crc)

    def sync(self) -> None:
        """Waits until the rows are on the disk."""
        with standing(self.path), named(self.path):
            if file_at(self.path):
                synced(self.path)

    def holds(self, count: int, crc: int) -> bool:
        """Whether the first `count` rows are those of this checksum; further ones do not count."""
        left, found = count * self.row_bytes, 0
        if not file_at(self.path):
            return False
        try:
            with self.path.open("rb") as file:
                while left and (piece := file.read(min(left, _PIECE))):
                    left, found = left - len(piece), zlib.crc32(piece, found)
        except OSError:
            return False
        return not left and found == crc

    def mapped(self, count: int) -> np.ndarray:
        """The rows [count, ...], read-only, mapped from the file; raises as `write` does."""
        with standing(self.path):
            self._check_size(count * self.row_bytes)
            return np.memmap(regular(self.path), self.dtype, "r", shape=(count, *self.shape))

    def _check_size(self, least: int) -> None:
        """Raises where rows are missing, which would else be zeros."""
        if (self.path.stat().st_size if file_at(self.path) else 0) < least:
            raise EnvironmentError_(
                f"{self.path} was removed or cut off during the run; the same command starts its "
                "cell again"
            )

    def drop(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)
