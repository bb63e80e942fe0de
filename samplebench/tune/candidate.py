"""What a search proposes: noise levels, and parameters of the sampler on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
