"""gDDIM: exponential multistep on any linear process (Zhang, Tao & Chen 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import UsageError
from samplebench.processes.linear import apply
from samplebench.registry import samplers
from samplebench.samplers import exponential
from samplebench.samplers.linear_step import check_lam, finish, noisy, report
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.views import LinearView


def _evaluations(
    steps: int,
    corrector: int | None = None,
    correct_last: bool = False,
    denoise: bool | None = None,
) -> int:
    corrected = 0 if corrector is None else steps if correct_last else steps - 1
    return steps + corrected + bool(denoise)


def _canonical(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    idle = {"correct_last"} if params["corrector"] is None else set()
    if params["degree"] == _usual_degree(params["lam"]):
        params = params | {"degree": None}
    return "gddim", {name: value for name, value in params.items() if name not in idle}


def _usual_degree(lam: float) -> int:
    """With noise a polynomial of higher degree extrapolates it."""
    return 0 if lam > 0 else 2


@samplers.register(
    "gddim",
    summary="gDDIM, exponential multistep on CLD, blurring, VP (tAB-DEIS) and VE (rhoAB-DEIS)",
    order=3,
    evaluations=_evaluations,
    stochastic=lambda params: params["lam"] > 0,
    timeline="linear",
    canonical=_canonical,
    cite=("zhang2023gddim", "zhang2023deis"),
)
def gddim(
    model: LinearView,
    u: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    degree: int | None = None,
    corrector: int | None = None,
    correct_last: bool = False,
    lam: float = 0.0,
    quadrature: str = "exact",
    denoise: bool | None = None,
) -> Tensor:
    """Exponential multistep, order degree + 1, N evaluations for N steps (Algorithm 1).

    Args:
        degree: of the polynomial through the noise predictions; 0 is DDIM's on any process. None: 2
            for the flow, 0 with noise.
        corrector: degree of the corrector's polynomial, None for none; a corrected step costs one
            more evaluation.
        correct_last: whether the last step is corrected too: 2N evaluations instead of 2N - 1.
        lam: of the reverse SDE: 0 the probability flow, 1 the usual one.
        quadrature: of the coefficients: "exact", or "riemann" for the released code's sums.
        denoise: whether the process's step without noise from t_min to 0 follows, one evaluation;
            None: as the process has it.

    Raises:
        UsageError: a degree below 0, lam below 0, or a corrector or Riemann sums with noise.
    """
    degree = _usual_degree(lam) if degree is None else degree
    _check(degree, corrector, lam, quadrature)
    law, times = model.process, tuple(grid.tolist())
    predict = (
        exponential.stochastic(law, times, degree, lam)
        if lam > 0
        else exponential.predictor(law, times, degree, quadrature)
    )
    correct = None
    if corrector is not None:
        correct = exponential.corrector(law, times, corrector, quadrature)
    history: list[Tensor] = []  # noise predictions, newest first
    last = len(times) - 2
    for i, (t, t_next) in enumerate(pairwise(times)):
        eps = model.eps(u, t)
        history = [eps, *history[: max(degree, corrector or 0)]]
        evaluated = (u, eps, t)
        moved = apply(law.psi(t_next, t), u)
        u = moved + _combined(predict[i], history)
        if correct is not None and (i < last or correct_last):
            ahead = model.eps(u, t_next)
            evaluated = (u, ahead, t_next)
            u = moved + _combined(correct[i], [ahead, *history])
        if lam > 0:
            u = noisy(model, u, exponential.fresh(law, times, lam)[i], noise, i == last)
        report(callback, model, i, u, t_next, evaluated)
    return finish(model, u, times[-1], last + 1, denoise, callback)


def _combined(weights: np.ndarray, history: Iterable[Tensor]) -> Tensor:
    terms = [apply(weight, eps) for weight, eps in zip(weights, history, strict=False)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _check(degree: int, corrector: int | None, lam: float, quadrature: str) -> None:
    for name, value in (("degree", degree), ("corrector", corrector)):
        whole = value is None or (isinstance(value, int) and not isinstance(value, bool))
        if not whole or (value is not None and value < 0):
            raise UsageError(f"{name}={value}: a polynomial's degree is a whole number from 0 up")
    check_lam(lam)
    if lam > 0 and (corrector is not None or quadrature != "exact"):
        raise UsageError(
            f"lam={lam:g}: the corrector and quadrature=riemann are for lam=0, without noise"
        )
