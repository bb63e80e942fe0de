"""The coordinates in which the probability-flow ODE is written: sigma(t) and s(t) of EDM Table 1.

x(t) = s(t) (x0 + sigma(t) n). The exact solution is the same in all of them; a solver's error
is not, which is why schedule and scaling are parameters of a sampler.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from samplebench.errors import unknown
from samplebench.processes.vp import VP

SCHEDULES = ("linear", "ve", "vp")
SCALINGS = ("none", "vp")


@dataclass(frozen=True)
class Coordinates:
    """sigma(t), its derivative and inverse, and the scaling s(t) with its derivative.

    All functions take and return Python floats.
    """

    sigma: Callable[[float], float]
    sigma_dot: Callable[[float], float]
    time: Callable[[float], float]
    scaled: bool

    def s(self, t: float) -> float:
        return 1 / math.sqrt(1 + self.sigma(t) ** 2) if self.scaled else 1.0

    def s_dot(self, t: float) -> float:
        return -self.sigma(t) * self.sigma_dot(t) * self.s(t) ** 3 if self.scaled else 0.0


def coordinates(
    schedule: str, scaling: str, sigma_min: float, sigma_max: float, epsilon_s: float
) -> Coordinates:
    """Coordinates by the names of EDM's ablation.

    Args:
        schedule: "linear" (sigma = t), "ve" (sigma = sqrt(t)) or "vp", whose constants are fitted
            so that sigma(epsilon_s) = sigma_min and sigma(1) = sigma_max.
        scaling: "none" (s = 1) or "vp" (s = 1 / sqrt(1 + sigma^2)).
        sigma_min, sigma_max: range of the grid, in units of images in [-1, 1].
        epsilon_s: time of sigma_min under "vp".

    Raises:
        UsageError: unknown schedule or scaling.
    """
    if scaling not in SCALINGS:
        raise unknown("scaling", scaling, SCALINGS)
    scaled = scaling == "vp"
    if schedule == "linear":
        return Coordinates(lambda t: t, lambda t: 1.0, lambda sigma: sigma, scaled)
    if schedule == "ve":
        return Coordinates(
            math.sqrt, lambda t: 1 / (2 * math.sqrt(t)), lambda sigma: sigma * sigma, scaled
        )
    if schedule == "vp":
        law = VP.fit(sigma_min, sigma_max, epsilon_s)
        return Coordinates(law.sigma, law.sigma_dot, law.time, scaled)
    raise unknown("schedule", schedule, SCHEDULES)
