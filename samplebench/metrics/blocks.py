"""Blocks of samples by their index, each of which can be left out: what error bars need."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

BLOCKS = 20
T = TypeVar("T")


def _package(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__module__", "")).partition(".")[0]


def ranges(count: int, blocks: int = BLOCKS) -> list[slice]:
    """Sample i is in block i * blocks // count: nearly equal ranges, however samples were batched.

    Args:
        count: number of samples.
        blocks: at most so many; fewer where there are fewer samples.
    """
    blocks = min(blocks, count)
    edges = [-(-block * count // blocks) for block in range(blocks + 1)] if blocks else []
    return [slice(a, b) for a, b in pairwise(edges)]


class Blocked(Protocol):
    """A statistic of samples.

    Attributes:
        count: number of samples.
        total: what a metric gets.
    """

    @property
    def count(self) -> int: ...

    @property
    def total(self) -> Any: ...

    def left_out(self) -> Iterator[Any]:
        """The statistic without each block in turn; nothing where the blocks are not known, or
        fewer than 2 samples would be left."""
        ...


@dataclass(frozen=True, eq=False)
class BlockedRows:
    """Feature rows, for metrics that declare `statistic="features"`.

    Attributes:
        rows: real numbers [N, D], read-only; may be mapped from a file.
    """

    rows: np.ndarray
    _made: dict[tuple[str, Hashable], Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        # Several metrics get them, and one of others may write on what it gets.
        rows = self.rows.view()
        rows.flags.writeable = False
        object.__setattr__(self, "rows", rows)

    @property
    def blocks(self) -> list[slice]:
        """The rows' blocks, by their indices."""
        return ranges(self.count)

    @property
    def left(self) -> np.ndarray:
        """How many rows there are without each block in turn."""
        return self.count - np.array([block.stop - block.start for block in self.blocks])

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What several metrics of one package need of these rows, made by the first of them.

        Args:
            key: what is made, with all that decides it; another package may use the same.
        """
        place = (_package(make), key)
        if place not in self._made:
            self._made[place] = make()
        made: T = self._made[place]
        return made

    def forget(self) -> None:
        """Drops what code of others has made of them, which may have changed since."""
        for place in [place for place in self._made if place[0] != _package(ranges)]:
            del self._made[place]

    @property
    def count(self) -> int:
        return len(self.rows)

    @property
    def total(self) -> np.ndarray:
        return self.rows

    def left_out(self) -> Iterator[np.ndarray]:
        """The rows without each block in turn, copied."""
        if len(self.blocks) < 2 or self.left.min() < 2:
            return
        for block in self.blocks:
            yield np.concatenate([self.rows[: block.start], self.rows[block.stop :]])


@dataclass(frozen=True)
class WithoutErrorBar:
    """What a metric declares as `blocked` whose value without a block says nothing of its error.

    Attributes:
        function: the metric.
    """

    function: Callable[[Any, Any], Any]

    def __post_init__(self) -> None:
        # Whose code it is, is that of the function.
        object.__setattr__(self, "__module__", self.function.__module__)

    def __call__(self, statistic: Blocked, reference: Any) -> tuple[Any, list[float]]:
        """What the function says of all samples, and no delete-one value."""
        given = reference.total if isinstance(reference, BlockedRows) else reference
        return self.function(statistic.total, given), []
