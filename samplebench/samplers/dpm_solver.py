"""DPM-Solver, singlestep (Lu et al. 2022a; with "x0" DPM-Solver++, Lu et al. 2022b)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.registry import samplers
from samplebench.samplers.multistep import check_order
from samplebench.samplers.probability_flow import two_stages
from samplebench.samplers.singlestep import singlestep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

MOST = 3


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """With eps it is the midpoint rule in sigma: b (e^h - 1) = a - b."""
    return ("dpm-2", {}) if params["predicts"] == "eps" else ("dpm-solver-2", params)


@samplers.register(
    "dpm-solver-2",
    order=2,
    evaluations=two_stages,
    final="sigma_min",
    canonical=_canonical,
    code="dpm-solver",
    cite=("lu2022dpmsolver", "lu2022dpmpp"),
)
def dpm_solver_2(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    predicts: str = "eps",
) -> Tensor:
    """DPM-Solver-2, singlestep of order 2 in log-SNR down to sigma_min, 2N evaluations.

    Its second stage is the middle of a step in log sigma (Algorithm 1 with r = 1/2). A step into
    0 is of order 1 and needs one.

    Args:
        predicts: "eps", or "x0" for DPM-Solver++(2S).

    Raises:
        UsageError: an unknown word.
    """
    levels = grid[:1].tolist()
    for a, b in pairwise(grid.tolist()):
        levels += [math.sqrt(a * b), b] if b > 0 else [b]
    steps = len(grid) - 1
    orders = [2] * (steps - 1) + [2 if levels[-1] > 0 else 1]
    return singlestep(model, x, levels, orders, predicts, callback)


def fast_orders(evaluations: int, order: int) -> list[int]:
    """Orders of the steps that make exactly so many evaluations (Lu et al. 2022a, section 3.4).

    As many of the highest order as there may be, then one of what is left. Where order 3 leaves
    nothing, the last of them is made two, of order 2 and 1.
    """
    full, left = divmod(evaluations, order)
    if order == MOST and left == 0:
        return [3] * (full - 1) + [2, 1]
    return [order] * full + [left] * (left > 0)


def fast_levels(steps: int, sigma_min: float, sigma_max: float, order: int) -> np.ndarray:
    """Levels of the evaluations and sigma_min: steps and their stages are uniform in log sigma."""
    orders = fast_orders(steps, check_order("dpm-solver-fast", order, MOST))
    ends = np.geomspace(sigma_max, sigma_min, len(orders) + 1)
    parts = zip(ends, ends[1:], orders, strict=False)
    inner = [np.geomspace(a, b, count + 1)[:-1] for a, b, count in parts]
    return np.concatenate([*inner, ends[-1:]])


def _fast_canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Of order 1 both predictions make DDIM's steps."""
    return "dpm-solver-fast", {"order": 1} if params["order"] == 1 else params


@samplers.register(
    "dpm-solver-fast",
    timeline="own",
    order=lambda params: params["order"],
    canonical=_fast_canonical,
    evaluations=lambda steps: steps,
    final="sigma_min",
    levels=fast_levels,
    code="dpm-solver",
    cite=("lu2022dpmsolver", "lu2022dpmpp"),
)
def dpm_solver_fast(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    order: int = 3,
    predicts: str = "eps",
) -> Tensor:
    """DPM-Solver-fast, singlestep of order 3 down to sigma_min, N evaluations for any N.

    Its steps are of order 3 and uniform in log-SNR, the last ones of lower order so that there are
    N evaluations in all; its levels are those of the evaluations.

    Args:
        order: the highest of its steps, 1 to 3.
        predicts: "eps", or "x0" for DPM-Solver++.

    Raises:
        UsageError: another order, or an unknown word.
    """
    orders = fast_orders(len(grid) - 1, check_order("dpm-solver-fast", order, MOST))
    return singlestep(model, x, grid.tolist(), orders, predicts, callback)
