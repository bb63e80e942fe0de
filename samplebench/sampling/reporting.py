"""The states of a sampler that reports none, as its calls of the model show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from samplebench.answers.rounding import SINGLE
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor


class _Asked(NamedTuple):
    """A level of the grid at which the model was asked.

    Attributes:
        place: of the level in the grid; -1 for none.
        state: at which it was asked last there.
        denoised: what it had answered before that.
    """

    place: int
    state: Any
    denoised: Any


class ReportingModel:
    """A model that tells of the states it is asked at, those on levels of the grid.

    The state on a level is the last one there: a corrector asks at its prediction before. So it is
    told when the model is asked on a lower one, an evaluation late.

    Args:
        model: D(x; sigma), as the sampler sees it.
        grid: its levels.
        callback: is told.
    """

    def __init__(self, model: Any, grid: Tensor, callback: Callable[[Step], None]) -> None:
        self._model, self._callback = model, callback
        self.sigma_min, self.sigma_max = model.sigma_min, model.sigma_max
        self.round_sigma = model.round_sigma
        self._levels = grid.tolist()
        self._answer: Any = None  # the latest
        self._last = _Asked(-1, None, None)
        self._before = -2  # the place that was the last one before

    def __call__(self, x: Tensor, sigma: Any, *rest: Any, **more: Any) -> Any:
        index, state = self._index(sigma), x.clone()
        if index > self._last.place:
            self._tell()
            self._before = self._last.place
        if index >= self._last.place:
            self._last = _Asked(index, state, self._answer)
        self._answer = self._model(x, sigma, *rest, **more)
        return self._answer

    def end(self, x: Tensor) -> Tensor:
        """Tells of the last states, and hands on the result."""
        self._tell()
        index = self._last.place
        if index == len(self._levels) - 2:
            self._callback(Step(index, x, self._levels[-1], self._answer))
        return x

    def _tell(self) -> None:
        """Of the step to the last level, where the model was asked on the one before, too."""
        index, state, denoised = self._last
        if self._before == index - 1 >= 0:
            self._callback(Step(index - 1, state, self._levels[index], denoised))

    def _index(self, sigma: Any) -> int:
        """Of the level of the grid that all samples have; -1 for any other."""
        values = sigma.flatten().tolist() if hasattr(sigma, "flatten") else [float(sigma)]
        low, high = min(values), max(values)
        for i, level in enumerate(self._levels):
            if level > 0 and abs(low / level - 1) < SINGLE and abs(high / level - 1) < SINGLE:
                return i
        return -1
