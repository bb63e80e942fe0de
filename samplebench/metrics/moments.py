"""First and second moments of features: additive, so they merge, resume and leave one block out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Moments:
    """Count, sum and sum of outer products of feature rows, in float64.

    Attributes:
        count: number of rows.
        total: float64 [D], sum of the rows.
        outer: float64 [D, D], sum of row^T row.
    """

    count: int
    total: np.ndarray
    outer: np.ndarray

    @classmethod
    def zeros(cls, dim: int) -> Moments:
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Moments of features [N, D]."""
        rows = np.asarray(features, dtype=np.float64)
        return cls(len(rows), rows.sum(axis=0), rows.T @ rows)

    def add(self, features: np.ndarray) -> None:
        """Adds features [N, D] in place."""
        more = Moments.of(features)
        self.count += more.count
        self.total += more.total
        self.outer += more.outer

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.outer + other.outer)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.count - other.count, self.total - other.total, self.outer - other.outer)

    @property
    def mean(self) -> np.ndarray:
        """float64 [D]."""
        return self.total / self.count

    @property
    def cov(self) -> np.ndarray:
        """Unbiased covariance (divisor N - 1), float64 [D, D], symmetric."""
        centred = self.outer - np.outer(self.total, self.mean)
        return (centred + centred.T) / 2 / (self.count - 1)


def rank_note(what: str, count: int | None, dim: int) -> tuple[str, ...]:
    """The line on statistics of too few images for their features, if they are.

    Args:
        what: whose statistics.
        count: number of images; None where it is not known.
        dim: D, the feature dimension.
    """
    if count is None or count > dim:
        return ()
    return (
        f"{what}: {count:,} images are few for {dim:,} features; their covariance is singular, and "
        "distances come out too large and depend on that number",
    )


class BlockedMoments:
    """Moments in up to 20 blocks of samples, by sample index: block(i) = i * blocks // N.

    The blocks do not depend on how samples were batched, so neither does the jackknife.

    Args:
        num_samples: N.
        dim: D, the feature dimension.
    """

    def __init__(self, num_samples: int, dim: int, blocks: int = 20) -> None:
        self.num_samples = num_samples
        self.blocks = [Moments.zeros(dim) for _ in range(min(blocks, num_samples))]

    def add(self, features: np.ndarray, first: int) -> None:
        """Adds features [n, D] of samples first, first + 1, ..."""
        index = np.arange(first, first + len(features)) * len(self.blocks) // self.num_samples
        for block in np.unique(index):
            self.blocks[block].add(features[index == block])

    def total(self) -> Moments:
        """Moments of all samples so far."""
        result = Moments.zeros(len(self.blocks[0].total))
        for block in self.blocks:
            result = result + block
        return result

    def state(self) -> dict[str, Any]:
        """Arrays that `load` restores bit for bit."""
        return {
            "count": np.array([block.count for block in self.blocks]),
            "total": np.stack([block.total for block in self.blocks]),
            "outer": np.stack([block.outer for block in self.blocks]),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restores what `state` returned for the same N and D."""
        self.blocks = [
            Moments(int(count), total.copy(), outer.copy())
            for count, total, outer in zip(
                state["count"], state["total"], state["outer"], strict=True
            )
        ]
