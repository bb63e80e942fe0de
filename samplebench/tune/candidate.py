"""What a search proposes: noise levels, and parameters of the sampler on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samplebench.errors import UsageError


@dataclass(frozen=True)
class Candidate:
    """A time grid, and what the sampler is given beside it.

    Attributes:
        levels: noise levels, decreasing; the last 0 or positive, where the run ends.
        params: of the sampler's parameters those that were searched for.
    """

    levels: tuple[float, ...]
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal of equal candidates."""
        return self.levels, tuple(sorted(self.params.items()))

    @property
    def to_zero(self) -> bool:
        return self.levels[-1] == 0

    @property
    def positive(self) -> tuple[float, ...]:
        """The levels above 0."""
        return self.levels[: len(self.levels) - self.to_zero]


def interpolated(levels: Sequence[float], count: int) -> tuple[float, ...]:
    """Positive levels read off others, linear in log sigma over their index (Sabour et al. 2024).

    Args:
        levels: positive and decreasing, two or more.
        count: how many, two or more.

    Raises:
        UsageError: fewer than two.
    """
    if min(len(levels), count) < 2:
        raise UsageError(f"{min(len(levels), count)} noise levels: two at least have a way between")
    at = np.linspace(0, len(levels) - 1, count)
    found = np.exp(np.interp(at, np.arange(len(levels)), np.log(levels))).tolist()
    return (float(levels[0]), *found[1:-1], float(levels[-1]))
