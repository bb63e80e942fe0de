"""Models on a linear process: its times, its first state, D(x; sigma) as eps(u, t)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from samplebench.answers.scalars import scalar
from samplebench.discretizations import Grid
from samplebench.errors import UsageError
from samplebench.processes.linear import LinearProcess

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.sampling.sampler import Solver

# What a request may say of the times, and what holds where it does not; no process is the model's.
TIMES: Mapping[str, Any] = {"ts_order": 2.0, "process": None}


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
