"""Models on a linear process: its times, its first state, D(x; sigma) as eps(u, t)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.discretizations import Grid
from samplebench.errors import UsageError, unknown
from samplebench.processes import ISOTROPIC, process
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import LinearProcess
from samplebench.scalars import scalar

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.solver import Solver

# What a request may say of the times, and what holds where it does not; no process is the model's.
TIMES: Mapping[str, Any] = {"ts_order": 2.0, "process": None}


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


def times_of(law: LinearProcess, steps: int, ts_order: Any) -> Grid:
    """The times of so many steps: `levels` are decreasing times [steps + 1] that end in t_min.

    Raises:
        UsageError: ts_order is no positive number.
    """
    ts_order = scalar(ts_order)
    number = isinstance(ts_order, int | float) and not isinstance(ts_order, bool)
    if not (number and 0 < ts_order <= 100):
        raise UsageError(f"ts_order={ts_order} must be a number above 0, e.g. 2")
    return Grid(law.grid(steps, float(ts_order)), law.t_min, law.T)


def settled(solver: Solver, params: Mapping[str, Any], law: LinearProcess) -> dict[str, Any]:
    """Effective parameters of a sampler, the process's own default of `denoise` filled in."""
    effective = solver.effective(params)
    if effective.get("denoise", False) is None:
        effective["denoise"] = law.denoise
    return effective


def refuse_levels(solver: Solver, given: Mapping[str, Any]) -> None:
    """Raises `UsageError` where noise levels are asked for: the steps are in the process's time."""
    if given:
        raise UsageError(
            f"sampler {solver.name} steps in its process's own time; drop {', '.join(given)} and "
            "say steps or nfe, with ts_order=2 for where they are"
        )


def latent_shape(law: LinearProcess, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of the unit normal latents of one image of a shape (C, H, W)."""
    return shape if law.channels == 1 else (law.channels, *shape)


def first_state(law: LinearProcess, latents: Tensor) -> Tensor:
    """The state [N, D, C, H, W] at T, from unit normal latents.

    Args:
        latents: [N, C, H, W], on a process whose channels couple [N, D, C, H, W].

    Raises:
        UsageError: another shape.
    """
    u = latents if law.channels > 1 else latents[:, None]
    fits = u.ndim == 5 and u.shape[1] == law.channels
    if not fits or law.size not in ((1, 1), tuple(u.shape[3:])):
        inner = "C, H, W" if law.size == (1, 1) else "C, {}, {}".format(*law.size)
        channels = "" if law.channels == 1 else f"{law.channels}, "
        raise UsageError(
            f"latents {list(latents.shape)}: process {law.name} needs [N, {channels}{inner}]"
        )
    return u * u.new_tensor(law.prior_factor).reshape(-1, 1, 1, 1)


def isotropic_eps(
    denoiser: Callable[[Tensor, float], Tensor], law: LinearProcess, u: Tensor, t: float
) -> Tensor:
    """The noise in u at t that a denoiser D(x; sigma) leaves, of u's shape [N, 1, C, H, W]."""
    a, s = float(law.signal(t).item()), float(law.R(t).item())
    x = u[:, 0]
    noise: Tensor = (x - a * denoiser(x / a, s / a)) / s
    return noise[:, None]
