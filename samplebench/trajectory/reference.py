"""The probability-flow ODE dx/dsigma = (x - D(x; sigma)) / sigma, solved to a tight tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.rounding import model_range
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.trajectory.result import Truth

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_RTOL, _LOOSEST = 1e-12, 1e-2
# Of the controller's relative tolerance to the rounding error of D that it must not see.
_ROUNDING = 10.0
# A smooth denoiser needs a few thousand; one that jumps between noise levels needs ever more.
_MOST = 100_000
_POINTS, _SPACING = 7, 1e-4


@dataclass(frozen=True)
class Solution:
    """The solution at the noise levels asked for.

    Attributes:
        truth: its facts.
        states: by noise level, float64 on the CPU, [N, C, H, W]; 0 among them if it ends there.
        model: what it follows, with its labels.
        dtype, device: of what the model is given.
    """

    truth: Truth
    states: Mapping[float, Tensor]
    model: Bound
    dtype: torch.dtype
    device: torch.device

    def end(self, last: float) -> Tensor:
        """What a sampler's result is compared with, `last` being its last positive level."""
        if 0.0 in self.states:
            return self.states[0.0]
        import torch

        with torch.no_grad():
            x = self.states[last].to(dtype=self.dtype, device=self.device)
            return self.model(x, last).cpu().double()


def solve(
    model: Bound,
    latents: Tensor,
    sigma_max: float,
    levels: Iterable[float],
    rtol: float,
    advance: Callable[[float], None],
    most: int = _MOST,
) -> Solution:
    """The reference solution from sigma_max downwards, and its own error.

    DOP853 with the tolerances `rtol` and `rtol / 10`, all samples in one system. It ends at 0 if
    the model's range does, else at the lowest level. States between its steps are those of its
    dense output, whose error the estimate includes.

    Args:
        model: with its labels.
        latents: unit normal [N, C, H, W]; the model is given states of their dtype and device.
        sigma_max: noise level of the start.
        levels: positive noise levels at which states are needed, up to sigma_max.
        rtol: see `tolerance`.
        advance: called with sigma at every evaluation.
        most: evaluations of each of the two solves, after which it is given up.

    Raises:
        UsageError: the denoiser is not finite or not smooth enough to be followed.
    """
    import torch

    # The first level of a grid may lie an ulp above the start.
    wanted = {level: min(level, sigma_max) for level in levels}
    low = 0.0 if model_range(model)[0] <= 0 else min(wanted)
    times = sorted({*wanted.values(), low}, reverse=True)
    before = model.images
    fine, coarse = (
        _integrate(model, latents, sigma_max, times, r, advance, most) for r in (rtol, 10 * rtol)
    )
    error = float(np.sqrt(np.square(fine - coarse).mean(0)).max())
    evaluations = (model.images - before) // len(latents)
    place = {time: i for i, time in enumerate(times)}
    states = {
        level: torch.from_numpy(fine[:, place[time]].reshape(latents.shape))
        for level, time in {**wanted, low: low}.items()
    }
    truth = Truth(sigma_max, low, rtol, rtol / 10, evaluations, error)
    return Solution(truth, states, model, latents.dtype, latents.device)


def _integrate(
    model: Bound,
    latents: Tensor,
    start: float,
    times: list[float],
    rtol: float,
    advance: Callable[[float], None],
    most: int,
) -> np.ndarray:
    """States [N * C * H * W, len(times)]."""
    import torch
    from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

    calls = 0

    def slope(sigma: float, flat: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > most:
            raise UsageError(
                f"the reference solution took {most:,} evaluations down to sigma={sigma:.3g} "
                f"at rtol {rtol:.1g}; the model's denoiser is not smooth enough"
            )
        if sigma == 0:
            # x - D vanishes like sigma^2 where the density is smooth.
            return np.zeros_like(flat)
        advance(sigma)
        x = torch.from_numpy(flat).reshape(latents.shape)
        denoised = model(x.to(dtype=latents.dtype, device=latents.device), sigma)
        return ((x - denoised.cpu().double()) / sigma).flatten().numpy()

    first = latents.cpu().double().flatten().numpy() * start
    if times[-1] == start:
        return first[:, None]
    with torch.no_grad():
        solved: Any = solve_ivp(
            slope, (start, times[-1]), first, "DOP853", times, rtol=rtol, atol=rtol / 10
        )
    if not (solved.success and np.isfinite(solved.y).all()):
        raise UsageError(
            f"the probability-flow ODE of the model cannot be solved from sigma={start:g} to "
            f"{times[-1]:g} ({solved.message}); is D finite for every sigma?"
        )
    return solved.y


def tolerance(model: Bound, latents: Tensor, sigma: float) -> float:
    """The relative tolerance that the model's rounding can carry: a power of ten, 1e-12 at best.

    The rounding error of D is measured, whatever the precision inside the model is: high-order
    differences of D along a line leave nothing of a smooth function (Moré & Wild, "Estimating
    computational noise", 2011).

    Args:
        latents: unit normal [N, C, H, W].
        sigma: noise level to measure at, of the order of the data.
    """
    import torch

    draw = np.random.Generator(np.random.Philox(0)).standard_normal(tuple(latents.shape))
    x, line = latents.cpu().double() * sigma, torch.from_numpy(draw) * (_SPACING * sigma)
    with torch.no_grad():
        values = [
            model((x + i * line).to(dtype=latents.dtype, device=latents.device), sigma)
            for i in range(_POINTS)
        ]
    order = _POINTS - 1
    difference = np.diff(np.stack([value.cpu().double().numpy() for value in values]), order, 0)
    noise = float(np.sqrt(np.square(difference).mean() / math.comb(2 * order, order)))
    if not math.isfinite(noise):
        raise UsageError(f"the model's denoiser is not finite at sigma={sigma:.3g}")
    if noise * _ROUNDING <= _RTOL:
        return _RTOL
    return min(float(f"1e{math.ceil(math.log10(noise * _ROUNDING))}"), _LOOSEST)
