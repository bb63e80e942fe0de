"""What a set of samples is worth beside exact draws: W2, and the part of it that is not chance."""

from __future__ import annotations

import math

import numpy as np

from samplebench.board.transport import wasserstein

# W2^2 of exact sets is below this many times that of their halves: by chance it moves by percents.
_BEYOND_CHANCE = 1.5


class ExactDraws:
    """Exact draws, and how far their halves are apart.

    Args:
        y: [N, P], N of at least 2.
    """

    def __init__(self, y: np.ndarray) -> None:
        self.y = y
        self._halves = _halves(y)
        self._apart = _squared(*self._halves)

    def compared(self, x: np.ndarray) -> tuple[float, float]:
        """(W2, excess): the excess is W2^2 without what finite sets have of their own, per element.

        mean W2^2(X., Y.) - (W2^2(Xa, Xb) + W2^2(Ya, Yb)) / 2

        over the four pairs of a half of X and a half of Y. Of finite sets W2 is smaller the
        narrower a law is; here a narrow law's halves are near each other, too, and less is taken
        off. Its mean is 0 of equal laws, so that it may be negative. After the Sinkhorn divergence
        (Genevay et al., 2018; Feydy et al., 2019), which takes off the same two terms of an
        entropic cost.

        A few samples far away are as far from the other half as from exact draws, and cancel. So
        it is at least W2^2(X, Y) - 1.5 W2^2(Ya, Yb), which chance does not bring above 0.

        Args:
            x: [N, P], independent samples in any order that does not depend on them.

        Returns:
            inf where a sample is not finite, or too far away to be squared.
        """
        w2 = wasserstein(x, self.y)
        halves = _halves(x)
        # Against two of the pairs, four have about 0.8 times the standard deviation.
        crosses = [_squared(one, other) for one in halves for other in self._halves]
        own = _squared(*halves)
        if not math.isfinite(w2 * w2 + sum(crosses) + own):
            return w2, math.inf
        excess = sum(crosses) / len(crosses) - (own + self._apart) / 2
        return w2, max(excess, w2 * w2 - _BEYOND_CHANCE * self._apart)


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last; of an odd number the middle one is in none."""
    half = len(x) // 2
    return x[:half], x[len(x) - half :]


def _squared(x: np.ndarray, y: np.ndarray) -> float:
    distance = wasserstein(x, y)
    return distance * distance
