"""Score-SDE's processes: x_t = alpha(t) x0 + std(t) n, t from 1 down to eps (Song et al. 2021)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from samplebench.answers.tensors import column
from samplebench.processes.linear import Times

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samplebench.models.bound import Bound

# A step back in time: mean = kept x + pulled score, to which noise of std fresh is added.
Transition = tuple[float, float, float]


class ScoreSDE(ABC):
    """dx = drift(t) x dt + sqrt(square(t)) dw; times are floats or arrays.

    Attributes:
        eps: where sampling ends.
        prior: std of the state from which it starts.
    """

    eps: ClassVar[float] = 1e-3

    @classmethod
    @abstractmethod
    def between(cls, sigma_min: float, sigma_max: float) -> Self:
        """The process that has these noise levels at eps and at 1."""

    @classmethod
    @abstractmethod
    def span(cls, model: Any) -> tuple[float, float]:
        """The paper's noise levels at its ends, or those that a model was trained on."""

    @property
    def prior(self) -> float:
        return 1.0

    @abstractmethod
    def alpha(self, t: Times) -> Times: ...

    @abstractmethod
    def std(self, t: Times) -> Times: ...

    @abstractmethod
    def drift(self, t: Times) -> Times: ...

    @abstractmethod
    def square(self, t: Times) -> Times: ...

    def sigma(self, t: Times) -> Times:
        """Noise level in EDM's convention."""
        return self.std(t) / self.alpha(t)

    def times(self, steps: int) -> np.ndarray:
        """t_i of so many steps, decreasing from 1 to eps."""
        return np.linspace(1.0, self.eps, steps)

    def start(self, x: Tensor, sigma: float) -> Tensor:
        """The state at t = 1 from sigma times unit normal latents: the prior, not alpha x."""
        return x * (self.prior / sigma)

    def score(
        self, model: Bound, x: Tensor, t: Times, rows: torch.Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(score, D) of states at t, one or [n]; rows as of the model."""
        import torch

        alpha, std = self.alpha(t), self.std(t)
        scale = column(alpha, x)
        denoised = model(x / scale, torch.as_tensor(std / alpha, dtype=torch.float64), rows)
        return (scale * denoised - x) / column(std, x) ** 2, denoised

    @abstractmethod
    def reverse_diffusion(self, t: float, steps: int) -> Transition:
        """The step that reverses the discretized process."""

    @abstractmethod
    def ancestral(self, t: float, steps: int) -> Transition:
        """The step of ancestral sampling."""

    def euler_maruyama(self, t: float, steps: int) -> Transition:
        """The Euler-Maruyama step of the reverse SDE."""
        square = float(self.square(t)) / steps
        return 1 - float(self.drift(t)) / steps, square, math.sqrt(square)

    def corrected(self, t: float, steps: int) -> float:
        """alpha of a corrector's step size: 1 - beta of the discretized process, 1 without."""
        return 1.0


def index_of(t: float, steps: int) -> int:
    # What rounding has left below a whole number is that number.
    return int(t * (steps - 1) + 1e-9)
