"""Balls around feature rows that reach to their k-th nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samplebench.metrics.pairs import centre_of, norms_about, read, rounding, squares, tiles


@dataclass(frozen=True)
class Balls:
    """Balls around rows.

    Attributes:
        squared: their squared radii, float64 [N], or [B, N] for B sets of them.
        slack: what the radii may be off by rounding, of the same shape.
    """

    squared: np.ndarray
    slack: np.ndarray

    def closed(self, centres: np.ndarray, dim: int) -> np.ndarray:
        """Squared distances up to which a point is inside or on the sphere.

        A difference that rounding can make is none: at a tie the point is no farther from the
        origin than centre and radius together, so that the error of its squared distance is known
        without it.

        Args:
            centres: squared norms [N] of the centres of the balls, as distances were made.
            dim: D, the width of the rows.
        """
        return self.squared + self._slack(centres, dim)

    def open(self, centres: np.ndarray, dim: int) -> np.ndarray:
        """Squared distances below which a point is inside, not on the sphere."""
        return self.squared - self._slack(centres, dim)

    def _slack(self, centres: np.ndarray, dim: int) -> np.ndarray:
        return self.slack + error_at(centres, self.squared, dim)


def error_at(centres: np.ndarray, squared: np.ndarray, dim: int) -> np.ndarray:
    """Of the squared distance of a point on a sphere: |x|^2 + |y|^2 <= 3 |x|^2 + 2 r^2."""
    return rounding(dim) * (3 * centres + 2 * squared)


@dataclass(frozen=True)
class Nearest:
    """The nearest others of every row, by the blocks that they are in.

    Attributes:
        squared: ascending squared distances, infinite where a block has fewer: [N, B, k].
        centre: the mean of the rows, [D].
        norms: squared distances of the rows from it, [N].
    """

    squared: np.ndarray
    centre: np.ndarray
    norms: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, blocks: Sequence[slice], k: int) -> Nearest:
        """The k nearest in each block, from one pass over half of the pairs."""
        centre = centre_of(rows)
        squared = np.full((len(rows), len(blocks), k), np.inf)
        parts = tiles(blocks, rows.shape[1])
        for place, (block, part) in enumerate(parts):
            mine = read(rows, part, centre)
            for other, there in parts[place:]:
                found = squares(mine, read(rows, there, centre))
                if there == part:
                    # No row is a neighbour of itself.
                    np.fill_diagonal(found, np.inf)
                else:
                    _merge(squared[there, block], found.T)
                _merge(squared[part, other], found)
        return cls(squared, centre, norms_about(rows, centre))

    def balls(self, k: int) -> Balls:
        """To the k-th nearest of all others."""
        return self._balls(self._kth(self.squared, k))

    def balls_without(self, k: int) -> Balls:
        """The same without the rows of each block in turn: [B, N]."""
        blocks = range(self.squared.shape[1])
        left = [self._kth(np.delete(self.squared, block, axis=1), k) for block in blocks]
        return self._balls(np.stack(left))

    def _kth(self, squared: np.ndarray, k: int) -> np.ndarray:
        flat = squared.reshape(len(squared), -1)
        return np.partition(flat, k - 1, axis=1)[:, k - 1].clip(min=0)

    def _balls(self, squared: np.ndarray) -> Balls:
        return Balls(squared, error_at(self.norms, squared, len(self.centre)))


def nearest_of(rows: np.ndarray, k: int) -> Nearest:
    """The k nearest others of every row, wherever they are."""
    return Nearest.of(rows, [slice(0, len(rows))], k)


def _merge(kept: np.ndarray, found: np.ndarray) -> None:
    """Puts the smallest of found [n, m] and of those kept [n, k] into the latter, sorted."""
    k = kept.shape[1]
    if found.shape[1] > k:
        # A transposed matrix in rows of its own: twice as fast.
        found = np.array(found, order="C")
        found.partition(k - 1, axis=1)
    found = found[:, :k]
    kept[...] = np.sort(np.concatenate([kept, found], axis=1), axis=1)[:, :k]
