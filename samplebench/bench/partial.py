"""A cell under way: what its blocks have added up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from samplebench.metrics.moments import BlockedMoments
from samplebench.models.bound import per_sample


@dataclass
class Partial:
    """Everything a resumed run needs to end with the same bits.

    Attributes:
        stamp: of the machine and the versions that the blocks were computed by.
        next_block: number of blocks so far.
        evaluated, rows: images that the network got, samples drawn; padding counts in both.
        nonfinite: samples that are not finite, or had an answer of the network that was not.
        why: who was not finite first, and where.
        unsteady: reasons why the same seeds give other samples, each a line.
        sheet: uint8 [n, H, W, C], the first samples.
        seconds: by stage.
    """

    moments: BlockedMoments
    stamp: str
    next_block: int = 0
    evaluated: int = 0
    rows: int = 0
    nonfinite: int = 0
    why: str = ""
    unsteady: list[str] = field(default_factory=list)
    sheet: np.ndarray = field(default_factory=lambda: np.zeros((0,), dtype=np.uint8))
    seconds: dict[str, float] = field(default_factory=lambda: {"sampling": 0.0, "features": 0.0})

    def state(self) -> dict[str, np.ndarray]:
        counts = (self.next_block, self.evaluated, self.rows, self.nonfinite)
        return {
            **self.moments.state(),
            "stamp": np.array(self.stamp),
            "counts": np.array(counts, dtype=np.int64),
            "why": np.array(self.why),
            "unsteady": np.array(self.unsteady, dtype=np.str_),
            "sheet": self.sheet,
            "seconds": np.array([self.seconds["sampling"], self.seconds["features"]]),
        }

    @property
    def nfe(self) -> float:
        """Network evaluations per sample, counted over all blocks."""
        return per_sample(self.evaluated, self.rows)

    def count(self, evaluated: int, rows: int, nonfinite: int, why: str, first: np.ndarray) -> None:
        """Adds a block: what it took, and its part of the sheet, uint8 [n, H, W, C].

        Args:
            why: who was not finite, if any sample was.
        """
        self.evaluated += evaluated
        self.rows += rows
        self.nonfinite += nonfinite
        self.why = self.why or (why if nonfinite else "")
        if len(first):
            self.sheet = np.concatenate([self.sheet.reshape(-1, *first.shape[1:]), first])

    def doubt(self, reason: str) -> None:
        """Notes a reason why the same seeds give other samples."""
        if reason not in self.unsteady:
            self.unsteady.append(reason)

    def accepts(self, state: Mapping[str, np.ndarray]) -> bool:
        """Whether `load` may take it: the same arrays, from a machine and version like this one.

        Half a cell from another would end as a mixture of both; one of a version that did not
        watch the network may hide what was not finite.
        """
        blocks, dim = len(self.moments.blocks), len(self.moments.blocks[0].total)
        shapes = {
            "stamp": (), "count": (blocks,), "total": (blocks, dim), "outer": (blocks, dim, dim),
            "counts": (4,), "seconds": (2,), "why": (),
        }  # fmt: skip
        fits = all(key in state and state[key].shape == shape for key, shape in shapes.items())
        fits = fits and "sheet" in state and "unsteady" in state and state["unsteady"].ndim == 1
        return fits and str(state["stamp"]) == self.stamp

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        self.moments.load(dict(state))
        self.next_block, self.evaluated, self.rows, self.nonfinite = state["counts"].tolist()
        self.why, self.unsteady = str(state["why"]), [str(line) for line in state["unsteady"]]
        self.sheet = state["sheet"]
        self.seconds = dict(zip(("sampling", "features"), state["seconds"].tolist(), strict=True))
