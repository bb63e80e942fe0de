"""numpy arrays, as an encoder of latents holds them: looked at, not made.

Nothing here needs their numbers. What is let through is what numpy writes of a plain array.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from samplebench.checkpoints.numpy_scalar import Dtype
from samplebench.checkpoints.pickle_values import Blob, Buildable, Global, Refused, expect
from samplebench.files.shown import kind, shown

VERSION = 1
MAX_DIMS = 4
WIDTHS = {"f4": 4, "f8": 8}  # bytes of a number of the types that occur
NDARRAY = Global("numpy.ndarray")


@dataclass(slots=True, eq=False)
class NumpyArray(Buildable):
    """An array of floating-point numbers that stay in the file; its shape once that is known."""

    shape: tuple[int, ...] | None = None

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
            raise Refused("a numpy array whose shape is no few counts")
        if data.text or data.length != prod(shape) * WIDTHS[dtype.code]:
            raise Refused(f"a numpy array of {prod(shape)} numbers with {data.length} bytes")
        self.shape = shape


def reconstruct(arguments: tuple[Any, ...]) -> NumpyArray:
    """What `numpy.core.multiarray._reconstruct` is called with: an array that has no state yet."""
    array, shape, code = expect("numpy _reconstruct", arguments, Global, tuple, Blob)
    if array is not NDARRAY or shape != (0,) or code.read(2) != b"b":
        raise Refused("numpy _reconstruct is called with other arguments than numpy writes")
    return NumpyArray()
