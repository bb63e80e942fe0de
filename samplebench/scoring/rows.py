"""Feature rows as they come: in memory, or in a temporary file where they would fill it."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np

from samplebench.download.cache import megabytes
from samplebench.errors import EnvironmentError_
from samplebench.files.temporary import no_room

# Bytes in memory at most.
_LARGE = 256 << 20


class Rows:
    """An array [N, D] that is filled in order.

    Args:
        count, dim: N and D.
        dtype: of its numbers.

    Raises:
        EnvironmentError_: there is no room for its file.
    """

    def __init__(self, count: int, dim: int, dtype: Any) -> None:
        self._shape, self._dtype = (count, dim), np.dtype(dtype)
        self._bytes = count * dim * self._dtype.itemsize
        self._done = 0
        self._file: IO[bytes] | None = None
        self._array = np.empty((0, 0))
        if self._bytes < _LARGE:
            self._array = np.empty(self._shape, self._dtype)
        else:
            try:
                self._file = tempfile.TemporaryFile(prefix="samplebench-")
            except OSError as error:
                raise self._no_room(error) from error

    def add(self, rows: np.ndarray) -> None:
        """Adds rows [n, D].

        Raises:
            EnvironmentError_: there is no room for them.
        """
        if self._file is None:
            self._array[self._done : self._done + len(rows)] = rows
        else:
            try:
                # Written, not mapped: a full disk is an error here, and the end of a process there.
                self._file.write(np.ascontiguousarray(rows, self._dtype).data)
            except OSError as error:
                raise self._no_room(error) from error
        self._done += len(rows)

    def whole(self) -> np.ndarray:
        """All rows, read-only; the file lives as long as they do.

        Raises:
            EnvironmentError_: there was no room for the last of them.
        """
        assert self._done == self._shape[0], f"{self._done} rows of {self._shape[0]}"
        if self._file is None:
            self._array.flags.writeable = False
            return self._array
        try:
            self._file.flush()
        except OSError as error:
            raise self._no_room(error) from error
        return np.asarray(np.memmap(self._file, self._dtype, "r", 0, self._shape))

    def _no_room(self, error: OSError) -> EnvironmentError_:
        return no_room(f"{megabytes(self._bytes)} of features", error)
