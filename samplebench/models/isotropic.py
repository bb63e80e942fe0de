"""D(x; sigma) as the noise of an isotropic process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError, unknown
from samplebench.processes import ISOTROPIC, LINEAR, process
from samplebench.processes.isotropic import Isotropic

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.processes.linear import LinearProcess


def isotropic_law(model: Any, given: str | LinearProcess | None = None) -> Isotropic:
    """An isotropic process between the noise levels that a model of D(x; sigma) knows.

    Args:
        model: with sigma_min, sigma_max and, if it was trained on an isotropic one, `process`.
        given: name of a process or the process itself; None for the model's own, and "vp" where
            it has none.

    Raises:
        UsageError: another process than an isotropic one.
    """
    law: Any = own_process(model) if given is None else given
    if isinstance(law, str):
        if law not in LINEAR:
            raise unknown("process", law, ISOTROPIC)
        law = process(law)
    if not isinstance(law, Isotropic):
        raise UsageError(f"process {law.name} needs a model that was trained on it")
    low, high = getattr(model, "sigma_min", 0), getattr(model, "sigma_max", float("inf"))
    return law.within(float(low), float(high))


def own_process(model: Any) -> str | Isotropic:
    """The isotropic process that a model was trained on; "vp" where it has none."""
    own = getattr(model, "process", None)
    return own if isinstance(own, Isotropic) or own in ISOTROPIC else "vp"


def isotropic_eps(
    denoiser: Callable[[Tensor, float], Tensor], law: LinearProcess, u: Tensor, t: float
) -> Tensor:
    """The noise in u at t that a denoiser D(x; sigma) leaves, of u's shape [N, 1, C, H, W]."""
    a, s = float(law.signal(t).item()), float(law.R(t).item())
    x = u[:, 0]
    noise: Tensor = (x - a * denoiser(x / a, s / a)) / s
    return noise[:, None]
