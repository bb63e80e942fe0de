"""Discrete Gaussian diffusion (Ho et al. 2020; Nichol & Dhariwal 2021; Dhariwal & Nichol 2021).

x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) n for t = 0 .. T - 1; t = 0 is the least noisy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import InputError, unknown
from samplebench.processes.respacing import space_timesteps

if TYPE_CHECKING:
    from torch import Tensor

VARIANCES = ("learned", "fixed_small", "fixed_large")
_SCHEDULES = ("cosine", "linear")
# The code bases of OpenAI's diffusion models, whose flags are read here and by their adapter.
OPENAI_FAMILIES = ("improved-diffusion", "guided-diffusion", "ddpm-ip")
_LEAST_LINEAR = 21  # with 20 the last beta is 1: no image is left in x_T to predict from


@dataclass(frozen=True, eq=False)
class DiscreteProcess:
    """A chain of Gaussian steps, all of a release's or those that a respacing keeps of them.

    Arrays are float64 [S], one entry per kept step j, j = 0 the least noisy.

    Attributes:
        betas: variance of each step's noise.
        timestep_map: int64 [S], the index that each kept step had among the original ones.
        original_steps: T, their number.
        rescale: whether the network receives t * 1000 / T in float32 instead of the integer t.
        variance: of p(x_{t-1} | x_t): "learned" as a fraction between the two others,
            "fixed_small" (the posterior's) or "fixed_large" (beta).
        predict_xstart: whether the network answers with x0 instead of the noise.
    """

    betas: np.ndarray
    timestep_map: np.ndarray
    original_steps: int
    rescale: bool = False
    variance: str = "fixed_large"
    predict_xstart: bool = False

    @property
    def steps(self) -> int:
        return len(self.betas)

    @cached_property
    def alpha_bar(self) -> np.ndarray:
        return np.cumprod(1 - self.betas)

    @cached_property
    def alpha_bar_prev(self) -> np.ndarray:
        return np.append(1.0, self.alpha_bar[:-1])

    @cached_property
    def alpha_bar_next(self) -> np.ndarray:
        return np.append(self.alpha_bar[1:], 0.0)

    @cached_property
    def sigmas(self) -> np.ndarray:
        """Noise levels in EDM's convention: x_t / sqrt(alpha_bar) = x0 + sigma n.

        Infinite at a step that leaves no image in x_t (alpha_bar = 0).
        """
        with np.errstate(divide="ignore"):
            return np.sqrt((1 - self.alpha_bar) / self.alpha_bar)

    @cached_property
    def posterior_variance(self) -> np.ndarray:
        """Variance of q(x_{t-1} | x_t, x0); 0 at j = 0."""
        return self.betas * (1 - self.alpha_bar_prev) / (1 - self.alpha_bar)

    @cached_property
    def posterior_log_variance(self) -> np.ndarray:
        """Its logarithm, the entry of j = 0 replaced by that of j = 1 (needs two steps)."""
        return np.log(np.append(self.posterior_variance[1], self.posterior_variance[1:]))

    @cached_property
    def large_variance(self) -> np.ndarray:
        """beta, at j = 0 the posterior's of j = 1 (needs two steps)."""
        return np.append(self.posterior_variance[1], self.betas[1:])

    @cached_property
    def posterior_mean_coef1(self) -> np.ndarray:
        """Weight of x0 in the mean of q(x_{t-1} | x_t, x0)."""
        return self.betas * np.sqrt(self.alpha_bar_prev) / (1 - self.alpha_bar)

    @cached_property
    def posterior_mean_coef2(self) -> np.ndarray:
        """Weight of x_t in it."""
        return (1 - self.alpha_bar_prev) * np.sqrt(1 - self.betas) / (1 - self.alpha_bar)

    def t_net(self, j: int) -> int | float:
        """The time the network receives at step j."""
        t = int(self.timestep_map[j])
        return float(np.float32(t) * np.float32(self.time_factor)) if self.rescale else t

    @property
    def time_factor(self) -> float:
        """Of `rescale`: the network's time per original step."""
        return 1000.0 / self.original_steps

    def noised(self, j: int, x0: Tensor, noise: Tensor) -> Tensor:
        """x_t at step j, in the noise's dtype."""
        a = self.alpha_bar[j]
        return cast(math.sqrt(a), noise) * x0 + cast(math.sqrt(1 - a), noise) * noise

    def x0(self, j: int, x_t: Tensor, eps: Tensor) -> Tensor:
        """x0 that belongs to the noise in x_t at step j, in x_t's dtype."""
        a = self.alpha_bar[j]
        return cast((1 / a) ** 0.5, x_t) * x_t - cast((1 / a - 1) ** 0.5, x_t) * eps

    def eps(self, j: int, x_t: Tensor, x0: Tensor) -> Tensor:
        """The noise that belongs to x0 in x_t at step j, in x_t's dtype."""
        a = self.alpha_bar[j]
        if a == 0:  # x_t is the noise
            return x_t
        return (cast((1 / a) ** 0.5, x_t) * x_t - x0) / cast((1 / a - 1) ** 0.5, x_t)

    def respaced(self, spec: str | int | Sequence[int]) -> DiscreteProcess:
        """The process of the steps that `spec` keeps; see `space_timesteps`.

        alpha_bar is the same at the kept steps, betas and all that follows are made anew.
        """
        kept = np.array(space_timesteps(self.steps, spec), dtype=np.int64)
        alpha_bar = self.alpha_bar[kept]
        betas = 1 - alpha_bar / np.append(1.0, alpha_bar[:-1])
        return replace(self, betas=betas, timestep_map=self.timestep_map[kept])


def release_flags(config: Mapping[str, Any]) -> dict[str, Any]:
    """A release's flags, those that stand in a table "diffusion" of their own among the others."""
    return {**config, **config.get("diffusion", {})}


def discrete_process(config: Mapping[str, Any]) -> DiscreteProcess:
    """The process of all steps of a release, from its flags.

    Args:
        config: noise_schedule ("linear"), diffusion_steps or steps (1000), rescale_timesteps
            (true in improved-diffusion, else false), learn_sigma (false), sigma_small (false),
            predict_xstart (false), and `family` for its default; other keys are ignored.

    Raises:
        InputError: a value that no process has.
    """
    family = str(config.get("family", "guided-diffusion")).split("/")[0]
    if family not in OPENAI_FAMILIES:
        raise InputError(str(unknown("family", family, OPENAI_FAMILIES)))
    schedule = str(config.get("noise_schedule", "linear"))
    steps = config.get("diffusion_steps", config.get("steps", 1000))
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        raise InputError(f"config: diffusion_steps is {steps!r}; it must be an integer from 2 up")
    variance = "fixed_small" if _flag(config, "sigma_small") else "fixed_large"
    return DiscreteProcess(
        betas=beta_schedule(schedule, steps),
        timestep_map=np.arange(steps, dtype=np.int64),
        original_steps=steps,
        rescale=_flag(config, "rescale_timesteps", family == "improved-diffusion"),
        variance="learned" if _flag(config, "learn_sigma") else variance,
        predict_xstart=_flag(config, "predict_xstart"),
    ).respaced("")  # the release makes its betas anew even where it keeps all steps


def beta_schedule(name: str, steps: int) -> np.ndarray:
    """The betas of a schedule, float64 [steps].

    Args:
        name: "linear" (Ho et al. 2020, scaled to the number of steps) or "cosine" (Nichol &
            Dhariwal 2021, Eq. 17).

    Raises:
        InputError: no such schedule, or too few steps for it.
    """
    if name == "linear":
        if steps < _LEAST_LINEAR:
            raise InputError(
                f"config: diffusion_steps is {steps}; the linear schedule needs {_LEAST_LINEAR}"
            )
        scale = 1000 / steps
        return np.linspace(scale * 1e-4, scale * 0.02, steps)
    if name == "cosine":
        levels = [
            math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)
        ]
        return np.array([min(1 - levels[i + 1] / levels[i], 0.999) for i in range(steps)])
    raise InputError(f"config: {unknown('noise_schedule', name, _SCHEDULES)}")


def cast(value: float, like: Tensor) -> Tensor:
    """An entry of an array in a state's dtype, on the host: what follows has the state's rounding.

    The releases gather in float64 and go on in float32.
    """
    return like.new_tensor(value, device="cpu")


def _flag(config: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = config.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"config: {name} is {value!r}; it must be true or false")
    return value
