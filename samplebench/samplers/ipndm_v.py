"""iPNDM_v: iPNDM for steps that are not equal, as published and as meant.

The published weights (diff-sampler) of two points are variable-step Adams-Bashforth; of three and
four they differ from it, by nothing at equal steps of three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.registry import samplers
from samplebench.samplers import lms
from samplebench.samplers.adams_bashforth import in_sigma
from samplebench.samplers.multistep import Method, Weights, check_order, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

# Of 1 to 4 points on EDM's grid, 80 to 160 steps. The weights of four do not sum to 1.
MEASURED = {1: 1.0, 2: 2.0, 3: 3.0, 4: 1.0}


def as_published(levels: Sequence[float], i: int, points: int) -> Weights:
    """The step from sigma_i to sigma_{i+1}."""
    h, *earlier = (levels[j + 1] - levels[j] for j in range(i, i - points, -1))
    return Weights(1.0, tuple(h * factor for factor in FACTORS[points - 1](h, *earlier)))


def _one(h: float) -> tuple[float, ...]:
    return (1.0,)


def _two(h: float, p: float) -> tuple[float, ...]:
    w = h / p
    return 1 + w / 2, -w / 2


def _three(h: float, p: float, q: float) -> tuple[float, ...]:
    newest, second = _two(h, p)
    v = p / q
    # Adams-Bashforth has (1 - h / (3 (h + p))) times the ratio.
    ratio = h * (h + p) / (p * (p + q))
    t1 = (1 - h / (3 * (h + p)) * ratio) / 2
    return newest + t1, second - (1 + v) * t1, v * t1


def _four(h: float, p: float, q: float, r: float) -> tuple[float, ...]:
    newest, second, third = _three(h, p, q)
    v, k = p / q, p * (p + q) / (q * (q + r))
    ratio = h * (h + p) * (h + p + q) / (p * (p + q) * (p + q + r))
    inner = (1 - h / (3 * (h + p))) / 2 + (1 - h / (2 * (h + p))) * h / (6 * (h + p + q))
    t2 = inner * ratio
    # Adams-Bashforth has k and k q / r for the last two: these do not sum to 1.
    return newest + t2, second - (1 + v + k) * t2, third + (v + k * (1 + q / r)) * t2, -k * v * t2


# By points; of h and the steps before it, newest first.
FACTORS: tuple[Callable[..., tuple[float, ...]], ...] = (_one, _two, _three, _four)


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return lms.canonical(params) if params["order"] <= 2 else ("ipndm-v", params)


@samplers.register(
    "ipndm-v",
    order=lambda params: MEASURED[params["order"]],
    evaluations=lambda steps: steps,
    final="sigma_min",
    canonical=_canonical,
    code="diff-sampler",
    cite=("zhou2024amed", "liu2022pndm"),
)
def ipndm_v(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    order: int = 4,
) -> Tensor:
    """iPNDM_v as published, of 4 points (order about 1, of 3 points 3), N evaluations for N steps.

    Args:
        order: predictions that a step uses, 1 to 4; the first steps have fewer.

    Raises:
        UsageError: another order.
    """
    method = Method(as_published, check_order("ipndm-v", order, len(MEASURED)))
    return multistep(model, x, grid, method, callback=callback)


@samplers.register(
    "ipndm-v-exact",
    order=lambda params: params["order"],
    evaluations=lambda steps: steps,
    final="sigma_min",
    canonical=lms.canonical,
    cite=("zhou2024amed", "liu2022pndm"),
)
def ipndm_v_exact(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    order: int = 4,
) -> Tensor:
    """iPNDM_v with true variable-step Adams-Bashforth (as lms), order 4, N evaluations for N steps.

    Args:
        order: predictions that a step uses, 1 to 4; the first steps have fewer.

    Raises:
        UsageError: another order.
    """
    method = Method(in_sigma, check_order("ipndm-v-exact", order, lms.MOST))
    return multistep(model, x, grid, method, callback=callback)
