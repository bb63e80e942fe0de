"""First and second moments of features: additive, so they merge, resume and leave one block out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samplebench.metrics.blocks import ranges

# Of all blocks of a cell together, kept or in memory: bytes.
MOST_PARTS = 20_000_000


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


@dataclass(frozen=True)
class BlockedMoments:
    """Moments of samples, and of their blocks where these are known.

    Attributes:
        total: of all samples.
        parts: of the blocks in their order; may be made when asked for, empty where not known.
    """

    total: Moments
    parts: Sequence[Moments] = ()

    def __post_init__(self) -> None:
        # Several metrics get it, and one of others may write on what it gets.
        self.total.total.flags.writeable = self.total.outer.flags.writeable = False

    @classmethod
    def of(cls, rows: np.ndarray) -> BlockedMoments:
        """Of feature rows [N, D], which may be mapped from a file.

        The same rows give the same bits. In memory at a time are a few matrices [D, D]: the parts
        are made from the rows again where all of them together would take more.
        """
        parts: Sequence[Moments] = _Parts(rows)
        if len(parts) * packed_bytes(rows.shape[1]) < MOST_PARTS:
            parts = list(parts)
        return cls(_sum(parts, rows.shape[1]), parts)

    def parted(self, rows: np.ndarray) -> BlockedMoments:
        """The same with the parts of its rows [N, D], made when they are asked for."""
        return BlockedMoments(self.total, _Parts(rows))

    @property
    def count(self) -> int:
        return self.total.count

    def left_out(self) -> Iterator[Moments]:
        """The moments without each block in turn."""
        counts = [block.stop - block.start for block in ranges(self.count)]
        if len(self.parts) < 2 or self.count - max(counts) < 2:
            return
        for part in self.parts:
            yield self.total - part

    def state(self) -> dict[str, np.ndarray]:
        """Arrays that `load` takes: triangles of the matrices, and of the blocks' where all of
        them together take less than 20 MB."""
        found = _packed([self.total])
        if len(self.parts) * packed_bytes(len(self.total.total)) < MOST_PARTS:
            found |= {f"block_{key}": array for key, array in _packed(self.parts).items()}
        return found

    @classmethod
    def load(cls, state: Mapping[str, np.ndarray]) -> BlockedMoments:
        """What `state` returned, to the bit.

        Raises:
            ValueError: the arrays do not belong together.
        """
        (total,) = _unpacked(state, "")
        parts = _unpacked(state, "block_") if "block_count" in state else []
        if parts and sum(part.count for part in parts) != total.count:
            raise ValueError("blocks do not add up to the total")
        return cls(total, parts)


class _Parts(Sequence[Moments]):
    """Moments of the blocks of rows, made when they are asked for."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows, self._ranges = rows, ranges(len(rows))

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, block: Any) -> Any:
        return Moments.of(self._rows[self._ranges[block]])


def packed_bytes(dim: int) -> int:
    """What moments of D features take in a file."""
    return 8 * (1 + dim + dim * (dim + 1) // 2)


def _sum(parts: Iterable[Moments], dim: int) -> Moments:
    total = Moments.zeros(dim)
    for part in parts:
        total = total + part
    return total


def _packed(many: Sequence[Moments]) -> dict[str, np.ndarray]:
    if not many:
        return {}
    upper = np.triu_indices(len(many[0].total))
    return {
        "count": np.array([moments.count for moments in many]),
        "total": np.stack([moments.total for moments in many]),
        "outer": np.stack([moments.outer[upper] for moments in many]),
    }


def _unpacked(state: Mapping[str, np.ndarray], prefix: str) -> list[Moments]:
    counts, totals, outers = (state[prefix + key] for key in ("count", "total", "outer"))
    dim = totals.shape[-1]
    if outers.shape != (len(counts), dim * (dim + 1) // 2) or totals.shape != (len(counts), dim):
        raise ValueError("shapes do not fit")
    found, upper = [], np.triu_indices(dim)
    for count, total, triangle in zip(counts.tolist(), totals, outers, strict=True):
        outer = np.zeros((dim, dim))
        outer[upper] = triangle
        outer.T[upper] = triangle
        found.append(Moments(count, total.copy(), outer))
    return found
