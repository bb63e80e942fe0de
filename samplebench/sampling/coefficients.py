"""Rows of a solver card from the states of a run, whatever method made them.

A row is written from one state before it, and the answers that this state does not have already.
Of a method in eps and of one in x0 other states and another prediction take few numbers: all are
tried, so that Euler's card reads x + h eps, and that of a multistep method its points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from samplebench.cards.card import Rows
from samplebench.errors import UsageError
from samplebench.sampling.tape import Tape

# What is rounding alone, of the largest that a coefficient has been.
_ROUNDING = 4e-15
# Noise levels that are one but for the rounding of another time and back.
_NEAR = 1e-13


@dataclass(frozen=True)
class Coefficients:
    """A run in one prediction: x_{i+1} = sum_j a_ij x_j + sum_j c_ij v(x_j, t_j).

    Attributes:
        predicts: what v is, "eps" or "x0".
        times: noise levels of the states, n + 1.
        a, c: n rows each; row i has i + 1 numbers.
    """

    predicts: str
    times: tuple[float, ...]
    a: Rows
    c: Rows

    @classmethod
    def of(cls, tape: Tape, end: np.ndarray, first: float, last: float) -> Self:
        """The rows of a recorded run.

        Args:
            end: coefficients of its result.
            first, last: noise levels of its start, first times the latents, and of its result.

        Raises:
            UsageError: it takes nothing from the model, or has numbers that no card can have.
        """
        vectors = np.vstack([*tape.states, end])
        vectors[:, 0] /= first
        if not np.isfinite(vectors).all():
            raise UsageError("its coefficients are not finite")
        if not (needed := _needed(vectors)):
            raise UsageError("its result does not depend on the model")
        vectors = vectors[[*needed, -1]][:, [0, *(k + 1 for k in needed)]]
        times, unasked = [*(tape.levels[k] for k in needed), last], 0
        start = np.eye(1, len(needed) + 1)[0]
        if not np.allclose([*vectors[0], times[0]], [*start, first], rtol=_NEAR, atol=_NEAR):
            # It is asked elsewhere first: its start is a state of its own.
            vectors, times, unasked = np.vstack([start, vectors]), [first, *times], 1
        if not vectors.any(axis=1).all():
            raise UsageError("it evaluates the model at a zero state")
        rows = [_row(vectors[: i + 2], times[: i + 2], unasked) for i in range(len(vectors) - 1)]
        a, c = zip(*rows, strict=True)
        return cls(tape.predicts, tuple(times), a, c)

    @property
    def size(self) -> tuple[int, int]:
        """How many answers are used, each time that one is, and states with a number."""
        return sum(map(np.count_nonzero, self.c)), sum(
            n not in (0, 1) for row in self.a for n in row
        )


def _needed(vectors: np.ndarray) -> list[int]:
    """The answers that the last state depends on, through whatever others; arguments as of `_row`,
    where state k asks for answer k."""
    counts = np.abs(vectors) > _ROUNDING * np.abs(vectors).max(0)
    seen, needed = counts[-1], []
    for k in reversed(range(len(vectors) - 1)):
        if seen[k + 1]:
            needed.append(k)
            seen = seen | counts[k]
    return needed[::-1]


def _row(
    vectors: np.ndarray, times: Sequence[float], unasked: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(a, c) of the last state from one before it: that which leaves the fewest answers.

    Where there is a choice, one at another level, as a step has it; and the latest.

    Args:
        vectors: coefficients of the states, [n + 1, size], of the start first.
        times: their noise levels.
        unasked: how many of the first are asked for no answer.
    """
    *before, last = vectors
    starts = np.array([state[0] for state in before])
    small = _ROUNDING * np.abs(vectors).max(0)
    usable = (abs(last[0]) <= small[0]) | (np.abs(starts) > small[0])
    keep = np.zeros(len(before))
    if abs(last[0]) > small[0]:
        keep[usable] = last[0] / starts[usable]
    keep[np.abs(keep - 1) <= _ROUNDING] = 1
    rest = last - keep[:, None] * before
    rest[np.abs(rest) <= small] = 0
    used = np.count_nonzero(rest[:, 1:], axis=1)
    level = np.isclose(times[:-1], times[-1], rtol=1e-9, atol=0)
    j = min(
        np.flatnonzero(usable).tolist(),
        key=lambda j: (used[j], keep[j] not in (0, 1), level[j], -j),
    )
    a = [float(keep[j]) * (k == j) + 0.0 for k in range(len(before))]
    c = [0.0] * unasked + rest[j, 1 : len(before) + 1 - unasked].tolist()
    return tuple(a), tuple(c)
