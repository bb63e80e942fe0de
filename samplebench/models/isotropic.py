"""D(x; sigma) as the noise of an isotropic process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import UsageError, unknown
from samplebench.processes import ISOTROPIC, process
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import LinearProcess

if TYPE_CHECKING:
    from torch import Tensor


def law_of(model: Any, given: str | LinearProcess | None = None) -> LinearProcess:
    """The process on which a model is sampled.

    Args:
        model: with a `law` it was trained on; or D(x; sigma), which answers on any isotropic law.
        given: name of a process or the process itself; None for the model's own, and "vp" where
            it has none.

    Raises:
        UsageError: another process than that of the model.
    """
    own = getattr(model, "law", None)
    if own is not None:
        if given not in (None, own.name, own):
            raise UsageError(
                f"process={given if isinstance(given, str) else given.name}: the model predicts "
                f"the noise of process {own.name} and of no other"
            )
        return own
    law = given if isinstance(given, LinearProcess) else isotropic(given, model)
    if not isinstance(law, Isotropic):
        raise UsageError(f"process {law.name} needs a model that was trained on it")
    low, high = float(getattr(model, "sigma_min", 0)), float(getattr(model, "sigma_max", np.inf))
    return law.within(low, high)


def isotropic(given: str | None, model: Any = None) -> LinearProcess:
    """The isotropic process of that name; None for the model's own, "vp" where it has none."""
    own = getattr(model, "process", None)
    name = given or (own if own in ISOTROPIC else "vp")
    if name not in ISOTROPIC:
        if name in ("cld", "bdm"):
            raise UsageError(f"process {name} needs a model that was trained on it")
        raise unknown("process", str(name), ISOTROPIC)
    law = process(name)
    assert isinstance(law, LinearProcess)
    return law


def isotropic_eps(
    denoiser: Callable[[Tensor, float], Tensor], law: LinearProcess, u: Tensor, t: float
) -> Tensor:
    """The noise in u at t that a denoiser D(x; sigma) leaves, of u's shape [N, 1, C, H, W]."""
    a, s = float(law.signal(t).item()), float(law.R(t).item())
    x = u[:, 0]
    noise: Tensor = (x - a * denoiser(x / a, s / a)) / s
    return noise[:, None]
