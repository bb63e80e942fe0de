"""What is kept of a cell's images: moments, feature rows, the images themselves.

cells/HASH.moments-KEY.npz    sums over the features of one extractor
cells/HASH.features-KEY.npz   `features`, float32 [N, D]
cells/HASH.images.npz         `arr_0`, uint8 [N, H, W, C], as OpenAI's evaluator reads it

KEY is of the extractor. Each file has facts and a checksum over its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.files.archives import Unreadable
from samplebench.files.places import check_readable, file_at
from samplebench.files.sealed import Sealed, write_arrays
from samplebench.results.cell import hash_of
from samplebench.results.damage import Damaged, check_schema
from samplebench.results.record import ExtractorCondition

# What may be kept, each with all before it.
LEVELS = ("moments", "features", "images")
FEATURES, IMAGES = "features", "arr_0"
_NAME = re.compile(r"[0-9a-f]{64}\.((moments|features)-[0-9a-f]{8}|images)\.npz")
_MEND = "delete it and its cell is sampled again if needed"


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
        """Whether it is there; raises where something else is in its place."""
        return file_at(self.path(cell, level, key))

    def write(
        self, cell: str, level: str, key: str, arrays: Mapping[str, np.ndarray], **facts: Any
    ) -> None:
        """Keeps arrays with facts, e.g. the extractor that they are of."""
        base = {"schema": self._schema, "cell": cell, "kept": level, "key": key}
        write_arrays(self.path(cell, level, key), arrays, {**base, **facts})

    def moments(self, cell: str, key: str) -> dict[str, np.ndarray]:
        """Arrays of moments, whole; raises as `check` does, also for a changed number."""
        path = self.path(cell, "moments", key)
        try:
            arrays = self._opened(path, cell, "moments", key).arrays()
            for name, array in arrays.items():
                if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                    raise Unreadable(f"its {name} are not finite numbers")
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None
        return arrays

    def features(self, cell: str, key: str) -> np.ndarray:
        """Feature rows, float32 [N, D], mapped from the file; raises as `moments` does."""
        return self._mapped(cell, "features", key, FEATURES, np.dtype(np.float32), 2)

    def images(self, cell: str) -> np.ndarray:
        """uint8 [N, H, W, C], mapped from the file; raises as `moments` does."""
        return self._mapped(cell, "images", "", IMAGES, np.dtype(np.uint8), 4)

    def doubts(self, cell: str, level: str, key: str) -> list[str]:
        """Reasons why the same images give other numbers, each a line; raises as `check` does."""
        path = self.path(cell, level, key)
        try:
            found = self._opened(path, cell, level, key).facts.get("unsteady", [])
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []

    def of(self) -> list[Path]:
        """All that is kept."""
        return sorted(p for p in self.folder.glob("*.npz") if _NAME.fullmatch(p.name))

    def check(self, path: Path) -> None:
        """Looks at a file's facts; its numbers are not read.

        Raises:
            Damaged: they are not those of its name.
            InputError: a newer samplebench wrote it, or it is no file.
            EnvironmentError_: it cannot be read.
        """
        cell, level, *_ = path.name.split(".")
        level, _, key = level.partition("-")
        try:
            self._opened(path, cell, level, key)
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None

    def _mapped(
        self, cell: str, level: str, key: str, name: str, dtype: np.dtype[Any], ndim: int
    ) -> np.ndarray:
        path = self.path(cell, level, key)
        try:
            found = self._opened(path, cell, level, key)
            stored = found[name]
            if stored.dtype != dtype or stored.ndim != ndim:
                raise Unreadable(f"its {name} are {stored.text}")
            found.check()
            return stored.mapped()
        except Unreadable as error:
            raise Damaged(path, str(error), _MEND) from None

    def _opened(self, path: Path, cell: str, level: str, key: str) -> Sealed:
        check_readable(path)
        found = Sealed(path)
        check_schema(path, found.facts.get("schema"), self._schema, _MEND)
        wanted = {"cell": cell, "kept": level, "key": key}
        if wrong := next((k for k, v in wanted.items() if found.facts.get(k) != v), ""):
            raise Unreadable(f"its {wrong} is not that of its name")
        return found
