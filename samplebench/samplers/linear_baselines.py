"""What gDDIM is compared with on a linear process: Euler, Euler-Maruyama and Runge-Kutta."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.processes.linear import apply, root
from samplebench.registry import samplers
from samplebench.samplers.dormand_prince import NODES, SOLUTION, STAGES, weighted
from samplebench.samplers.linear_step import check_lam, drift, finish, noisy, report
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.views import LinearView


def _canonical_em(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if params["lam"] > 0:
        return "euler-maruyama", params
    return "euler-flow", {"denoise": params["denoise"]}


@samplers.register(
    "euler-maruyama",
    evaluations=lambda steps, denoise=None: steps + bool(denoise),
    stochastic=lambda params: params["lam"] > 0,
    timeline="linear",
    canonical=_canonical_em,
    cite=("song2021score", "zhang2023gddim"),
)
def euler_maruyama(
    model: LinearView,
    u: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    lam: float = 1.0,
    denoise: bool | None = None,
) -> Tensor:
    """Euler-Maruyama on the reverse SDE, N evaluations for N steps.

    The weight of the score is (1 + lam^2) / 2, which keeps the marginals for every lam.

    Args:
        lam: of the reverse SDE: 1 the usual one, 0 the probability flow.
        denoise: as for gddim.

    Raises:
        UsageError: lam below 0.
    """
    check_lam(lam)
    law, times = model.process, grid.tolist()
    last, start = len(times) - 2, np.array(times[:-1])
    own, pull = drift(law, start, score=(1 + lam * lam) / 2)
    square = lam * lam * -np.diff(times).reshape(-1, 1, 1, 1, 1)
    spread = root(square * law.GGT(start))
    for i, (t, t_next) in enumerate(pairwise(times)):
        eps = model.eps(u, t)
        evaluated = (u, eps, t)
        u = u + (t_next - t) * (apply(own[i], u) + apply(pull[i], eps))
        if lam > 0:
            u = noisy(model, u, spread[i], noise, i == last)
        report(callback, model, i, u, t_next, evaluated)
    return finish(model, u, times[-1], last + 1, denoise, callback)


@samplers.register(
    "euler-flow",
    order=1,
    evaluations=lambda steps, denoise=None: steps + bool(denoise),
    timeline="linear",
    cite=("song2021score", "zhang2023gddim"),
)
def euler_flow(
    model: LinearView,
    u: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    denoise: bool | None = None,
) -> Tensor:
    """Euler on the probability flow of a linear process, order 1, N evaluations for N steps.

    Args:
        denoise: as for gddim.
    """
    return euler_maruyama(model, u, grid, callback=callback, lam=0.0, denoise=denoise)


@samplers.register(
    "rk45-flow",
    order=5,
    evaluations=lambda steps, denoise=None: 6 * steps + bool(denoise),
    timeline="linear",
    cite=("dormand1980family", "song2021score"),
)
def rk45_flow(
    model: LinearView,
    u: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    denoise: bool | None = None,
) -> Tensor:
    """Dormand-Prince 5(4) at fixed steps on the probability flow, order 5, 6N evaluations.

    RK45 without its step control: the steps are the grid's, so the evaluations are known ahead.

    Args:
        denoise: as for gddim.
    """
    law, times = model.process, grid.tolist()
    for i, (t, t_next) in enumerate(pairwise(times)):
        h, slopes = t_next - t, list[Any]()
        for node, weights in zip(NODES, STAGES, strict=True):
            at = t_next if node == 1 else t + node * h
            stage = u + h * weighted(weights, slopes)
            eps = model.eps(stage, at)
            own, pull = drift(law, at)
            slopes.append(apply(own, stage) + apply(pull, eps))
        u = u + h * weighted(SOLUTION, slopes)
        report(callback, model, i, u, t_next, (stage, eps, at))
    return finish(model, u, times[-1], len(times) - 1, denoise, callback)
