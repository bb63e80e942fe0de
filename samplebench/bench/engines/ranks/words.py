"""What the processes of a sweep say to each other: plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samplebench.bench.block import Block, count_of
from samplebench.bench.engines.failure import Failure
from samplebench.results.cell import Cell
from samplebench.results.record import Conditions


# Rank 0 to the others.
@dataclass(frozen=True)
class Fetched:
    """The files that the sweep needs are on the machine of rank 0."""


@dataclass(frozen=True)
class Planned:
    """All cells by hash, and by model those that are sampled."""

    cells: Mapping[str, Conditions]
    sampled: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Share:
    """Of each cell of a model the first block that is missing, and the stamp of its blocks."""

    model: str
    starts: Sequence[int]
    stamp: str


@dataclass(frozen=True)
class Folded:
    """One more block of yours is where it belongs."""


@dataclass(frozen=True)
class Halt:
    """Finish the block under way, and no other."""


@dataclass(frozen=True)
class End:
    """All is done: what came of it, or why not."""

    outcome: Any
    failure: Failure | None


# The others to rank 0.
@dataclass(frozen=True)
class Made:
    """A block at its place among all blocks, and what of the model has changed meanwhile."""

    place: int
    block: Block
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Bye:
    """Nothing more comes from here: all is done, or why not."""

    failure: Failure | None


def last(message: Any) -> bool:
    """Whether nothing comes after a message."""
    return isinstance(message, Bye | End)


def places(cells: Sequence[Cell], starts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The missing blocks of a model in their order: which of its cells, and which of its blocks.

    Block k of these is computed by rank k modulo their number.

    Args:
        starts: of each cell the first block that is missing.
    """
    for number, (cell, start) in enumerate(zip(cells, starts, strict=True)):
        for index in range(start, count_of(cell.conditions)):
            yield number, index
