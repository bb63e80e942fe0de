"""Files that carry a checksum over their content: JSON objects, arrays with facts about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.files.archives import Arrays, Stored, Unreadable
from samplebench.files.atomic import atomic

CHECKSUM = "checksum"
_FACTS = "facts"
# Characters of `facts`; ours are a few hundred.
_MOST_FACTS = 10_000
_ROWS = 4096


def json_checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 over an object without its own checksum, however it is laid out."""
    bare = {key: value for key, value in content.items() if key != CHECKSUM}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes an object with its checksum, atomically. JSON has no NaN, and none is written."""
    text = json.dumps(
        {**content, CHECKSUM: json_checksum(content)}, indent=1, sort_keys=True, allow_nan=False
    )
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Writes an uncompressed .npz with facts, which carry a checksum over the arrays, atomically.

    Args:
        path: of the file.
        arrays: of plain numbers; those mapped from a file are never whole in memory.
        facts: plain values.
    """
    sums = {key: _digest(_pieces(array), array) for key, array in arrays.items()}
    text = json.dumps({**facts, CHECKSUM: json_checksum({**facts, "arrays": sums})}, sort_keys=True)
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays, facts=np.array(text))  # type: ignore[arg-type]


class Sealed:
    """A file of `write_arrays`, of which only facts and headers have been read.

    Attributes:
        facts: as they were written.

    Raises:
        Unreadable: it is none.
    """

    def __init__(self, path: Path) -> None:
        self._arrays = Arrays(path)
        if _FACTS not in self._arrays.keys:
            raise Unreadable(f"it holds {self._arrays.named()} without facts")
        facts = facts_of(self._arrays[_FACTS])
        if not isinstance(facts, dict):
            raise Unreadable("its facts are not an object")
        self.facts: dict[str, Any] = facts
        self.keys = tuple(key for key in self._arrays.keys if key != _FACTS)

    def __getitem__(self, key: str) -> Stored:
        """The header of an array.

        Raises:
            Unreadable: there is none.
        """
        if key not in self.keys:
            raise Unreadable(f"it holds {self._arrays.named()}, not {key}")
        return self._arrays[key]

    def check(self) -> None:
        """Reads all arrays once, in pieces.

        Raises:
            Unreadable: they are not what was written.
        """
        sums = {key: _digest(_pieces_of(self[key]), self[key]) for key in self.keys}
        try:
            found = json_checksum({**self.facts, "arrays": sums})
        except ValueError:
            raise Unreadable("its facts hold what is not a number") from None
        if found != self.facts.get(CHECKSUM):
            raise Unreadable("its checksum does not match its numbers")

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, checked and in memory."""
        self.check()
        return {key: self[key].whole() for key in self.keys}


def facts_of(stored: Stored) -> Any:
    """The JSON in an array that is a short text.

    Raises:
        Unreadable: it is none.
    """
    if stored.dtype.kind != "U" or stored.nbytes > 4 * _MOST_FACTS or stored.shape != ():
        raise Unreadable(f"its facts are {stored.text}, not a short text")
    try:
        return json.loads(str(stored.whole()))
    except (ValueError, RecursionError):
        raise Unreadable("its facts are not JSON") from None


def _pieces(array: np.ndarray) -> Iterable[np.ndarray]:
    if array.ndim == 0:
        return [array]
    return (array[start : start + _ROWS] for start in range(0, len(array), _ROWS))


def _pieces_of(stored: Stored) -> Iterable[np.ndarray]:
    return stored.pieces(_ROWS) if stored.ndim else [stored.whole()]


def _digest(pieces: Iterable[np.ndarray], like: np.ndarray | Stored) -> str:
    """Of numbers in order, with their kind and shape."""
    found = hashlib.sha256(f"{like.dtype.str} {list(like.shape)}".encode())
    for piece in pieces:
        found.update(piece.tobytes())
    return found.hexdigest()
