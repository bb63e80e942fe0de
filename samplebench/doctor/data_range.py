"""In which range of pixel values a model's images lie."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class DataRange:
    """Pixel values from `low` to `high`, e.g. those that a convention gives to black and white."""

    low: float
    high: float

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    @property
    def centre(self) -> float:
        return (self.high + self.low) / 2

    def __str__(self) -> str:
        return f"[{self.low:.3g}, {self.high:.3g}]"

    def distance(self, other: DataRange) -> float:
        """How far another one is: ratio of the widths in e-folds, and shift in half widths."""
        ratio = abs(math.log(other.half / self.half))
        return ratio + abs(other.centre - self.centre) / self.half


USUAL = DataRange(-1, 1)
_KNOWN = (
    USUAL,
    DataRange(-0.5, 0.5),
    DataRange(0, 1),
    DataRange(-2, 2),
    DataRange(0, 255),
    DataRange(-127.5, 127.5),
)
# Beyond this no convention is meant that anyone uses for images in small numbers.
_BYTES = 8.0
# A pair of these is at least 0.69 apart; dark images may fill half of theirs.
_FAR = 1.0


def nearest(seen: DataRange) -> DataRange | None:
    """The convention that images seem to follow, None where it is none of the known.

    Bytes are told by their size: how much of 0 to 255 a model fills from noise levels meant for
    [-1, 1] says nothing.
    """
    if not 0 < seen.half < math.inf:
        return None
    if seen.half > _BYTES:
        return _KNOWN[4] if seen.low > -0.3 * seen.high else _KNOWN[5]
    found = min(_KNOWN, key=lambda known: known.distance(seen))
    return found if found.distance(seen) < _FAR else None
