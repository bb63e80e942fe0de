"""numpy arrays in pickles: of EDM2's reference statistics, and of its encoder of latents.

What is let through is what numpy writes of a plain array.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from samplebench.checkpoints import numpy_scalar
from samplebench.checkpoints.numpy_scalar import Dtype
from samplebench.checkpoints.pickle_values import (
    Blob,
    Buildable,
    DamagedFile,
    Global,
    Refused,
    expect,
)
from samplebench.files.shown import kind, shown

VERSION = 1
MAX_DIMS = 4
WIDTHS = {"f4": 4, "f8": 8}  # bytes of a number of the types that occur
_NDARRAY = Global("numpy.ndarray")


@dataclass(slots=True, eq=False)
class NumpyArray(Buildable):
    """An array of floating-point numbers that stay in the file; its shape once that is known."""

    shape: tuple[int, ...] | None = None
    code: str = ""
    data: Blob | None = None

    def build(self, state: Any) -> None:
        """Takes over version, shape, type, order and numbers, once."""
        if self.shape is not None:
            raise Refused("a numpy array is given a second state")
        if type(state) is not tuple:
            raise Refused(f"the state of a numpy array is {kind(state)}, not a tuple")
        version, shape, dtype, fortran, data = expect(
            "numpy array", state, int, tuple, Dtype, bool, Blob
        )
        if version != VERSION or fortran:
            raise Refused("a numpy array of another version or order than numpy's usual one")
        if not dtype.complete or dtype.code not in WIDTHS:
            raise Refused(f"a numpy array of type {shown(dtype.code)}")
        if len(shape) > MAX_DIMS or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
            raise Refused("a numpy array with an invalid shape")
        if data.text or data.length != prod(shape) * WIDTHS[dtype.code]:
            raise Refused(f"a numpy array of {prod(shape)} numbers with {data.length} bytes")
        self.shape, self.code, self.data = shape, dtype.code, data

    def load(self) -> np.ndarray:
        """The array, in memory of its own.

        Raises:
            Refused: it was given no state.
            DamagedFile: the file was cut while it was read.
        """
        if self.shape is None or self.data is None:
            raise Refused("a numpy array without numbers")
        numbers = self.data.read(self.data.length)
        if len(numbers) != self.data.length:
            raise DamagedFile("breaks off within an array")
        return np.frombuffer(numbers, f"<{self.code}").reshape(self.shape)


def _reconstruct(arguments: tuple[Any, ...]) -> NumpyArray:
    """What `numpy.core.multiarray._reconstruct` is called with: an array that has no state yet."""
    array, shape, code = expect("numpy _reconstruct", arguments, Global, tuple, Blob)
    if array is not _NDARRAY or shape != (0,) or code.read(2) != b"b":
        raise Refused("numpy _reconstruct is called with other arguments than numpy writes")
    return NumpyArray()


# By exact (module, name); numpy 1 and 2 have the function in other modules.
ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"): Global("numpy _reconstruct", reduce=_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): Global("numpy _reconstruct", reduce=_reconstruct),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Global("numpy.dtype", reduce=numpy_scalar.dtype),
}
