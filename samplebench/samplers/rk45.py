"""RK45 on the probability flow of score-SDE (Song et al. 2021, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from samplebench.answers.tensors import column
from samplebench.errors import UsageError
from samplebench.registry import samplers
from samplebench.samplers.dormand_prince import integrate
from samplebench.samplers.score_sde_named import sde_of, sde_on, span_of
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

# Below the first, rounding in float64 is the error.
_TIGHTEST, _LOOSEST = 1e-12, 1.0
# Steps of the discretized process whose last one `denoise` is.
_STEPS = 1000


def _levels(steps: None, process: str | None, sigma_min: float, sigma_max: float) -> list[float]:
    sde = sde_of(process).between(sigma_min, sigma_max)
    return [float(sde.sigma(1.0)), float(sde.sigma(sde.eps))]


@samplers.register(
    "rk45",
    order=5,
    timeline="adaptive",
    final="sigma_min",
    levels=_levels,
    span=span_of,
    code="score-sde",
    cite=("dormand1980family", "song2021score"),
)
def rk45(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rtol: float = 1e-5,
    denoise: bool = False,
    process: str | None = None,
) -> Tensor:
    """Dormand-Prince 5(4) with step control per sample, order 5, as many evaluations as rtol takes.

    The flow of score-SDE's x_t from t = 1 to 1e-3, of "ve" to 1e-5. The result is x_t at the end,
    where noise of the last level is left. Its range is that of pc.

    Args:
        sigma_min, sigma_max: range of the noise levels, filled in by the engine.
        rtol: relative and absolute tolerance, 1e-12 to 1.
        denoise: whether a last step without noise follows, one more evaluation.
        process: "vp", "subvp" or "ve"; None for the model's own, and "vp" where it has none.

    Raises:
        UsageError: a tolerance out of its range, or one that a sample does not meet in 10,000
            steps.
    """
    if not _TIGHTEST <= rtol <= _LOOSEST:
        raise UsageError(f"rk45.rtol={rtol} must be from {_TIGHTEST:g} to {_LOOSEST:g}, e.g. 1e-5")
    levels = grid.tolist()
    sde = sde_on(process, levels, sigma_min, sigma_max)
    seen, rounds = x.new_zeros(x.shape), 0

    def slope(x: Tensor, t: np.ndarray, rows: Tensor | None) -> Tensor:
        nonlocal seen
        score, denoised = sde.score(model, x, t, rows)
        seen = denoised if rows is None else seen.index_copy(0, rows.to(x.device), denoised)
        return column(sde.drift(t), x) * x - column(sde.square(t) / 2, x) * score

    def report(x: Tensor, t: np.ndarray) -> None:
        nonlocal rounds
        if callback:
            # Of the noisiest sample.
            callback(Step(rounds, x, float(sde.sigma(float(t.max()))), seen))
        rounds += 1

    x = integrate(slope, sde.start(x, levels[0]), 1.0, sde.eps, rtol, report)
    if denoise:
        score, seen = sde.score(model, x, sde.eps)
        kept, pulled, _ = sde.reverse_diffusion(sde.eps, _STEPS)
        x = kept * x + pulled * score
        if callback:
            callback(Step(rounds, x, 0.0, seen))
    return x
