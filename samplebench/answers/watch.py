"""Were all answers finite? Noted on the device at every evaluation, read once per block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

# So many marks are read at once at the latest: an adaptive sampler may take any number of steps.
_MOST = 512

# Who answered, at which evaluation, and where: its kind and the value.
Place = tuple[str, int, str, Any]


class Watch:
    """Over the evaluations of one batch.

    Args:
        batch: N, the number of samples.

    Attributes:
        first: int64 [N], the evaluation (from 1) at which a sample's answer was not finite first; 0
            where none was. As of the last `look`.
    """

    def __init__(self, batch: int) -> None:
        self.batch, self.first = batch, np.zeros(batch, dtype=np.int64)
        self._marks: list[Tensor] = []
        self._places: list[Place] = []
        self._rows: list[np.ndarray | None] = []
        self._found: dict[int, Place] = {}

    def see(
        self, answer: Tensor, who: str, number: int, kind: str, at: Any, rows: Tensor | None = None
    ) -> None:
        """Notes an answer [n, ...]; no device waits for it.

        Args:
            answer: rows of samples.
            who: gave it.
            number: of the evaluation, from 1.
            kind, at: where on the trajectory, e.g. "sigma" and its value.
            rows: int64 [n], which samples they are; None: copies of all N one after the other,
                where n is a multiple of N, and else any.
        """
        # 0 * x is 0 for every finite x, and sums to NaN where one is not.
        self._marks.append((answer.flatten(1) * 0).sum(1))
        self._places.append((who, number, kind, at))
        self._rows.append(None if rows is None else rows.numpy())
        if len(self._marks) >= _MOST:
            self.look()

    def look(self) -> np.ndarray:
        """`first`, over all answers so far; waits for the device."""
        import torch

        if not self._marks:
            return self.first
        bad = torch.cat(self._marks).isnan().cpu().numpy()
        if bad.any():
            ends = np.cumsum([len(mark) for mark in self._marks])
            parts = np.split(bad, ends[:-1])
            for part, place, rows in zip(parts, self._places, self._rows, strict=True):
                self._enter(part, place, rows)
        self._marks.clear()
        self._places.clear()
        self._rows.clear()
        return self.first

    def _enter(self, bad: np.ndarray, place: Place, rows: np.ndarray | None) -> None:
        if not bad.any():
            return
        lost = np.zeros(self.batch, dtype=bool)
        if rows is not None:
            lost[rows[bad]] = True
        elif len(bad) % self.batch == 0:
            lost |= bad.reshape(-1, self.batch).any(0)
        else:
            lost[:] = True
        self.first[(self.first == 0) & lost] = place[1]
        self._found.setdefault(place[1], place)

    def why(self, count: int | None = None) -> str:
        """Who was not finite first, and where; "" where all was.

        Args:
            count: only the first so many samples matter; None for all.
        """
        lost = self.look()[:count]
        if not lost.any():
            return ""
        who, number, kind, at = self._found[int(lost[lost > 0].min())]
        value = float(at.max()) if hasattr(at, "max") else at
        return f"{who} was not finite from evaluation {number} on ({kind} {value:.4g})"
