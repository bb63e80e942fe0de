"""numpy scalars, as some constructor arguments are written: read into Python's numbers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from samplebench.checkpoints.pickle_values import Blob, Buildable, Refused, expect
from samplebench.files.shown import shown

# numpy's type codes -> struct's.
NUMBERS = {"f8": "d", "f4": "f", "f2": "e", "b1": "?"}
NUMBERS |= {"i8": "q", "i4": "i", "i2": "h", "i1": "b", "u8": "Q", "u4": "I", "u2": "H", "u1": "B"}


@dataclass(slots=True, eq=False)
class Dtype(Buildable):
    """The type of a numpy scalar."""

    code: str
    complete: bool = False

    def build(self, state: Any) -> None:
        """Takes over the byte order, which must be little-endian or none; nothing else is known."""
        order = "|" if self.code.endswith("1") else "<"
        if type(state) is not tuple or state != (3, order, None, None, None, -1, -1, 0):
            raise Refused(f"numpy.dtype {self.code} with an unusual state")
        self.complete = True


def dtype(arguments: tuple[Any, ...]) -> Dtype:
    """What `numpy.dtype` is called with."""
    code, align, copy = expect("numpy.dtype", arguments, str, bool, bool)
    if code not in NUMBERS or align or not copy:
        raise Refused(f"numpy.dtype {shown(code)} is not the type of a plain number")
    return Dtype(code)


def scalar(arguments: tuple[Any, ...]) -> float | int | bool:
    """What `numpy.core.multiarray.scalar` is called with, as a number."""
    found, data = expect("numpy scalar", arguments, Dtype, Blob)
    if not found.complete:
        raise Refused("a numpy scalar of incomplete type")
    layout = f"<{NUMBERS[found.code]}"
    if data.length != struct.calcsize(layout):
        raise Refused(f"a numpy scalar of type {found.code} with {data.length} bytes")
    return struct.unpack(layout, data.read(data.length))[0]
