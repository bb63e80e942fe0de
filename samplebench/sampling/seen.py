"""The states of a sampler that reports none, as its calls of the model show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

# A level of the grid may have been rounded to single precision.
_SAME = 1e-6


class Seen:
    """A model that notes the states it is asked at.

    The state on a level of the grid is the last that the model is asked at there: a corrector asks
    at its prediction before.

    Args:
        model: D(x; sigma), as the sampler sees it.
        grid: its levels.
    """

    def __init__(self, model: Any, grid: Tensor) -> None:
        self._model = model
        self.sigma_min, self.sigma_max = model.sigma_min, model.sigma_max
        self.round_sigma = model.round_sigma
        self._levels = grid.tolist()
        # Index of the level -> state and answer there.
        self._asked: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, x: Tensor, sigma: Any, *rest: Any, **more: Any) -> Any:
        state = x.clone()
        denoised = self._model(x, sigma, *rest, **more)
        index = self._index(sigma)
        if index is not None:
            self._asked[index] = (state, denoised)
        return denoised

    def run(
        self,
        function: Callable[..., Any],
        x: Tensor,
        grid: Tensor,
        callback: Callable[[Step], None],
        params: dict[str, Any],
    ) -> Any:
        """What the function answers, its states told when it is done."""
        end = function(self, x, grid, **params)
        steps = len(self._levels) - 1
        for i in range(steps):
            after = self._asked.get(i + 1)
            if i in self._asked and i + 1 < steps and after is not None:
                callback(Step(i, after[0], self._levels[i + 1], self._asked[i][1]))
        if steps - 1 in self._asked:
            callback(Step(steps - 1, end, self._levels[-1], self._asked[steps - 1][1]))
        return end

    def _index(self, sigma: Any) -> int | None:
        """Of the level of the grid that all samples have; None for any other."""
        values = sigma.flatten().tolist() if hasattr(sigma, "flatten") else [float(sigma)]
        low, high = min(values), max(values)
        for i, level in enumerate(self._levels):
            if level > 0 and abs(low / level - 1) < _SAME and abs(high / level - 1) < _SAME:
                return i
        return None
