"""First and second moments of features: additive, so they merge, resume and leave one block out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from samplebench.metrics import triangles
from samplebench.metrics.blocks import ranges

# Of all blocks of a cell together, as they are kept: bytes.
MOST_PARTS = 20_000_000
# The same in memory while a cell is scored: up to 2,236 features.
MOST_HELD = 400_000_000


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

    def through(self, basis: np.ndarray) -> Moments:
        """Of the rows @ basis [D, d]."""
        return Moments(self.count, self.total @ basis, basis.T @ self.outer @ basis)

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


class Held(NamedTuple):
    """Moments of several blocks.

    Attributes:
        counts: of rows, [B].
        totals: float64 [B, D].
        outers: triangles of the sums of outer products, float64 [B, D (D + 1) / 2].
    """

    counts: np.ndarray
    totals: np.ndarray
    outers: np.ndarray

    @classmethod
    def zeros(cls, blocks: int, dim: int) -> Held:
        outers = np.zeros((blocks, triangles.size(dim)))
        return cls(np.zeros(blocks, int), np.zeros((blocks, dim)), outers)

    @classmethod
    def of(cls, many: Sequence[Moments]) -> Held:
        """Of moments, at least one."""
        held = cls.zeros(len(many), len(many[0].total))
        for index, moments in enumerate(many):
            held.add(index, moments)
        return held

    def add(self, index: int, moments: Moments) -> None:
        """Adds to one of them, in place."""
        self.counts[index] += moments.count
        self.totals[index] += moments.total
        self.outers[index] += triangles.packed(moments.outer)

    def block(self, index: int) -> Moments:
        dim = self.totals.shape[1]
        outer = triangles.unpacked(self.outers[index], dim)
        return Moments(int(self.counts[index]), self.totals[index].copy(), outer)

    @property
    def state(self) -> dict[str, np.ndarray]:
        return {"count": self.counts, "total": self.totals, "outer": self.outers}

    @classmethod
    def load(cls, state: Mapping[str, np.ndarray], prefix: str) -> Held:
        """Raises ValueError where the arrays do not belong together."""
        held = cls(*(state[prefix + key] for key in ("count", "total", "outer")))
        blocks, dim = len(held.counts), held.totals.shape[-1]
        if held.outers.shape != (blocks, triangles.size(dim)) or held.totals.shape != (blocks, dim):
            raise ValueError("shapes do not fit")
        return held


class BlockSums(Sequence[Moments]):
    """Moments of the blocks of samples, in their order.

    They are held as triangles where these take less room than the rows, else made of the rows
    whenever they are asked for.

    Args:
        rows: features [N, D], which may be mapped from a file; None where only `held` is known, or
            nothing.
    """

    def __init__(self, rows: np.ndarray | None = None, held: Held | None = None) -> None:
        self._rows, self._held = rows, held
        self._ranges = ranges(0 if rows is None else len(rows))

    @classmethod
    def of(cls, many: Sequence[Moments]) -> BlockSums:
        """Of moments of blocks, at least one."""
        return cls(held=Held.of(many))

    def __len__(self) -> int:
        return len(self._ranges) if self._held is None else len(self._held.counts)

    def __getitem__(self, block: Any) -> Any:
        if self._held is not None:
            return self._held.block(range(len(self))[block])
        assert self._rows is not None
        return Moments.of(self._rows[self._ranges[block]])

    def first_pass(self) -> Iterator[Moments]:
        """Each block's moments; what is to be held is held from then on."""
        held = self._to_hold()
        for index, part in enumerate(self):
            if held is not None:
                held.add(index, part)
            yield part
        if held is not None:
            self._held = held
            self.lock()

    def lock(self) -> None:
        """What is held is read-only from now on."""
        for array in self._held or ():
            array.flags.writeable = False

    def _to_hold(self) -> Held | None:
        """Room for what should be held and is not yet."""
        if self._held is not None or self._rows is None:
            return None
        dim = self._rows.shape[1]
        taken = len(self) * packed_bytes(dim)
        small = taken < MOST_PARTS or taken <= min(MOST_HELD, self._rows.nbytes)
        return Held.zeros(len(self), dim) if small else None

    @property
    def held(self) -> Held:
        """All of them at once."""
        return Held.of(self) if self._held is None else self._held

    def sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each block the number of rows [B], their sum and that of their squares [B, D]."""
        if self._held is not None:
            counts, totals, outers = self._held
            return counts, totals, triangles.diagonals(outers, totals.shape[1])
        found = [(len(x), x.sum(axis=0), np.square(x).sum(axis=0)) for x in self._blocks()]
        counts, totals, squares = map(np.array, zip(*found, strict=True))
        return counts, totals, squares

    def products(self, matrix: np.ndarray) -> np.ndarray:
        """sum x^T matrix x over the rows of each block, [B].

        Args:
            matrix: symmetric [D, D].
        """
        # Half of the work where they are to be held, and done for the next one too.
        deque(self.first_pass() if self._held is None else (), maxlen=0)
        if self._held is not None:
            return triangles.products(matrix, self._held.outers)
        return np.array([np.vdot(x @ matrix, x) for x in self._blocks()])

    def through(self, basis: np.ndarray) -> Iterator[Moments]:
        """Of each block the moments of its rows @ basis [D, d]."""
        if self._rows is None:
            yield from (part.through(basis) for part in self)
        else:
            yield from (Moments.of(x @ basis) for x in self._blocks())

    def _blocks(self) -> Iterator[np.ndarray]:
        assert self._rows is not None
        for block in self._ranges:
            yield np.asarray(self._rows[block], dtype=np.float64)


@dataclass(frozen=True)
class BlockedMoments:
    """Moments of samples, and of their blocks where these are known.

    Attributes:
        total: of all samples.
        parts: of the blocks in their order; empty where not known.
    """

    total: Moments
    parts: BlockSums = field(default_factory=BlockSums)

    def __post_init__(self) -> None:
        # Several metrics get it, and one of others may write on what it gets.
        self.parts.lock()
        self.total.total.flags.writeable = self.total.outer.flags.writeable = False

    @classmethod
    def of(cls, rows: np.ndarray) -> BlockedMoments:
        """Of feature rows [N, D], which may be mapped from a file.

        The same rows give the same bits. In memory at a time are a few matrices [D, D], and those
        of the blocks as far as `BlockSums` holds them.
        """
        parts, total = BlockSums(rows), Moments.zeros(rows.shape[1])
        for part in parts.first_pass():
            total = total + part
        return cls(total, parts)

    def parted(self, rows: np.ndarray) -> BlockedMoments:
        """The same with the parts of its rows [N, D], made when they are asked for."""
        return BlockedMoments(self.total, BlockSums(rows))

    @property
    def count(self) -> int:
        return self.total.count

    @property
    def divided(self) -> bool:
        """Whether there are blocks to leave out, and 2 samples at least without each."""
        largest = max((block.stop - block.start for block in ranges(self.count)), default=0)
        return len(self.parts) >= 2 and self.count - largest >= 2

    def left_out(self) -> Iterator[Moments]:
        """The moments without each block in turn."""
        if self.divided:
            yield from (self.total - part for part in self.parts)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays that `load` takes: triangles of the matrices, and of the blocks' where all of
        them together take less than 20 MB."""
        found = Held.of([self.total]).state
        if self.parts and len(self.parts) * packed_bytes(len(self.total.total)) < MOST_PARTS:
            found |= {f"block_{key}": array for key, array in self.parts.held.state.items()}
        return found

    @classmethod
    def load(cls, state: Mapping[str, np.ndarray]) -> BlockedMoments:
        """What `state` returned, to the bit.

        Raises:
            ValueError: the arrays do not belong together.
        """
        (total,) = BlockSums(held=Held.load(state, ""))
        parts = (
            BlockSums(held=Held.load(state, "block_")) if "block_count" in state else BlockSums()
        )
        if parts and sum(part.count for part in parts) != total.count:
            raise ValueError("blocks do not add up to the total")
        return cls(total, parts)


def packed_bytes(dim: int) -> int:
    """What moments of D features take in a file."""
    return 8 * (1 + dim + triangles.size(dim))
