"""A sampler's run in symbols: its states as coefficients of its start and of the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.draws import kept_generators
from samplebench.answers.rounding import model_range
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from samplebench.sampling.setting import Setting


@dataclass
class Tape:
    """Answers whatever it is asked with something new, and keeps where it was asked.

    The pixels of an "image" are coefficients, of the latents and of the answers one by one.

    Attributes:
        size: coefficients of a state, one more than there are answers.
        predicts: what the coefficients are of: "x0", the answers D; or "eps", (x - D) / sigma.
        levels: at which it was asked.
        states: where, each [size].
    """

    size: int
    predicts: str
    levels: list[float] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D of states [N, 1, 1, size], each asked by itself; sigma a scalar or [N]."""
        import torch

        answers = []
        for state, level in zip(x.flatten(1), sigma.flatten().expand(len(x)).tolist(), strict=True):
            unit = torch.zeros_like(state)
            if len(self.states) + 1 == self.size:
                raise UsageError(
                    f"it evaluates the model more often than planned, {self.size - 1} times"
                )
            unit[len(self.states) + 1] = 1
            self.levels.append(level)
            self.states.append(state.numpy().copy())
            answers.append(unit if self.predicts == "x0" else state - level * unit)
        return torch.stack(answers).reshape(x.shape)


class StandIn(Model):
    """A function's answers in the place of a model, at the noise levels that the model knows."""

    def __init__(self, model: Any, answers: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.stands_for, self.answers = model, answers
        self.sigma_min, self.sigma_max = model_range(model)

    def __call__(self, x: Tensor, sigma: Any, labels: Tensor | None = None) -> Tensor:
        return self.answers(x, sigma)

    def round_sigma(self, sigma: float) -> float:
        nearest: float = getattr(self.stands_for, "round_sigma", float)(sigma)
        return nearest


def run_on(
    setting: Setting, model: Any, answers: Callable[[Tensor, Tensor], Tensor], latents: np.ndarray
) -> np.ndarray:
    """What a sampler makes of latents float64 [N, P] where a function answers for the model.

    Returns:
        Its result [N, P].

    Raises:
        UsageError: it draws noise, or fails.
    """
    import torch

    batch = torch.tensor(latents)[:, None, None]
    bound = Bound(StandIn(model, answers), None, len(batch))
    with setting.solver.guarded(), torch.no_grad(), kept_generators():
        found: np.ndarray = setting.run(bound, batch, _no_noise).flatten(1).numpy()
    return found


def _no_noise(x: Tensor) -> Tensor:
    raise UsageError("it draws noise")


def recorded(setting: Setting, model: Any, predicts: str) -> tuple[Tape, np.ndarray]:
    """A run on a tape, and the coefficients of its result; arguments as of `run_on`."""
    tape = Tape(setting.evaluations + 1, predicts)
    (end,) = run_on(setting, model, tape, np.eye(1, tape.size))
    return tape, end
