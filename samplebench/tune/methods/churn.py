"""The best noise of EDM's stochastic samplers (Karras et al. 2022, Algorithm 2), by the metric."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from samplebench.tune.candidate import Candidate
from samplebench.tune.problem import Spent
from samplebench.tune.scored import FEWER, Scored

# Relative increase of the noise level in a step, gamma = S_churn / N; the last is its most.
_GAMMAS = (0.12, 0.03, 0.25, math.sqrt(2) - 1)
# Around 1 as EDM's Table 5 has it.
_NOISES = (1.003, 1.007)
# Shares of the logarithmic range that the window leaves out below and above.
_BELOW, _ABOVE = (0.3, 0.5), (0.1, 0.3)
# So many of those that a first look finds best are measured with all samples.
_FINALISTS = 3
_DIGITS = 4


def churn(problem: Scored) -> Candidate:
    """S_churn, S_noise, S_min and S_max with the best value of the metric; those given stay.

    First looks with fewer samples: a few S_churn, with the best of them S_noise, S_min and S_max
    one after the other, then S_churn between its neighbours. The best are measured with all
    samples, on the same seeds, beside the sampler without churn.

    Returns:
        Of those that were measured with all samples within the budget the best.
    """
    seen: dict[tuple[Any, ...], Candidate] = {}
    try:
        problem.error(problem.baseline)
        kept = min(_FINALISTS, max(1, problem.left // (2 * problem.run_cost))) * problem.run_cost
        _look(problem, kept, seen)
    except Spent:
        pass
    try:
        ranked = sorted(seen.values(), key=lambda one: problem.signed(one, FEWER))
        for candidate in ranked[:_FINALISTS]:
            problem.error(candidate)
    except Spent:
        pass
    return problem.best


def _look(problem: Scored, kept: int, seen: dict[tuple[Any, ...], Candidate]) -> None:
    """First looks, noted in `seen`; raises `Spent` where the next would leave less than `kept`."""

    def better(best: dict[str, float], name: str, values: Iterator[float]) -> dict[str, float]:
        if name in problem.params:
            return best
        tried = [best, *({**best, name: _rounded(value)} for value in values)]
        for params in tried[not best :]:
            candidate = problem.churned(**params)
            if candidate.key not in seen and problem.left - problem.cost(FEWER) < kept:
                raise Spent
            problem.signed(candidate, FEWER)
            seen[candidate.key] = candidate
        return min(tried[not best :], key=lambda p: problem.signed(problem.churned(**p), FEWER))

    steps = problem.first.steps
    low, high = (math.log(level) for level in problem.span)
    best = better({}, "S_churn", (gamma * steps for gamma in _GAMMAS))
    best = better(best, "S_noise", iter(_NOISES))
    best = better(best, "S_min", (math.exp(low + share * (high - low)) for share in _BELOW))
    best = better(best, "S_max", (math.exp(high - share * (high - low)) for share in _ABOVE))
    if "S_churn" in best:
        between = _between(best["S_churn"] / steps)
        better(best, "S_churn", (gamma * steps for gamma in between))


def _between(gamma: float) -> Iterator[float]:
    """Geometric means of a first look's value with its neighbours."""
    ladder = sorted(_GAMMAS)
    for one, other in pairwise(ladder):
        if min(abs(one - gamma), abs(other - gamma)) < 1e-3:
            yield math.sqrt(one * other)


def _rounded(value: float) -> float:
    """With few digits, so that a card says all of it."""
    return float(f"{value:.{_DIGITS}g}")
