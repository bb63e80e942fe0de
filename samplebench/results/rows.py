"""Rows of a cell under way, in a file of their own: each block is written at its place."""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

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
        """Writes rows [n, ...] at the place of rows first, first + 1, ..."""
        data = np.ascontiguousarray(rows, dtype=self.dtype).tobytes()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "r+b" if self.path.exists() else "wb") as file:
            file.seek(first * self.row_bytes)
            file.write(data)
        self.crc = zlib.crc32(data, self.crc)

    def sync(self) -> None:
        """Waits until the rows are on the disk."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    def holds(self, count: int, crc: int) -> bool:
        """Whether the first `count` rows are those of this checksum; further ones do not count."""
        left, found = count * self.row_bytes, 0
        try:
            with self.path.open("rb") as file:
                while left and (piece := file.read(min(left, _PIECE))):
                    left, found = left - len(piece), zlib.crc32(piece, found)
        except OSError:
            return False
        return not left and found == crc

    def mapped(self, count: int) -> np.ndarray:
        """The rows [count, ...], read-only, mapped from the file."""
        return np.memmap(self.path, self.dtype, "r", shape=(count, *self.shape))

    def drop(self) -> None:
        """Removes the file."""
        self.path.unlink(missing_ok=True)
