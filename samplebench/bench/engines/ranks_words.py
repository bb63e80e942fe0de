"""What the processes of a sweep say to each other: plain values."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samplebench.bench.block import Block, count_of
from samplebench.bench.stop import Interrupted
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError, UsageError
from samplebench.results.cell import Cell
from samplebench.results.record import Conditions


@dataclass(frozen=True)
class Failure:
    """An error, told where it did not happen.

    Attributes:
        kind: the class of the error that is raised for it.
        text: its message.
        signal: that stopped the run, 0 for none.
    """

    kind: str
    text: str
    signal: int = 0

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        if isinstance(error, Interrupted):
            return cls("", str(error), error.exit_code - 128)
        if isinstance(error, KeyboardInterrupt):
            return cls("", "SIGINT", signal.SIGINT)
        kind = next((k for k in _KINDS if isinstance(error, _KINDS[k])), "")
        return cls(kind, str(error) if kind else f"{type(error).__name__}: {error}")

    def error(self) -> BaseException:
        """What is to be raised."""
        if self.signal:
            return Interrupted(self.signal)
        return _KINDS.get(self.kind, RuntimeError)(self.text)


_KINDS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (UsageError, InputError, EnvironmentError_, SamplebenchError)
}


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
