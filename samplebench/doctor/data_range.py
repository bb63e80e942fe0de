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
_BYTES = DataRange(0, 255)
_OTHERS = (DataRange(-0.5, 0.5), DataRange(0, 1), DataRange(-2, 2), DataRange(-127.5, 127.5))
# Dark images may fill half of their range; the noise in those of a closed form goes beyond it.
# Measured: up to 1.37, and networks with wrong times mostly further.
_DARK, _BEYOND = 1.2, 1.5
# Samples in another range come this near to it: measured 0 to 0.28.
_NEAR = 0.35


def nearest(seen: DataRange) -> DataRange | None:
    """The convention that images seem to follow, None where it is none of the known.

    Of 0 to 255 a model fills only a part from noise levels that are meant for [-1, 1].
    """
    if not 0 < seen.half < math.inf:
        return None
    other = min(_OTHERS, key=lambda known: known.distance(seen))
    if other.distance(seen) < min(_NEAR, USUAL.distance(seen)):
        return other
    if -_BEYOND < seen.low and seen.high < _BEYOND and USUAL.distance(seen) < _DARK:
        return USUAL
    whole = 32 < seen.high < 320 and abs(seen.low) < 0.3 * seen.high
    return _BYTES if whole else None
