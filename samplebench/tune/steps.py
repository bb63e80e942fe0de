"""The error that each step of a run adds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from samplebench.sampling.setting import Setting
from samplebench.sampling.solver import toy_batch
from samplebench.trajectory.measure import followed
from samplebench.trajectory.tally import levels_of
from samplebench.tune.candidate import Candidate
from samplebench.tune.flow import FineSolution
from samplebench.tune.judged import StepError
from samplebench.tune.problem import Problem, distances

if TYPE_CHECKING:
    from torch import Tensor

ALONE = (
    "of each step alone, begun on the solution at its first level: the distance to the solution at "
    "its last"
)
WITHIN = (
    "of each step within the run, as it needs those before: by how much the distance to the "
    "solution grows, or shrinks"
)
# Two ends of a toy run that are one but for rounding.
_SAME = 1e-9


def steps_alone(problem: Problem, candidate: Candidate) -> tuple[Setting, ...] | None:
    """Each step as a run of its own; None where these, one after the other, are not the run.

    A multistep method's are not, nor those whose rules depend on how many steps there are.
    """
    import torch

    parts = tuple(
        problem.setting(Candidate(pair, candidate.params)) for pair in pairwise(candidate.levels)
    )
    whole = problem.setting(candidate)
    if len(parts) < 2:
        return parts
    with torch.no_grad(), whole.solver.guarded():
        end = _toy(whole, 1.0)
        state = candidate.levels[0]
        for part, level in zip(parts, candidate.levels, strict=False):
            state = _toy(part, state / level)
    return parts if abs(state - end) <= _SAME * abs(end) else None


def step_errors(
    problem: Problem, candidate: Candidate, flow: FineSolution, parts: Sequence[Setting] | None
) -> tuple[StepError, ...]:
    """Means over trajectories of what each step adds.

    Args:
        flow: has the states at all positive levels of the candidate.
        parts: the steps as runs of their own, whose errors are those of steps alone; None for
            what they add within the run.
    """
    if parts is None:
        return _within(problem, candidate, flow)
    found = []
    for part, (level, below) in zip(parts, pairwise(candidate.levels), strict=True):
        end = problem.end(part, "steps", flow.states[level] / level)
        truth = flow.states[below] if below and below != _last(problem) else flow.end
        found.append(StepError(level, float(distances(end, truth).mean())))
    return tuple(found)


def _within(problem: Problem, candidate: Candidate, flow: FineSolution) -> tuple[StepError, ...]:
    setting = problem.setting(candidate)
    levels = levels_of(setting)
    start = problem.latents.cpu().double() * levels[0]
    away = {0: float(distances(start, flow.states[levels[0]]).mean())}

    def note(step: int, x: Tensor) -> None:
        truth = flow.states[levels[step + 1]]
        away[step + 1] = float(distances(x.cpu().double(), truth).mean())

    planned = setting.evaluations * len(problem.seeds)
    with problem.counted(planned, "steps") as bound:
        end = followed(setting, bound, problem.latents, note)
    away[len(levels) - 1] = float(distances(end.cpu().double(), flow.end).mean())
    # A step that a sampler of others does not report is told with the next.
    pairs = pairwise(sorted(away))
    return tuple(StepError(levels[i], away[j] - away[i]) for i, j in pairs)


def _last(problem: Problem) -> float:
    """The level on which every run ends; 0 for those that go on to it."""
    return problem.baseline.levels[-1]


def _toy(setting: Setting, scale: float) -> float:
    """Where a run on one pixel of unit normal data ends.

    Args:
        scale: of the latent.
    """
    bound, latents = toy_batch(setting.timeline, setting.timeline.toy_model())
    return float(setting.run(bound, latents * scale, None))
