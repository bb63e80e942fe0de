"""What Euler, Heun and EDM's sampler share: the ODE in general coordinates, noise, a step."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.answers.parameters import label
from samplebench.errors import UsageError
from samplebench.processes.coordinates import Coordinates, coordinates

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


@dataclass
class ProbabilityFlow:
    """dx/dt of EDM Eq. 4 for x = s(t) (x0 + sigma(t) n).

    Attributes:
        times: Python floats [steps + 1], decreasing, last 0 where the grid's last level is.
        denoised: output of the latest evaluation.
    """

    model: Bound
    at: Coordinates
    times: list[float]
    denoised: Any = None

    @classmethod
    def on(
        cls,
        model: Bound,
        grid: Tensor,
        schedule: str,
        scaling: str,
        epsilon_s: float,
        sigma_min: float | None,
        sigma_max: float | None,
    ) -> ProbabilityFlow:
        """The flow on a grid of sigma; the range defaults to the grid's first and last level."""
        levels = grid.tolist()
        lowest = levels[-1] if levels[-1] > 0 else levels[-2]
        low = lowest if sigma_min is None else sigma_min
        high = levels[0] if sigma_max is None else sigma_max
        at = coordinates(schedule, scaling, low, high, epsilon_s)
        return cls(model, at, [at.time(level) if level > 0 else 0.0 for level in levels])

    def slope(self, x: Tensor, t: float) -> Tensor:
        """dx/dt at (x, t): one evaluation of the model."""
        sigma, sigma_dot, s, s_dot = (
            self.at.sigma(t),
            self.at.sigma_dot(t),
            self.at.s(t),
            self.at.s_dot(t),
        )
        self.denoised = self.model(x / s, sigma)
        return (sigma_dot / sigma + s_dot / s) * x - (sigma_dot * s / sigma) * self.denoised

    def end(self, x: Tensor) -> Tensor:
        """x0 + sigma n from the state at the last time, whose scale is 1 at 0."""
        t = self.times[-1]
        return x / self.at.s(t) if t > 0 else x


@dataclass(frozen=True)
class Churn:
    """EDM's noise injection before a step (Algorithm 2, lines 4-6), in general coordinates."""

    S_churn: float
    S_min: float
    S_max: float
    S_noise: float

    def __post_init__(self) -> None:
        # It is clipped, so that an infinite one means as much as there may be.
        check_signs(S_churn=min(self.S_churn, sys.float_info.max), S_noise=self.S_noise)

    def gamma(self, sigma: float, steps: int) -> float:
        """Relative increase of the noise level; 0 outside [S_min, S_max]."""
        inside = self.S_min <= sigma <= self.S_max
        return _clipped(self.S_churn, steps) if inside else 0.0

    def __call__(
        self, flow: ProbabilityFlow, x: Tensor, t: float, noise: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, float]:
        """(x_hat, t_hat): the state with fresh noise, one draw; (x, t) itself when S_churn is 0."""
        if self.S_churn <= 0:
            return x, t
        at = flow.at
        sigma = at.sigma(t)
        gamma = self.gamma(sigma, len(flow.times) - 1)
        sigma_hat = float(flow.model.round_sigma(sigma * (1 + gamma)))
        t_hat = at.time(sigma_hat)
        std = math.sqrt(max(sigma_hat**2 - sigma**2, 0)) * at.s(t_hat) * self.S_noise
        return x * (at.s(t_hat) / at.s(t)) + std * draw(noise, x), t_hat

    def at_level(
        self,
        model: Bound,
        x: Tensor,
        sigma: float,
        steps: int,
        noise: Callable[[Tensor], Tensor] | None,
        *,
        rounds: bool = True,
    ) -> tuple[Tensor, float]:
        """The same in sigma itself: (x_hat, sigma_hat).

        Args:
            steps: of the whole run.
            rounds: whether sigma_hat is a level that the model knows; in k-diffusion it is not.
        """
        if self.S_churn <= 0:
            return x, sigma
        gamma = self.gamma(sigma, steps)
        sigma_hat = sigma + gamma * sigma
        if rounds:
            sigma_hat = float(model.round_sigma(sigma_hat))
        std = math.sqrt(max(sigma_hat**2 - sigma**2, 0)) * self.S_noise
        return x + std * draw(noise, x), sigma_hat


def heun_step(model: Bound, x: Tensor, sigma: float, sigma_next: float) -> tuple[Tensor, Tensor]:
    """Heun's step in sigma, or Euler's into 0 (EDM, Algorithm 2, lines 7-11).

    Returns:
        The state, and the latest output of the denoiser.
    """
    denoised = model(x, sigma)
    d = (x - denoised) / sigma
    x_next = x + (sigma_next - sigma) * d
    if sigma_next > 0:
        denoised = model(x_next, sigma_next)
        d_next = (x_next - denoised) / sigma_next
        x_next = x + (sigma_next - sigma) * (d / 2 + d_next / 2)
    return x_next, denoised


def two_stages(steps: int, final: str = "zero") -> int:
    """Evaluations of so many two-stage steps; a step into 0 has one stage."""
    return 2 * steps - (final == "zero")


def _clipped(S_churn: float, steps: int) -> float:
    """Relative increase of the noise level per step (EDM, Algorithm 2, line 4)."""
    return min(S_churn / steps, math.sqrt(2) - 1)


def draw(noise: Callable[[Tensor], Tensor] | None, x: Tensor) -> Tensor:
    """One draw of noise like x; without a source, torch's global generator."""
    if noise is not None:
        return noise(x)
    import torch

    return torch.randn_like(x)


def check_signs(**given: float) -> None:
    """Parameters that are at least 0.

    Raises:
        UsageError: one of them is negative or infinite.
    """
    if wrong := {name: value for name, value in given.items() if not 0 <= value < math.inf}:
        raise UsageError(f"{' and '.join(given)} cannot be negative or infinite: {label(wrong)}")


def churns(params: dict[str, Any]) -> bool:
    """Whether churn parameters make a sampler stochastic."""
    return params["S_churn"] > 0


def moves(params: dict[str, Any]) -> bool:
    """Whether noise is added anywhere: it is drawn, and its window holds a noise level.

    Only where sigma is the time itself does an empty window leave the bits of the others' steps.
    """
    empty = params["S_max"] <= 0 or params["S_min"] > params["S_max"]
    return churns(params) and not (empty and params.get("schedule", "linear") == "linear")


def decisive(params: dict[str, Any], steps: int) -> dict[str, Any]:
    """S_churn counts up to its clip only, which is nearer the fewer steps there are."""
    return {**params, "S_churn": _clipped(params["S_churn"], steps)}


def late(params: dict[str, Any], steps: int, left: int) -> dict[str, Any]:
    """S_churn is shared out over the steps of a run: of its last steps the share of these."""
    return {**params, "S_churn": params["S_churn"] * left / steps}


def without_idle(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that have an effect.

    Window and scale of the churn need S_churn > 0 and a window that is not empty, epsilon_s the
    "vp" schedule.
    """
    idle = set()
    if not moves(params):
        idle |= {"S_churn", "S_min", "S_max", "S_noise"}
    if params.get("schedule") != "vp":
        idle.add("epsilon_s")
    return {name: value for name, value in params.items() if name not in idle}
