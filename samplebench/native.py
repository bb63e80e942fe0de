"""Which of a discrete model's own time steps a request keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from samplebench.discretizations import Grid
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.sampling.sampler import Solver


def kept_steps(
    model: Any, solver: Solver, steps: int | None, nfe: int | None, respacing: str | None
) -> DiscreteProcess:
    """The respaced process of a request; without one, the model's own respacing if it has one.

    Args:
        model: with `diffusion`, the process of all its steps.
        solver: a sampler on them.
        steps: N, OpenAI's respacing "N"; or
        nfe: a budget: at most as many steps as there are; or
        respacing: in the release's grammar, "" for all steps.

    Raises:
        UsageError: not exactly one of them, a respacing the process does not have, or a single
            step: the release's variance of the first step is that of the second.
    """
    if (steps, nfe, respacing) == (None, None, None) and model.respacing:
        respacing = model.respacing
    if sum(given is not None for given in (steps, nfe, respacing)) != 1:
        raise UsageError("give exactly one of steps, nfe and respacing")
    every: DiscreteProcess = model.diffusion
    if nfe is not None:
        steps = min(solver.steps_for(nfe), every.steps)
    spec = str(steps) if respacing is None else respacing
    kept = every.respaced(spec)
    if kept.steps < 2:
        raise UsageError(
            f"sampler {solver.name} with respacing '{spec}': a process of one step has no "
            "variance; keep at least 2"
        )
    return kept


def grid_of(diffusion: DiscreteProcess) -> Grid:
    """The noise levels of a process, decreasing, with the final 0."""
    import numpy as np

    sigmas = diffusion.sigmas
    return Grid(np.append(sigmas[::-1], 0.0), float(sigmas[0]), float(sigmas[-1]))


def refuse_grid(solver: Solver, given: dict[str, Any]) -> None:
    """Raises `UsageError` where a grid of noise levels is asked for: the steps are the model's.

    Args:
        solver: a sampler on a discrete model's own steps.
        given: words of the request that differ from their defaults.
    """
    if given:
        raise UsageError(
            f"sampler {solver.name} keeps steps of the model's own process; drop "
            f"{', '.join(given)} and say steps=25 or respacing='ddim25'"
        )
