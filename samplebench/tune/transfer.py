"""What a grid is worth elsewhere: on another model, at another budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from samplebench.errors import SamplebenchError, UsageError
from samplebench.tune.candidate import Candidate
from samplebench.tune.problem import Problem


@dataclass(frozen=True)
class GridPlace:
    """Where a grid was found, or where it is tried.

    Attributes:
        model: its id.
        nfe: budget of evaluations per sample.
        levels: what was found there.
    """

    model: str
    nfe: int
    levels: tuple[float, ...]


@dataclass(frozen=True)
class Transfer:
    """Errors of the grids of some places at all of them.

    Attributes:
        places: whose grids they are, and where they are tried.
        ratios: [from, to], the mean error of the grid found at the one place and tried at the
            other, divided by that of rho = 7 there; NaN where it cannot run.
        errors: [from, to], standard errors of the ratios, over paired trajectories.
    """

    places: tuple[GridPlace, ...]
    ratios: np.ndarray
    errors: np.ndarray


def transfer(
    places: Sequence[GridPlace],
    problem_at: Callable[[GridPlace], Problem],
    report: Callable[[int, str], None] = lambda done, what: None,
) -> Transfer:
    """Tries the grid of every place at every other, on the trajectories of the problem there.

    Args:
        places: with what was found there.
        problem_at: a place to its sampler, model, budget and judging trajectories.
        report: called after each place with 1 and its name.
    """
    shape = len(places), len(places)
    ratios, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    for j, target in enumerate(places):
        problem = problem_at(target)
        plain = problem.errors(problem.baseline)
        for i, source in enumerate(places):
            try:
                own = problem.errors(carried(source.levels, problem))
            except SamplebenchError:
                continue
            ratios[i, j], errors[i, j] = ratio_of(own, plain)
        report(1, f"{target.model}, NFE {target.nfe}")
    return Transfer(tuple(places), ratios, errors)


def carried(levels: Sequence[float], problem: Problem) -> Candidate:
    """A grid at another place: as many levels as that takes, within what both of them reach.

    Levels are read off linearly in log sigma over their index; where number and range are equal
    they stay as they are.

    Raises:
        UsageError: the ranges do not meet, or the model there does not tell two levels apart.
    """
    known = np.log([level for level in levels if level > 0])
    lowest, highest = np.log(problem.span)
    count = len(problem.baseline.positive)
    low, high = max(known[-1], lowest), min(known[0], highest)
    if not low < high:
        raise UsageError("the grid and the model share no range of noise levels")
    # Index of a level: the levels decrease, and np.interp wants what grows.
    places = np.interp([-high, -low], -known, np.arange(len(known)))
    if count == len(known) and places.tolist() == [0, len(known) - 1]:
        return problem.candidate(level for level in levels if level > 0)
    at = np.linspace(places[0], places[1], count)
    return problem.candidate(np.exp(np.interp(at, np.arange(len(known)), known)))


def ratio_of(own: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Of two means over the same trajectories their ratio, and its standard error (delta method).

    Args:
        own, other: errors of each trajectory, [N].
    """
    ratio = float(own.mean() / other.mean())
    away = own - ratio * other
    return ratio, float(away.std(ddof=1) / np.sqrt(len(own)) / other.mean())
