"""What the samplers on a linear process share: drift, noise, the last step, the report."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.errors import UsageError
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import apply
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from samplebench.models.views import LinearView
    from samplebench.processes.linear import LinearProcess, Times


def drift(law: LinearProcess, t: Times, score: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """(A, B) of F u - score G G^T s = A u + B eps, with the score s = -R^-T eps.

    Args:
        t: one time, or several at once, which costs little more.
        score: with 1/2 it is the probability flow's du/dt.
    """
    return law.F(t), score * law.GGT(t) @ law.score_factor(t)


def noisy(
    model: LinearView,
    u: Tensor,
    factor: np.ndarray,
    noise: Callable[[Tensor], Tensor] | None,
    last: bool,
) -> Tensor:
    """u with fresh noise, one draw, of the covariance that has this factor; in the last step it is
    added where the process has it so."""
    fresh = draw(noise, u)
    if last and not model.process.noisy_end:
        return u
    return u + apply(factor, fresh)


def finish(
    model: LinearView,
    u: Tensor,
    t: float,
    index: int,
    denoise: bool | None,
    callback: Callable[[Step], None] | None,
) -> Tensor:
    """The process's step from t = t_min to 0, an evaluation of its own.

    Args:
        index: of the step.
        denoise: whether it is made; None for the process's own.
    """
    law = model.process
    if not (law.denoise if denoise is None else denoise):
        return u
    eps = model.eps(u, t)
    before, u = u, law.last(u, eps, t)
    if callback:
        x0 = law.decode(law.clean(before, eps, t))
        callback(Step(index, law.decode(u), 0.0, x0, t=0.0, u=u))
    return u


def report(
    callback: Callable[[Step], None] | None,
    model: LinearView,
    index: int,
    u: Tensor,
    t: float,
    evaluated: tuple[Tensor, Tensor, float],
) -> None:
    """Tells the callback of a step that ended in u at t.

    Args:
        evaluated: state, noise prediction and time of the latest evaluation.
    """
    if callback:
        law = model.process
        sigma = law.sigma(t) if isinstance(law, Isotropic) else math.nan
        callback(Step(index, law.decode(u), sigma, law.decode(law.clean(*evaluated)), t=t, u=u))


def check_lam(lam: float) -> None:
    """Raises `UsageError` for a share of noise that no reverse SDE has."""
    if not 0 <= lam < math.inf:
        raise UsageError(f"lam={lam}: the noise of the reverse SDE is 0 or more, e.g. 1")
