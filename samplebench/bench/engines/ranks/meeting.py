"""How the processes of one start find each other where those of an earlier one have left traces.

torchrun restarts its processes with the store that the earlier ones have written their addresses
into, and counts restarts for each machine apart. So each process writes a name of its own, made
anew, and rank 0 the names that it has read; who finds its own among them has met the right ones.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Protocol

_LOOK = 0.05  # seconds between two looks


class Board(Protocol):
    """Where all processes write and read, as torch's stores."""

    def set(self, key: str, value: str) -> None: ...

    def get(self, key: str) -> bytes: ...

    def check(self, keys: list[str]) -> bool: ...


def meet(board: Board, rank: int, world: int, patience: float) -> str:
    """A word that only the processes of this start share.

    Args:
        rank: of this process.
        world: number of processes.
        patience: seconds.

    Raises:
        TimeoutError: not all of them are there.
    """
    name, end = secrets.token_hex(8), time.monotonic() + patience
    _write(board, f"here/{rank}", name)
    while time.monotonic() < end:
        if rank == 0:
            names = [name, *(_read(board, f"here/{other}") for other in range(1, world))]
            _write(board, "met", names)
            if all(_read(board, f"seen/{other}") == names for other in range(1, world)):
                _write(board, "start", names)
                return name
        else:
            names = _read(board, "met")
            if isinstance(names, list) and name in names:
                _write(board, f"seen/{rank}", names)
                if _read(board, "start") == names:
                    return str(names[0])
        time.sleep(_LOOK)
    raise TimeoutError(f"not all {world} processes have connected after {patience:.0f} s")


def _write(board: Board, key: str, value: Any) -> None:
    board.set(f"samplebench/{key}", json.dumps(value))


def _read(board: Board, key: str) -> Any:
    key = f"samplebench/{key}"
    return json.loads(board.get(key)) if board.check([key]) else None
