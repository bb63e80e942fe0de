"""A cell under way: what its blocks have added up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from samplebench.bench.block import Block
from samplebench.models.bound import per_sample
from samplebench.results.rows import RowsFile

# Images of a contact sheet.
SHEET = 64
_STAGES = ("sampling", "features")
# Of a state's arrays: kind, and shape, where None is any number.
_STATE: Mapping[str, tuple[str, tuple[int | None, ...]]] = {
    "stamp": ("U", ()),
    "counts": ("i", (6,)),
    "why": ("U", ()),
    "failed": ("U", (None, 2)),
    "unsteady": ("U", (None,)),
    "sheet": ("u", (None, None, None, None)),
    "seconds": ("f", (len(_STAGES),)),
    "files": ("U", (None,)),
    "crc": ("i", (None,)),
}


@dataclass
class Partial:
    """Everything a resumed run needs to end with the same bits.

    Attributes:
        stamp: of the machine and the versions that the blocks were computed by.
        files: rows so far by an extractor's key, and those of "images" where they are wanted.
        next_block: number of blocks so far; next_sample: of samples.
        evaluated, guided, drawn: as of its blocks, added up.
        nonfinite: samples that are not finite, or had an answer of the network that was not.
        why: who was not finite first, and where.
        failed: why an extractor's features are none, by its key.
        unsteady: reasons why the same seeds give other samples, each a line.
        sheet: uint8 [n, H, W, C], the first samples.
        seconds: by stage.
    """

    stamp: str
    files: Mapping[str, RowsFile]
    next_block: int = 0
    next_sample: int = 0
    evaluated: int = 0
    guided: int = 0
    drawn: int = 0
    nonfinite: int = 0
    why: str = ""
    failed: dict[str, str] = field(default_factory=dict)
    unsteady: list[str] = field(default_factory=list)
    sheet: np.ndarray = field(default_factory=lambda: np.zeros((0,), dtype=np.uint8))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_STAGES, 0.0))

    @property
    def nfe(self) -> float:
        """Network evaluations per sample, counted over all blocks."""
        return per_sample(self.evaluated, self.drawn)

    @property
    def guide_nfe(self) -> float:
        """Further passes of guidance per sample, likewise."""
        return per_sample(self.guided, self.drawn)

    def fold(self, block: Block) -> None:
        """Adds the next block.

        Raises:
            ValueError: it is not the next one; the order decides bits.
        """
        if block.index != self.next_block:
            raise ValueError(f"block {block.index} is not the next one, {self.next_block}")
        for key, file in self.files.items():
            if key == "images":
                file.write(block.first, block.images)
            elif key in block.rows and key not in self.failed:
                file.write(block.first, block.rows[key])
        for key, why in block.failed.items():
            self.failed.setdefault(key, why)
        if len(sheet := block.images[: max(0, SHEET - block.first)]):
            self.sheet = np.concatenate([self.sheet.reshape(-1, *sheet.shape[1:]), sheet])
        self.evaluated += block.evaluated
        self.guided += block.guided
        self.drawn += block.drawn
        self.nonfinite += block.nonfinite
        self.why = self.why or block.why
        self.doubt(block.doubts)
        for stage in _STAGES:
            self.seconds[stage] += block.seconds[stage]
        self.next_block, self.next_sample = block.index + 1, block.first + len(block.images)

    def doubt(self, lines: Iterable[str]) -> None:
        """Notes reasons why the same seeds give other samples, each once."""
        self.unsteady.extend(line for line in dict.fromkeys(lines) if line not in self.unsteady)

    def rows(self, key: str) -> np.ndarray:
        """All rows so far, mapped: features float64 [N, D], or images uint8 [N, H, W, C]."""
        return self.files[key].mapped(self.next_sample)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays that `load` restores; the rows are on the disk when they are made."""
        for file in self.files.values():
            file.sync()
        counts = (
            self.next_block, self.next_sample, self.evaluated, self.guided, self.drawn,
            self.nonfinite,
        )  # fmt: skip
        return {
            "stamp": np.array(self.stamp),
            "counts": np.array(counts, dtype=np.int64),
            "why": np.array(self.why),
            "failed": np.array([*self.failed.items()], dtype=np.str_).reshape(-1, 2),
            "unsteady": np.array(self.unsteady, dtype=np.str_),
            "sheet": self.sheet,
            "seconds": np.array([self.seconds[stage] for stage in _STAGES]),
            "files": np.array([*self.files], dtype=np.str_),
            "crc": np.array([file.crc for file in self.files.values()], dtype=np.int64),
        }

    def resume(self, state: Mapping[str, np.ndarray]) -> bool:
        """Takes up what `state` returned; False where it may not, and nothing is changed.

        Half a cell from another machine or version would end as a mixture of both; rows that are
        not those of the state are none.
        """
        if not _whole(state) or str(state["stamp"]) != self.stamp:
            return False
        crc = dict(zip(state["files"].tolist(), state["crc"].tolist(), strict=True))
        failed = {str(key): str(why) for key, why in state["failed"]}
        counts = state["counts"].tolist()
        for key, file in self.files.items():
            if key not in crc or not (key in failed or file.holds(counts[1], crc[key])):
                return False
        (
            self.next_block, self.next_sample, self.evaluated, self.guided, self.drawn,
            self.nonfinite,
        ) = counts  # fmt: skip
        self.why, self.failed = str(state["why"]), failed
        self.unsteady = [str(line) for line in state["unsteady"]]
        self.sheet = state["sheet"]
        self.seconds = dict(zip(_STAGES, state["seconds"].tolist(), strict=True))
        for key, file in self.files.items():
            file.crc = crc[key]
        return True


def _whole(state: Mapping[str, np.ndarray]) -> bool:
    """Whether these are the arrays of a state of some block."""
    for key, (kind, shape) in _STATE.items():
        if key not in state or state[key].dtype.kind != kind or state[key].ndim != len(shape):
            return False
        sizes = zip(state[key].shape, shape, strict=True)
        if any(wanted not in (None, size) for size, wanted in sizes):
            return False
    possible = bool((state["counts"] >= 0).all() and (state["seconds"] >= 0).all())
    return possible and len(state["files"]) == len(state["crc"])
