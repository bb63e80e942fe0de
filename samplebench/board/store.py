"""What was measured, in small files under the hash of all that decides it: a killed board goes on.

Two commands may share a folder; both write the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.archives import Arrays
from samplebench.files.atomic import atomic, write_atomic
from samplebench.results.cell import hash_of


@dataclass(frozen=True)
class Measured:
    """What one set of samples is worth.

    Attributes:
        w2: distance to exact draws, inf where a sample is not finite.
        excess: its square without what finite sets have of their own; inf likewise.
        truncation: median error against the ODE's solution, None where there is none to follow.
    """

    w2: float
    excess: float
    truncation: float | None = None


class Shelf:
    """The folder of a board's finished parts.

    Args:
        folder: made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def value(self, conditions: Mapping[str, Any]) -> Measured | None:
        """What was measured under these conditions; None for nothing, and for what is damaged."""
        path = self._path(conditions, "json")
        try:
            found = texts.read_json(path, path.name)
            error = found["truncation"]
            error = None if error is None else _number(error)
            return Measured(_number(found["w2"]), _number(found["excess"]), error)
        except (InputError, KeyError, TypeError, ValueError):
            return None

    def keep(self, conditions: Mapping[str, Any], value: Measured) -> None:
        said = {
            "w2": _written(value.w2),
            "excess": _written(value.excess),
            "truncation": None if value.truncation is None else _written(value.truncation),
        }
        write_atomic(self._path(conditions, "json"), json.dumps(said).encode(), sync=False)

    def arrays(self, conditions: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
        """The arrays that were kept under these conditions; None as for `value`."""
        path = self._path(conditions, "npz")
        try:
            held = Arrays(path)
            return {name: held[name].whole() for name in held.keys}
        except (InputError, OSError, ValueError):
            return None

    def keep_arrays(self, conditions: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        with atomic(self._path(conditions, "npz"), sync=False) as path, path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _path(self, conditions: Mapping[str, Any], suffix: str) -> Path:
        return self.folder / f"{hash_of(conditions)}.{suffix}"


def _number(value: Any) -> float:
    """Of a file; text stands for what JSON cannot hold.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    return float(value)


def _written(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
