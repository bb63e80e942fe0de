"""DEIS: eps by a polynomial of its last predictions (Zhang & Chen 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import unknown
from samplebench.processes.quadrature import gauss, gauss_on_panels
from samplebench.processes.vp import VP
from samplebench.registry import samplers
from samplebench.samplers import lms
from samplebench.samplers.adams_bashforth import in_sigma
from samplebench.samplers.lagrange import lagrange
from samplebench.samplers.multistep import Method, Weights, check_order, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

# Whose t the polynomial of "tab" is in, whatever the grid and the model.
LAW = VP.fit(0.002, 80.0, 1e-3)
# Below it t is as good as a polynomial in sigma, down to 0.
_SMALL = 1e-4


def in_time(levels: Sequence[float], i: int, points: int) -> Weights:
    """Integrals from sigma_i to sigma_{i+1} of the Lagrange polynomials in t of the last levels.

    tAB-DEIS, with sigma instead of t as the variable of integration: t(sigma) is smooth
    down to 0, where sigma'(t) is not. The quadrature is exact to rounding.
    """
    a, b = levels[i], levels[i + 1]
    knee = min(a, max(b, _SMALL))
    parts = gauss_on_panels(knee, a), gauss(np.array(b), np.array(knee))
    at, weights = (np.concatenate(both) for both in zip(*parts, strict=True))
    nodes = np.array(levels[i - points + 1 : i + 1][::-1])
    values = lagrange(_times(nodes), _times(at))
    return Weights(1.0, tuple((-values @ weights).tolist()))


def _times(levels: np.ndarray) -> np.ndarray:
    return np.array([LAW.time(sigma) for sigma in levels.tolist()])


RULES = {"tab": in_time, "rhoab": in_sigma}


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    same = params["mode"] == "rhoab" or params["order"] == 1
    return lms.canonical(params) if same else ("deis", params)


@samplers.register(
    "deis",
    order=lambda params: params["order"],
    evaluations=lambda steps: steps,
    final="sigma_min",
    canonical=_canonical,
    code="diff-sampler",
    cite=("zhang2023deis", "zhou2024amed"),
)
def deis(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    mode: str = "tab",
    order: int = 4,
) -> Tensor:
    """DEIS, exponential multistep on eps, order 4 (4 points: tAB3), N evaluations for N steps.

    Args:
        mode: "tab", polynomials in the time of the VP law that has sigma(1) = 80 and
            sigma(0.001) = 0.002; or "rhoab", in sigma, which is lms.
        order: predictions that a step uses, 1 to 4; the paper's r is one less.

    Raises:
        UsageError: another mode or order.
    """
    if mode not in RULES:
        raise unknown("mode", mode, RULES)
    method = Method(RULES[mode], check_order("deis", order, lms.MOST))
    return multistep(model, x, grid, method, callback=callback)
