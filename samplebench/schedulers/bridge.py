"""`diffusers:SCHEDULER`: any scheduler of diffusers as a sampler of D(x; sigma).

Its own times, its own loop and its own step; the model is asked at the noise levels of its states,
and answers in the scheduler's convention.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.rounding import SINGLE
from samplebench.extras import hushed, unlogged
from samplebench.registry import SamplerEntry, samplers
from samplebench.samplers.step import Step
from samplebench.schedulers.classes import CONSISTENCY, scheduler_class
from samplebench.schedulers.configuration import Configured, parameters, prepared
from samplebench.schedulers.loop import run_loop
from samplebench.schedulers.outputs import output_of
from samplebench.schedulers.package import PREFIX, called, version
from samplebench.schedulers.schedule import HIGHEST, cap_of, decreasing, drawing, schedule_of

if TYPE_CHECKING:
    from torch import Tensor

# More than any budget: of step counts that a scheduler's table has no room for.
_TOO_MANY = 10**9
# Steps on which is tried whether a configuration draws noise.
_TRIED = (8, 2, 1)
_STEPS = "num_inference_steps"


@dataclass(frozen=True)
class SchedulerLevels:
    """Where a scheduler's steps are, on a model.

    Attributes:
        own: decreasing, each once, and the last that is left; the first is infinite where a run
            begins without any image.
        asked: the same as the model is asked, float64.
        start: what unit normal latents are multiplied by for x on the first level.
    """

    own: list[float]
    asked: np.ndarray
    start: float


@samplers.scheme(PREFIX, f"{PREFIX}:SCHEDULER", "a scheduler of diffusers by its class name")
def scheduler(name: str) -> SamplerEntry:
    """The sampler of a class's name.

    Raises:
        EnvironmentError_: diffusers is not installed.
        UsageError: no such class, or one that is no sampler of images.
    """
    found = scheduler_class(name)
    known = dict.fromkeys(parameters(found))
    return SamplerEntry(
        f"{PREFIX}:{name}",
        Configured(found, run, ("model", "x", "grid"), ("noise", "callback", _STEPS)),
        summary=f"diffusers' {name}.",
        timeline="scheduled",
        evaluations=Configured(found, evaluations, ("steps",)),
        levels=Configured(found, levels, ("steps", "model")),
        stochastic=lambda params: _draws(found, {n: v for n, v in params.items() if n in known}),
        noises=lambda steps, params: 1,
        code="diffusers",
        about={"package": f"diffusers {version()}", "scheduler": name},
        remarks=lambda model, who: _remarks(name),
    )


def run(
    scheduler: type[Any],
    model: Callable[..., Tensor],
    x: Tensor,
    grid: Tensor,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    callback: Callable[[Step], None] | None = None,
    num_inference_steps: int,
    **params: Any,
) -> Tensor:
    """The scheduler's loop from x on the first level; what it ends in is brought to x0 + sigma n.

    Args:
        scheduler: the class.
        model: D(x; sigma).
        x: [N, ...], x0 + sigma n on the first level, or sigma n where it is the model's highest.
        grid: the levels as `levels` has them; no model is asked above the first.
        num_inference_steps: of the scheduler, which may be fewer than its evaluations.
        params: as of `parameters`.

    Returns:
        x [N, ...] on the last level, in the precision of the input.
    """
    schedule, cap = schedule_of(scheduler, num_inference_steps, params), float(grid[0])
    sigmas = [*schedule.asked(cap), schedule.last.sigma]
    marginals, kept = (*schedule.marginals, schedule.last), x.dtype
    answers: list[Tensor] = []
    with hushed():
        own, told = prepared(scheduler, num_inference_steps, params, x.device)
    output = output_of(own)
    if schedule.draws and noise is not None:
        told |= drawing(scheduler, generators(noise(x)))

    def answer(scaled: Tensor, state: Tensor, t: Any, call: int) -> Tensor:
        denoised = model(state.to(kept) * marginals[call].ratio(cap), sigmas[call])
        answers[:] = [denoised]
        return output(state, denoised.to(state), marginals[call])

    def report(state: Tensor, call: int) -> None:
        index = int((grid[1:] > sigmas[call + 1] * (1 + SINGLE)).sum())
        here = state.to(kept) * marginals[call + 1].ratio(cap)
        if callback:
            callback(Step(index, here, sigmas[call + 1], answers[0]))

    with unlogged(), warnings.catch_warnings():
        # Of NumPy about code that is not the user's.
        warnings.filterwarnings("ignore", module=PREFIX)
        state = x / marginals[0].ratio(cap)
        end = run_loop(own, answer, state, told=told, after=report if callback else None)
    return end.to(kept) / schedule.last.a


def levels(scheduler: type[Any], steps: int, model: Any, **params: Any) -> SchedulerLevels:
    """Where so many steps are on a model, or on what is known of one.

    Raises:
        UsageError: as of `schedule_of`; or its levels go up.
    """
    schedule, cap = schedule_of(scheduler, steps, params), cap_of(model)
    name, first = called(scheduler), schedule.marginals[0]
    cap = min(cap, first.sigma)
    own = decreasing(name, schedule.asked(math.inf), schedule.last.sigma)
    if first.sigma == math.inf:
        cap = min(cap, HIGHEST)
    asked = decreasing(name, schedule.asked(cap), schedule.last.sigma)
    return SchedulerLevels(own, np.array(asked), schedule.initial * first.ratio(cap))


def evaluations(scheduler: type[Any], steps: int, **params: Any) -> int:
    """Network evaluations of so many steps; more than any budget where its table has too few."""
    try:
        with hushed():
            return len(prepared(scheduler, steps, params)[0].timesteps)
    except (ValueError, IndexError):
        if steps > 1 and evaluations(scheduler, steps // 2, **params):
            return _TOO_MANY
        raise


def generators(noise: Tensor) -> list[Any]:
    """One random generator for each sample, seeded by its noise [N, ...] alone."""
    import torch

    # Of a state in float64 and in float32 the same seeds.
    rows = noise.detach().cpu().float().contiguous().flatten(1).numpy()
    seeds = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    # On the host, so that every device gets the same numbers.
    return [torch.Generator().manual_seed(int.from_bytes(seed, "big")) for seed in seeds]


def _draws(scheduler: type[Any], params: dict[str, Any]) -> bool:
    """Whether a configuration draws noise; one that cannot run is no deterministic one."""
    for steps in _TRIED:
        try:
            return schedule_of(scheduler, steps, params).draws
        except Exception:  # diffusers raises what it likes; whoever plans the steps tells it
            continue
    return True


def _remarks(name: str) -> tuple[str, ...]:
    if name not in CONSISTENCY:
        return ()
    return (
        f"{PREFIX}:{name} is for consistency models, which predict the end of the ODE; D(x; sigma) "
        "does not, so images will be too smooth",
    )
