"""Singlestep methods in log-SNR: DPM-Solver's steps of order 1, 2 and 3 (Lu et al. 2022a, 2022b).

A step of order k evaluates the model at k levels, the first its start, the others its stages:

    x_s = keep x + first m + slope weight D1        with D1 from the stage before s

in the words of `LogSnrStep`. DPM-Solver-1, -2 and -3 predict eps, DPM-Solver++ x0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from samplebench.samplers.log_snr import LogSnrStep
from samplebench.samplers.multistep import check_prediction, predicted
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def singlestep(
    model: Bound,
    x: Tensor,
    levels: Sequence[float],
    orders: Sequence[int],
    predicts: str,
    callback: Callable[[Step], None] | None,
) -> Tensor:
    """Runs steps of these orders.

    Args:
        levels: those of the evaluations, in their order, then the end; [sum of orders + 1].
        orders: of each step: how many of the levels are its own.

    Raises:
        UsageError: `predicts` is neither "x0" nor "eps".
    """
    check_prediction(predicts)
    first = 0
    for i, order in enumerate(orders):
        at = levels[first : first + order + 1]
        x, denoised = one_step(model, x, at, predicts)
        first += order
        if callback:
            callback(Step(i, x, at[-1], denoised))
    return x


def one_step(model: Bound, x: Tensor, at: Sequence[float], predicts: str) -> tuple[Tensor, Tensor]:
    """A step from the first of these levels to the last, through the others.

    Returns:
        The state, and the latest output of the denoiser.
    """
    a, *targets = at
    denoised = model(x, a)
    start = stage = predicted(predicts, x, denoised, a)
    for j, b in enumerate(targets):
        step = LogSnrStep.between(a, b, predicts)
        x_next = step.keep * x + step.first * start
        if j > 0:
            # Order 2 has the midpoint's weight of the slope, order 3 Taylor's.
            weight = step.first / 2 if len(targets) == 2 else step.second
            ratio = math.log(a / b) / math.log(a / targets[j - 1])
            x_next = x_next + weight * ratio * (stage - start)
        if j < len(targets) - 1:
            denoised = model(x_next, b)
            stage = predicted(predicts, x_next, denoised, b)
    return x_next, denoised
