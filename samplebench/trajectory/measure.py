"""Runs samplers beside the reference solution and reads off their distance after every step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.ambient import own_settings
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey
from samplebench.cards.name import is_card
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import is_foreign, threads_of
from samplebench.noise.labels import labels_for
from samplebench.noise.latents import start
from samplebench.noise.streams import check_seeds, stream
from samplebench.samplers.step import Step
from samplebench.sampling.setting import Setting
from samplebench.ticker import bar
from samplebench.trajectory.plan import Family, families
from samplebench.trajectory.reference import Solution, solve, tolerance
from samplebench.trajectory.result import Truncation
from samplebench.trajectory.tally import Tally, levels_of, start_of

if TYPE_CHECKING:
    from torch import Tensor

# Samples at once: bounds the memory that the reference's states take.
_BLOCK = 64
# A sampler of others may report its noise levels in single precision.
_SAME_LEVEL = 1e-5


def truncation(
    model: Any,
    sampler: str | Callable[..., Any] | Sequence[str | Callable[..., Any]],
    *,
    steps: int | Sequence[int] | None = None,
    nfe: int | Sequence[int] | None = None,
    rho: float | Sequence[float] | None = None,
    discretization: Any = None,
    param: Any = None,
    seeds: Sequence[int] | None = None,
    latents: Tensor | None = None,
    labels: Tensor | Sequence[int] | int | None = None,
    quiet: bool = False,
) -> Truncation:
    """The truncation error of deterministic samplers on a model.

    Args:
        model: from `sb.load`, or any callable (x, sigma, labels) -> x0; its sigma_min (0 if it
            has none) says how far down it can be followed.
        sampler, rho, discretization, param: one value or a list, as for `sb.run`; without a
            discretization "edm".
        steps: numbers of steps; or
        nfe: budgets of network evaluations per sample; explicit noise levels and solver cards need
            neither.
        seeds: one integer per sample; or
        latents: unit normal [N, C, H, W], not yet scaled to the first noise level.
        labels: int64 [N] or one for all; None draws them from the seeds if the model has classes.
        quiet: no progress on stderr.

    Raises:
        UsageError: an unknown name, a sampler that draws noise, or a model that no reference
            solution can follow.
    """
    if steps is not None and nfe is not None:
        raise UsageError("give steps or nfe, not both")
    words = {"rho": rho, "discretization": discretization, "param": param}
    request = Request.of(sampler=sampler, nfe=nfe if steps is None else steps, **words)
    counted = all(map(is_card, request.sampler))
    counted = counted or not any(isinstance(grid, str) for grid in request.discretization)
    if steps is None and nfe is None and not counted:
        raise UsageError("give one of steps and nfe")
    survey = Survey(request.given if steps is None else request.given - {"nfe"} | {"steps"})
    found = families(model, request, survey, () if steps is None else request.nfe)
    if not quiet:
        survey.show()
    return measure(model, found, seeds=seeds, latents=latents, labels=labels, quiet=quiet)


def measure(
    model: Any,
    asked: Sequence[Family],
    *,
    seeds: Sequence[int] | None = None,
    latents: Tensor | None = None,
    labels: Tensor | Sequence[int] | int | None = None,
    quiet: bool = False,
) -> Truncation:
    """Truncation errors of planned runs; arguments as for `truncation`."""
    seeds = None if seeds is None else check_seeds(seeds)
    num_classes = int(getattr(model, "num_classes", 0))
    tally = Tally()
    around = nullcontext() if is_foreign(model) else own_settings()
    with around, threads_of(model):
        latents, drawn, _ = start(model, seeds, latents, num_classes)
        drawn = labels_for(labels, drawn, len(latents), num_classes, latents.device, False)
        for first in range(0, len(latents), _BLOCK):
            part = slice(first, first + _BLOCK)
            _measure_block(
                model, asked, latents[part], None if drawn is None else drawn[part], tally, quiet
            )
    return Truncation(
        model=_name(model),
        num_samples=len(latents),
        seed=None if seeds is None else seeds[0],
        dtype=str(latents.dtype).removeprefix("torch."),
        curves=tuple(tally.curve(family) for family in asked),
    )


def _name(model: Any) -> str:
    """Its catalogue id, else what its code calls it."""
    provenance = getattr(model, "provenance", {})
    return str(provenance.get("id") or getattr(model, "__name__", type(model).__name__))


def _measure_block(
    model: Any,
    asked: Sequence[Family],
    latents: Tensor,
    labels: Tensor | None,
    tally: Tally,
    quiet: bool,
) -> None:
    groups: dict[tuple[float, float], list[Setting]] = defaultdict(list)
    for family in asked:
        for setting in family.settings:
            groups[start_of(setting), unit_of(setting)].append(setting)
    for (sigma_max, unit), settings in groups.items():
        levels = {level for setting in settings for level in levels_of(setting) if level > 0}
        bound = Bound(model, labels, len(latents), blamed=True)
        known = tally.truths.get(sigma_max)
        rtol = (
            known.rtol if known else tolerance(bound, latents, math.sqrt(sigma_max * min(levels)))
        )
        with bar(None, "reference", "eval", quiet) as advance:
            reference = solve(
                bound, latents * unit, sigma_max, levels, rtol,
                lambda sigma: advance(1, f"reference, sigma={sigma:.3g}"),
            )  # fmt: skip
        tally.add_truth(reference.truth)
        total = sum(setting.evaluations for setting in settings)
        with bar(total, "samplers", "eval", quiet) as advance:
            for setting in settings:
                squares, images = _run(setting, reference, latents)
                tally.add(setting, squares, images)
                nfe = setting.evaluations
                advance(nfe, f"{setting.solver.name}, {setting.steps} steps")


def unit_of(setting: Setting) -> float:
    """What latents are multiplied by before they are scaled to the first level: mostly 1."""
    import torch

    one = setting.timeline.start(torch.ones(1, dtype=torch.float64))
    return float(one) / float(setting.timeline.grid[0])


def _run(
    setting: Setting, reference: Solution, latents: Tensor
) -> tuple[dict[int, np.ndarray], int]:
    """Mean square errors [N] of a sampler's states by step, and the images evaluated."""
    model, levels = reference.model, levels_of(setting)
    bound = Bound(model.model, model.labels, len(latents), blamed=True)
    squares: dict[int, np.ndarray] = {}

    def note(step: int, x: Tensor) -> None:
        squares[step] = _squares(x, reference.states[levels[step + 1]])

    x = followed(setting, bound, latents, note)
    lowest = next(level for level in reversed(levels) if level > 0)
    truth = reference.states[lowest] if levels[-1] > 0 else reference.end(lowest)
    squares[len(levels) - 2] = _squares(x, truth)
    return squares, bound.images


def followed(
    setting: Setting, bound: Bound, latents: Tensor, seen: Callable[[int, Tensor], None]
) -> Tensor:
    """Where a deterministic run ends.

    Args:
        bound: the model with its labels.
        latents: unit normal [N, C, H, W].
        seen: called with (step, state) after each step but the last whose state is reported on its
            noise level, which is number step + 1 of `levels_of`.
    """
    import torch

    levels = levels_of(setting)
    scaled = setting.params.get("scaling") == "vp"

    def note(step: Step) -> None:
        at = levels[step.index + 1] if step.index < len(levels) - 2 else 0.0
        # A sampler of others may report something else than the state on the next level.
        if at > 0 and abs(step.sigma / at - 1) < _SAME_LEVEL:
            seen(step.index, step.x * math.sqrt(1 + at**2) if scaled else step.x)

    noise = stream("portable", range(len(latents)), latents.device, latents.dtype)
    with torch.no_grad(), setting.solver.guarded():
        # Of a card's states, stages among them, the end alone is one of the solution.
        told = None if setting.timeline.staged else note
        return setting.run(bound, latents, noise, told)


def _squares(x: Tensor, truth: Tensor) -> np.ndarray:
    return (x.cpu().double() - truth).square().flatten(1).mean(1).numpy()
