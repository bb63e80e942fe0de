"""Steps of a student between stamps as sums of states and answers, whatever its method is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samplebench.errors import UsageError
from samplebench.sampling.export import as_card
from samplebench.sampling.tape import recorded
from samplebench.timelines.ends import RULES

if TYPE_CHECKING:
    from samplebench.sampling.setting import Setting
    from samplebench.timelines.levels import Levels

_NEAR = 1e-9
# A step of so little length, and how far it may lead.
_SHORT, _STAYS = 1e-6, 1e-4


@dataclass(frozen=True)
class Steps:
    """Steps y = sum_a weights_a v_a between M stamps, v being x_0 .. x_{M-1}, D_0 .. D_{M-2}.

    Attributes:
        terms: int [n, T], which of v a step takes.
        weights: float64 [n, T], their sum 1.
        targets: int [n], the stamp that a step leads to.
    """

    terms: np.ndarray
    weights: np.ndarray
    targets: np.ndarray


def euler_steps(levels: np.ndarray) -> Steps:
    """Euler's step of every pair i < j of stamps, in the order of `np.triu_indices`."""
    i, j = np.triu_indices(len(levels), 1)
    ratio = levels[j] / levels[i]
    # x + (t_j - t_i) (x - D) / t_i
    return Steps(np.stack([i, len(levels) + i], 1), np.stack([ratio, 1 - ratio], 1), j)


def pairs(count: int) -> np.ndarray:
    """Every (i, i, j) of i < j below `count`: steps with none before; int [n, 3]."""
    i, j = np.triu_indices(count, 1)
    return np.stack([i, i, j], 1)


def triples(count: int) -> np.ndarray:
    """Every (k, i, j) of k < i < j below `count`, and the first steps (0, 0, j); int [n, 3]."""
    k, i, j = np.indices((count,) * 3).reshape(3, -1)
    return np.stack([k, i, j], 1)[(i < j) & ((k < i) | ((k == 0) & (i == 0)))]


def own_steps(
    student: Setting, model: Any, levels: np.ndarray, chosen: np.ndarray, predicts: str = "x0"
) -> Steps:
    """A student's steps from i to j after one from k to i, or after none where k is i.

    They are read off runs on (k, i, j and the last level), so that an end rule acts where it does.

    Args:
        student: which asks once a step.
        model: with sigma_min, sigma_max and round_sigma; it is not evaluated.
        levels: of the stamps, float64 [M].
        chosen: int [n, 3], as of `triples` or `pairs`.
        predicts: of what it keeps the last, "x0" or "eps", as of `memory`.

    Raises:
        UsageError: a step is no such sum.
    """
    count, last = len(levels), len(levels) - 1
    terms, weights = np.zeros((len(chosen), 4), dtype=int), np.zeros((len(chosen), 4))
    for row, (k, i, j) in enumerate(chosen.tolist()):
        stamps = sorted({k, i, j, last})
        at, place = stamps.index(i), stamps.index(j)
        states = _states(student, model, levels[stamps], predicts)
        keep = states[place][0] / states[at][0]
        rest = states[place] - keep * states[at]
        new, old = rest[at + 1], rest[1] if k < i else 0.0
        terms[row] = i, count + i, k, count + k
        weights[row] = keep, new, 0, old
        if predicts == "eps":
            # eps = (x - D) / sigma, at the teacher's own states.
            new, old = new / levels[i], old / levels[k]
            weights[row] = keep + new, -new, old, -old
        if abs(weights[row].sum() - 1) > _NEAR:
            raise UsageError(f"{student.solver.name} moves what its answers leave in place")
    used = weights.any(0)
    return Steps(terms[:, used], weights[:, used], chosen[:, 2])


def memory(student: Setting, model: Any) -> str:
    """What a student keeps of earlier steps: answers, "x0" or "eps", or "" nothing.

    Raises:
        UsageError: its steps are not linear in the model's answers, an end rule is on, or it keeps
            answers and asks more than once a step, or at states that it then moves.
    """
    try:
        return _kept(student, model)
    except UsageError as error:
        raise UsageError(
            f"sampler {student.solver.name} has no step of its own with a known cost ({error}); "
            'use cost="euler"'
        ) from error


def _kept(student: Setting, model: Any) -> str:
    ends = student.timeline.grid[[0, -1]].tolist()
    if rules := cast("Levels", student.timeline).ends.said.keys() & {*RULES}:
        raise UsageError(f"{min(rules)} changes single steps")
    levels = np.geomspace(ends[0], ends[1] or ends[0] / 1e4, 6)
    levels[-1] = ends[1]
    predicts = as_card(setting := on(student, levels), model).predicts
    tape, end = recorded(setting, model, "x0")
    states, asked = np.vstack([*tape.states, end]), np.array(tape.levels)
    if all(_alone(states, asked, level) for level in levels[1:-1]):
        return ""
    if len(asked) != setting.steps or not np.allclose(asked, levels[:-1], rtol=_NEAR, atol=0):
        raise UsageError("it reuses outputs and evaluates more than once per step")
    short = np.array([levels[0], levels[1], levels[1] * (1 - _SHORT), levels[-1]])
    (weights,) = own_steps(student, model, short, np.array([[0, 1, 2]]), predicts).weights
    if abs(weights[0] - 1) > _STAYS or np.abs(weights[1:]).max() > _STAYS:
        raise UsageError("it changes its states after evaluating them")
    return predicts


def _alone(states: np.ndarray, asked: np.ndarray, level: float) -> bool:
    """Whether what comes after a level depends on the answers before it through the state alone.

    Args:
        states: coefficients of the start and of the answers, [n + 1, n + 1].
        asked: the levels of the first n.
    """
    at = np.flatnonzero(np.isclose(asked, level, rtol=_NEAR, atol=0))
    if not len(at):
        return False
    state, behind = states[at[-1]], states[at[-1] + 1 :]
    rest = behind - behind[:, :1] / state[0] * state
    return bool(np.abs(rest[:, 1 : at[-1] + 1]).max() <= _NEAR * np.abs(states).max())


def on(student: Setting, levels: np.ndarray) -> Setting:
    """The same sampler on other noise levels, of the range that it had."""
    was = cast("Levels", student.timeline)
    ends = replace(was.ends, final="sigma_min" if levels[-1] > 0 else "zero")
    return replace(student, timeline=replace(was, levels=levels, ends=ends))


def _states(student: Setting, model: Any, levels: np.ndarray, predicts: str) -> np.ndarray:
    """The states at the levels, as coefficients of the start and of what is predicted."""
    tape, end = recorded(on(student, levels), model, predicts)
    return np.vstack([*tape.states, end])
