"""What is kept of a cell's images: moments, feature rows, the images themselves.

cells/HASH.moments-KEY.npz    sums over the features of one extractor
cells/HASH.features-KEY.npz   `features`, float32 [N, D]
cells/HASH.images.npz         `arr_0`, uint8 [N, H, W, C], as OpenAI's evaluator reads it

KEY is of the extractor. Each file has facts and a checksum over its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.files.archives import Unreadable
from samplebench.files.sealed import Sealed, write_arrays
from samplebench.results.cell import hash_of
from samplebench.results.damage import Damaged
from samplebench.results.record import ExtractorCondition

# What may be kept, each with all before it.
LEVELS = ("moments", "features", "images")
FEATURES, IMAGES = "features", "arr_0"
_MEND = "delete it; its cell is sampled again where it is needed"


def key_of(extractor: ExtractorCondition, code: str = "") -> str:
    """Of an extractor: 8 hex digits.

    Args:
        extractor: its name, weights and number of features.
        code: fingerprint of one of others.
    """
    return hash_of({**extractor, "code": code})[:8]


class Kept:
    """The files beside the cells of a results folder.

    Args:
        folder: `cells`.
        schema: written into the facts.
    """

    def __init__(self, folder: Path, schema: int) -> None:
        self.folder, self._schema = folder, schema

    def path(self, cell: str, level: str, key: str = "") -> Path:
        """Where a statistic of an extractor is, or the images."""
        return self.folder / f"{cell}.{level}{f'-{key}' if key else ''}.npz"

    def has(self, cell: str, level: str, key: str = "") -> bool:
        return self.path(cell, level, key).is_file()

    def write(
        self, cell: str, level: str, key: str, arrays: Mapping[str, np.ndarray], **facts: Any
    ) -> None:
        """Keeps arrays with facts, e.g. the extractor that they are of."""
        base = {"schema": self._schema, "cell": cell, "kept": level, "key": key}
        write_arrays(self.path(cell, level, key), arrays, {**base, **facts})

    def moments(self, cell: str, key: str) -> dict[str, np.ndarray]:
        """Arrays of moments, whole.

        Raises:
            Damaged: they are not what was written.
        """
        path = self.path(cell, "moments", key)
        try:
            arrays = self._opened(path, cell, "moments", key).arrays()
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None
        return arrays

    def features(self, cell: str, key: str) -> np.ndarray:
        """Feature rows, float32 [N, D], mapped from the file.

        Raises:
            Damaged: they are not what was written.
        """
        return self._mapped(self.path(cell, "features", key), cell, "features", key, FEATURES)

    def images(self, cell: str) -> np.ndarray:
        """uint8 [N, H, W, C], mapped from the file; raises as `features` does."""
        return self._mapped(self.path(cell, "images"), cell, "images", "", IMAGES)

    def of(self, cells: Iterator[str] | None = None) -> list[Path]:
        """All that is kept, of these cells or of all."""
        wanted = None if cells is None else set(cells)
        found = [path for level in LEVELS for path in self.folder.glob(f"*.{level}*.npz")]
        return sorted(p for p in found if wanted is None or p.name.partition(".")[0] in wanted)

    def check(self, path: Path) -> None:
        """Raises `Damaged` where a file's facts are not those of its name; numbers are not read."""
        cell, level, *_ = path.name.split(".")
        level, _, key = level.partition("-")
        try:
            self._opened(path, cell, level, key)
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None

    def _mapped(self, path: Path, cell: str, level: str, key: str, name: str) -> np.ndarray:
        try:
            found = self._opened(path, cell, level, key)
            found.check()
            return found[name].mapped()
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None

    def _opened(self, path: Path, cell: str, level: str, key: str) -> Sealed:
        found = Sealed(path)
        wanted = {"cell": cell, "kept": level, "key": key}
        if wrong := next((k for k, v in wanted.items() if found.facts.get(k) != v), ""):
            raise Unreadable(f"its {wrong} is not that of its name")
        return found
