"""Steps in the half log-SNR lambda = -ln sigma, which solve the ODE's linear part exactly.

DPM-Solver and its kin (Lu et al. 2022a, 2022b). A step goes from sigma = a to b, h = ln(a / b).
With m the prediction of x0 (or eps), and D1, D2 its first and second differences in units of h,

    x_b = keep x + first m + second D1 + third D2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from samplebench.samplers.multistep import Rule, Weights
from samplebench.samplers.probability_flow import check_signs


@dataclass(frozen=True)
class LogSnrStep:
    """Its weights -scale phi_k(z); what is NaN in a step into 0 would have an infinite h.

    Attributes:
        z: -h (1 + eta) for x0, h for eps.
        scale: 1 for x0, b for eps.
    """

    keep: float
    first: float
    second: float = math.nan
    third: float = math.nan
    z: float = math.nan
    scale: float = math.nan

    @classmethod
    def between(cls, a: float, b: float, predicts: str, eta: float = 0.0) -> LogSnrStep:
        """The step from sigma = a to b < a.

        Args:
            predicts: "x0" or "eps".
            eta: share of fresh noise of the reverse SDE, with "x0" alone.
        """
        data = predicts == "x0"
        if b == 0:
            return cls(0.0, 1.0) if data else cls(1.0, -a)
        h = math.log(a / b)
        z, scale = (-h * (1 + eta), 1.0) if data else (h, b)
        keep = math.exp(z) if data else 1.0
        first, second, third = (-scale * phi for phi in phis(z, 3))
        return cls(keep, first, second, third, z, scale)


def phis(z: float, count: int) -> list[float]:
    """phi_1 = e^z - 1 and phi_{k+1} = phi_k / z - 1 / k!, so many of them."""
    found = [math.expm1(z)]
    for k in range(1, count):
        found.append(found[-1] / z - 1 / math.factorial(k))
    return found


def one_point(step: LogSnrStep) -> Weights:
    """Order 1, which is DDIM's step."""
    return Weights(step.keep, (step.first,))


def two_points(step: LogSnrStep, levels: Sequence[float], i: int, slope: float) -> Weights:
    """Order 2: the slope is that of the last two predictions.

    Args:
        slope: weight of it.
    """
    r0 = step_ratio(levels, i, i - 1)
    return Weights(step.keep, (step.first + slope / r0, -slope / r0))


def three_points(step: LogSnrStep, levels: Sequence[float], i: int, curvature: float) -> Weights:
    """Slope and curvature are those of the last three predictions.

    Args:
        curvature: weight of the curvature D2, half the second derivative.
    """
    r0, r1 = step_ratio(levels, i, i - 1), step_ratio(levels, i, i - 2)
    # D1 = A + r0 / (r0 + r1) (A - B), D2 = (A - B) / (r0 + r1) of the differences A and B.
    part = (step.second * r0 + curvature) / (r0 + r1)
    newer, older = (step.second + part) / r0, -part / r1
    return Weights(step.keep, (step.first + newer, older - newer, -older))


def step_ratio(levels: Sequence[float], i: int, j: int) -> float:
    """Length of step j in lambda, in units of that of step i."""
    return math.log(levels[j] / levels[j + 1]) / math.log(levels[i] / levels[i + 1])


def with_noise(rule: Rule, eta: float, S_noise: float) -> Rule:
    """The rule with the fresh noise of the reverse SDE of that eta, S_noise times it.

    Raises:
        UsageError: one of them is negative or infinite.
    """
    check_signs(eta=eta, S_noise=S_noise)

    def noisy(levels: Sequence[float], i: int, points: int) -> Weights:
        a, b = levels[i], levels[i + 1]
        fresh = S_noise * b * math.sqrt(1 - (b / a) ** (2 * eta))
        return replace(rule(levels, i, points), fresh=fresh)

    return noisy
