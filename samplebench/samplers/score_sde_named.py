"""The processes of score-SDE by name: "vp", "subvp" and "ve"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from samplebench.errors import unknown
from samplebench.processes.linear import Times
from samplebench.processes.vp import VP
from samplebench.samplers.score_sde import ScoreSDE, Transition, index_of

# In units of images in [-1, 1]; CIFAR-10's of "ve".
_PAPERS, _VE = VP(), (0.02, 100.0)


@dataclass(frozen=True)
class VariancePreserving(ScoreSDE):
    """alpha^2 + std^2 = 1 and the paper's linear beta, at times that run over a range of levels.

    Attributes:
        first, rate: its time t is first + rate t in the paper's, 0 and 1 over the paper's range.
    """

    first: float = 0.0
    rate: float = 1.0

    @classmethod
    def between(cls, sigma_min: float, sigma_max: float) -> Self:
        start, end = (cls.papers_time(sigma) for sigma in (sigma_max, sigma_min))
        rate = (start - end) / (1 - cls.eps)
        return cls(end - rate * cls.eps, rate)

    @classmethod
    def span(cls, model: Any) -> tuple[float, float]:
        return float(cls().sigma(cls.eps)), float(cls().sigma(1.0))

    @classmethod
    def papers_time(cls, sigma: float) -> float:
        """When the paper's process has a noise level."""
        return _PAPERS.time(sigma)

    def beta(self, t: Times) -> Times:
        return self.rate * _PAPERS.beta(self.first + self.rate * t)

    def integral(self, t: Times) -> Times:
        """Of the paper's beta from 0 to t."""
        return _PAPERS.integral(self.first + self.rate * t)

    def alpha(self, t: Times) -> Times:
        return np.exp(-self.integral(t) / 2)

    def std(self, t: Times) -> Times:
        return np.sqrt(-np.expm1(-self.integral(t)))

    def drift(self, t: Times) -> Times:
        return -self.beta(t) / 2

    def square(self, t: Times) -> Times:
        return self.beta(t)

    def discrete(self, t: float, steps: int) -> float:
        """beta_j of the process in so many steps, which depends on their number."""
        return float(self.beta(index_of(t, steps) / (steps - 1))) / steps

    def reverse_diffusion(self, t: float, steps: int) -> Transition:
        beta = self.discrete(t, steps)
        return 2 - math.sqrt(1 - beta), beta, math.sqrt(beta)

    def ancestral(self, t: float, steps: int) -> Transition:
        beta = self.discrete(t, steps)
        kept = 1 / math.sqrt(1 - beta)
        return kept, beta * kept, math.sqrt(beta)

    def corrected(self, t: float, steps: int) -> float:
        return 1 - self.discrete(t, steps)


@dataclass(frozen=True)
class SubVariancePreserving(VariancePreserving):
    """std = 1 - alpha^2; score-SDE knows no other step of it than Euler-Maruyama's."""

    @classmethod
    def papers_time(cls, sigma: float) -> float:
        # sigma is 2 sinh(B / 2) for the integral B of beta, and without "sub" sqrt(exp(B) - 1).
        return _PAPERS.time(math.sqrt(math.expm1(2 * math.asinh(sigma / 2))))

    def std(self, t: Times) -> Times:
        return -np.expm1(-self.integral(t))

    def square(self, t: Times) -> Times:
        return -self.beta(t) * np.expm1(-2 * self.integral(t))


@dataclass(frozen=True)
class VarianceExploding(ScoreSDE):
    """alpha = 1, std geometric in t."""

    sigma_min: float
    sigma_max: float

    eps: ClassVar[float] = 1e-5

    @classmethod
    def between(cls, sigma_min: float, sigma_max: float) -> Self:
        return cls(sigma_min, sigma_max)

    @classmethod
    def span(cls, model: Any) -> tuple[float, float]:
        ends = (getattr(model, "sigma_min", 0.0), getattr(model, "sigma_max", math.inf))
        # What knows every level says nothing of its training.
        return (float(ends[0]), float(ends[1])) if 0 < ends[0] and ends[1] < math.inf else _VE

    @property
    def prior(self) -> float:
        return self.sigma_max

    def alpha(self, t: Times) -> Times:
        return 1.0 + 0.0 * t

    def std(self, t: Times) -> Times:
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def drift(self, t: Times) -> Times:
        return 0.0 * t

    def square(self, t: Times) -> Times:
        return 2 * self.std(t) ** 2 * math.log(self.sigma_max / self.sigma_min)

    def discrete(self, t: float, steps: int) -> tuple[float, float]:
        """Variances of levels j and j - 1 of so many geometric ones; below the first is 0."""
        j = index_of(t, steps)
        high, low = (float(self.std(k / (steps - 1))) ** 2 for k in (j, j - 1))
        return high, low if j else 0.0

    def reverse_diffusion(self, t: float, steps: int) -> Transition:
        high, low = self.discrete(t, steps)
        return 1.0, high - low, math.sqrt(high - low)

    def ancestral(self, t: float, steps: int) -> Transition:
        high, low = self.discrete(t, steps)
        return 1.0, high - low, math.sqrt(low * (high - low) / high)


SDES: dict[str, type[ScoreSDE]] = {
    "vp": VariancePreserving,
    "subvp": SubVariancePreserving,
    "ve": VarianceExploding,
}


def sde_of(process: str | None) -> type[ScoreSDE]:
    """By name; None for "vp".

    Raises:
        UsageError: there is none of that name.
    """
    if process is not None and process not in SDES:
        raise unknown("process", str(process), SDES)
    return SDES[process or "vp"]


def sde_on(
    process: str | None, grid: list[float], sigma_min: float | None, sigma_max: float | None
) -> ScoreSDE:
    """A sampler's process; its range defaults to the positive levels of the grid."""
    lowest = grid[-1] if grid[-1] > 0 else grid[-2]
    low = lowest if sigma_min is None else sigma_min
    return sde_of(process).between(low, grid[0] if sigma_max is None else sigma_max)


def span_of(model: Any, process: str | None = None) -> tuple[float, float]:
    """The noise levels between which a process's samplers run on a model."""
    return sde_of(process).span(model)
