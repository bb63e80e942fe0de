"""UniPC: a multistep predictor whose step is corrected by its own evaluation (Zhao et al. 2023).

With m_i the prediction at lambda_i = -ln sigma_i, r_j = (lambda_{i-j} - lambda_i) / h,
D_j = (m_{i-j} - m_i) / r_j, and B = h or e^h - 1 up to signs,

    UniP    x_{i+1} = DDIM's step - B sum_{j < p} w_j D_j
    UniC    the same with one node more, r = 1, where m' = m(x_{i+1}) is evaluated
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import unknown
from samplebench.registry import samplers
from samplebench.samplers.log_snr import LogSnrStep, one_point, phis
from samplebench.samplers.multistep import Method, Rule, Weights, check_order, late, multistep
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

MOST = 3
# B(z); z is -h for x0 and h for eps.
VARIANTS: dict[str, Callable[[float], float]] = {"bh1": lambda z: z, "bh2": math.expm1}


def unified(predicts: str, variant: str, corrects: bool) -> Rule:
    """The rule of UniP, or of UniC, whose weights begin with that of m'."""
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)

    def rule(levels: Sequence[float], i: int, points: int) -> Weights:
        a, b = levels[i], levels[i + 1]
        step = LogSnrStep.between(a, b, predicts)
        # B is infinite into 0, where DDIM's step is exact for what is known.
        if b == 0:
            return one_point(step)
        z, h = step.z, abs(step.z)
        nodes = [math.log(a / levels[i - j]) / h for j in range(1, points)]
        nodes = [1.0, *nodes] if corrects else nodes
        B = VARIANTS[variant](z)
        weights = zip(_solved(nodes, z, B), nodes, strict=True)
        differences = [-step.scale * B * w / r for w, r in weights]
        now = step.first - sum(differences)
        past = (differences[0], now, *differences[1:]) if corrects else (now, *differences)
        return Weights(step.keep, past)

    return rule


def _solved(nodes: list[float], z: float, B: float) -> list[float]:
    """w of R w = b (Theorem 3.1), R_kj = r_j^(k-1), b_k = k! psi_k / B, psi_k = phi_{k+1}."""
    if len(nodes) == 1:
        # The paper's choice, which the order allows.
        return [1 / 2]
    psis = phis(z, len(nodes) + 1)[1:]
    b = [math.factorial(k) * psi / B for k, psi in enumerate(psis, 1)]
    R = np.vander(nodes, increasing=True).T
    return np.linalg.solve(R, np.array(b)).tolist()


def _evaluations(steps: int, order: int = 3, final: str = "zero") -> int:
    return steps + (steps < order and final != "zero")


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """With one point there is none to leave out at the end."""
    return "unipc", {
        **params,
        "lower_order_final": params["order"] == 1 or params["lower_order_final"],
    }


@samplers.register(
    "unipc",
    order=lambda params: params["order"] + 1,
    canonical=_canonical,
    evaluations=_evaluations,
    late=late,
    final="sigma_min",
    code="diff-sampler",
    cite=("zhao2023unipc", "zhou2024amed"),
)
def unipc(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    variant: str = "bh2",
    order: int = 3,
    predicts: str = "x0",
    lower_order_final: bool = True,
) -> Tensor:
    """UniPC, multistep predictor-corrector, order 3 + 1, N evaluations, N + 1 if N < 3.

    Args:
        variant: B(h): "bh1", h; or "bh2", e^h - 1.
        order: predictions that a step uses, 1 to 3; the corrector has one more. With fewer steps
            than it the last one is corrected, too, unless it goes into 0.
        predicts: "x0" or "eps".
        lower_order_final: whether the last steps use fewer points; a step into 0 always one.

    Raises:
        UsageError: another order or an unknown word.
    """
    method = Method(
        unified(predicts, variant, corrects=False),
        check_order("unipc", order, MOST),
        predicts,
        unified(predicts, variant, corrects=True),
        lower_order_final,
    )
    return multistep(model, x, grid, method, callback=callback)
