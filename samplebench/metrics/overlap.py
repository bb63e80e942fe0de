"""What lies in whose balls: counts over all pairs of a sample and a real row, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from samplebench.metrics.neighbours import Balls, Nearest, error_at
from samplebench.metrics.pairs import read, squares, tiles, whole


class Counter(Protocol):
    """What is counted of all pairs, a tile at a time."""

    def see(self, squared: np.ndarray, block: int, part: slice, there: slice) -> None:
        """Squared distances of the samples `part`, of one block, from the real rows `there`."""
        ...


def count_pairs(
    counters: Iterable[Counter],
    rows: np.ndarray,
    blocks: Sequence[slice],
    real: np.ndarray,
    centre: np.ndarray,
) -> None:
    """Shows the counters every pair once; of each sample the real rows in their order.

    Args:
        counters: who sees the distances.
        rows: samples [N, D].
        blocks: ranges of them.
        real: rows [M, D].
        centre: near both, [D]; distances from it are what rounding is relative to.
    """
    counters = list(counters)
    for block, part in tiles(blocks, rows.shape[1]):
        mine = read(rows, part, centre)
        for there in whole(real):
            squared = squares(mine, read(real, there, centre))
            for counter in counters:
                counter.see(squared, block, part, there)


class InReal:
    """Samples in the balls of real rows.

    Attributes:
        counts: in how many balls each sample is, [N].
        covered: whether a sample of each block is in each ball, [B, M].
    """

    def __init__(self, real: Nearest, k: int, closed: bool, blocks: Sequence[slice]) -> None:
        """
        Args:
            real: neighbours among the real rows.
            k: the balls reach to the k-th.
            closed: whether the sphere belongs to the ball.
            blocks: ranges of samples.
        """
        balls, dim = real.balls(k), len(real.centre)
        self._most = balls.closed(real.norms, dim) if closed else balls.open(real.norms, dim)
        self._within = np.less_equal if closed else np.less
        self.counts = np.zeros(blocks[-1].stop, dtype=np.int64)
        self.covered = np.zeros((len(blocks), len(self._most)), dtype=bool)

    def see(self, squared: np.ndarray, block: int, part: slice, there: slice) -> None:
        inside = self._within(squared, self._most[there])
        self.counts[part] += np.count_nonzero(inside, axis=1)
        self.covered[block, there] |= inside.any(axis=0)


class InGenerated:
    """Real rows in the closed balls of samples.

    Attributes:
        covered: whether each real row is in the ball of a sample of each block, [B, M].
        regained: whether it is in one that grew when a block was left out: [B, M].
    """

    def __init__(
        self, balls: Balls, grown: Balls | None, norms: np.ndarray, shape: tuple[int, int, int]
    ) -> None:
        """
        Args:
            balls: of the samples.
            grown: of the samples without each block in turn; None where that is not asked for.
            norms: of the samples about the centre of the distances, squared: [N].
            shape: B, M and D.
        """
        blocks, count, dim = shape
        self._most = balls.closed(norms, dim)
        self._grown = np.empty((0, len(norms))) if grown is None else grown.closed(norms, dim)
        changed = () if grown is None else grown.squared > balls.squared
        self._changed = [np.flatnonzero(each) for each in changed]
        self.covered = np.zeros((blocks, count), dtype=bool)
        self.regained = np.zeros((len(self._grown), count), dtype=bool)

    def see(self, squared: np.ndarray, block: int, part: slice, there: slice) -> None:
        self.covered[block, there] |= (squared <= self._most[part, None]).any(axis=0)
        for left_out, (most, changed) in enumerate(zip(self._grown, self._changed, strict=True)):
            if left_out == block:
                continue
            first, last = np.searchsorted(changed, (part.start, part.stop))
            wider = changed[first:last]
            if len(wider):
                inside = squared[wider - part.start] <= most[wider, None]
                self.regained[left_out, there] |= inside.any(axis=0)

    def without(self) -> np.ndarray:
        """Whether each real row is in a ball where each block is left out in turn: [B, M]."""
        return covered_without(self.covered) | self.regained


def covered_without(covered: np.ndarray) -> np.ndarray:
    """Whether another block covers it, for each block in turn: [B, M] of [B, M]."""
    return covered.sum(axis=0) - covered > 0


class Closest:
    """The real row next to each sample, the first where several are equally near.

    Attributes:
        squared: its squared distance, [N].
        index: of the real row, [N].
    """

    def __init__(self, norms: np.ndarray, dim: int) -> None:
        """
        Args:
            norms: of the samples about the centre of the distances, squared: [N].
            dim: D, the width of the rows.
        """
        self._norms, self._dim = norms, dim
        self.squared = np.full(len(norms), np.inf)
        self.index = np.zeros(len(norms), dtype=np.int64)

    def see(self, squared: np.ndarray, block: int, part: slice, there: slice) -> None:
        least = squared.min(axis=1)
        # Of both that are compared.
        slack = 2 * error_at(self._norms[part], least.clip(min=0), self._dim)
        first = (squared <= (least + slack)[:, None]).argmax(axis=1)
        nearer = np.flatnonzero(least + slack < self.squared[part])
        self.squared[part][nearer] = least[nearer]
        self.index[part][nearer] = first[nearer] + there.start
