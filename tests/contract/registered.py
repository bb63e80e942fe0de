"""What a registered sampler can be asked for, found by asking: no test names one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from samplebench.errors import UsageError
from samplebench.sampling.setting import prepare, rehearse
from samplebench.sampling.solver import Solver
from samplebench.timelines.levels import Levels, UnitPixel
from samplebench.timelines.sigma import Sigma

# Fewest steps of a method, at the most.
_MANY = 64


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def usual(solver: Solver) -> dict:
    """Parameters of every run: where steps are chosen for a tolerance, one that takes few."""
    return {"rtol": 1e-2} if adaptive(solver) else {}


def with_noise(solver: Solver) -> dict | None:
    """Parameters that make a sampler stochastic: the usual, or one of its numbers set to 1."""
    return _beside(solver, solver.noisy(usual(solver)))


def without_noise(solver: Solver) -> dict | None:
    return _beside(solver, solver.quiet(usual(solver)))


def _beside(solver: Solver, more: dict | None) -> dict | None:
    return None if more is None else {**usual(solver), **more}


def on_levels(solver: Solver) -> bool:
    """Whether its model is D(x; sigma)."""
    return issubclass(solver.timeline, Levels)


def takes_final(solver: Solver) -> bool:
    """Whether a request says where its grid ends."""
    return solver.timeline is Sigma


def evaluates(solver: Solver) -> bool:
    """Whether it asks the model to evaluate anything."""
    return solver.timeline.evaluates


def paced(solver: Solver) -> bool:
    """Whether a request says its number of steps."""
    return solver.timeline.budgeted


def adaptive(solver: Solver) -> bool:
    """Whether it chooses its number of steps."""
    return evaluates(solver) and not paced(solver)


def pace(solver: Solver, steps: int, params: dict | None = None, model: Any = None) -> dict:
    """Words for so many steps, or for the fewest above that the sampler runs on."""
    if not paced(solver):
        return {}
    for count in range(steps, steps + _MANY):
        if runs(solver, {"steps": count}, params or {}, model):
            return {"steps": count}
    raise AssertionError(f"{solver.name} does not run on {steps} steps")


def runs(solver: Solver, words: dict, params: dict, model: Any = None) -> bool:
    """Whether a request is not refused; a refusal names the sampler or what is wrong."""
    try:
        rehearse(prepare(model or UnitPixel(), solver.name, params=params, **words))
    except UsageError as error:
        assert solver.name in str(error) or re.match(r"\w+=", str(error)), error
        return False
    return True


def refusal(solver: Solver, params: dict) -> str:
    """What is said to parameters; "" where they are taken."""
    try:
        for steps in (2, _MANY):
            words = {} if not paced(solver) else {"steps": max(steps, solver.least())}
            rehearse(prepare(UnitPixel(), solver, params=params, **words))
    except UsageError as error:
        return str(error)
    return ""


@cache
def _others(name: str) -> tuple[dict, ...]:
    solver = Solver.of(name)
    found = []
    for param, default in solver.defaults.items():
        if isinstance(default, str) and on_levels(solver):
            known = re.search(r"known: ([^;(]+)", refusal(solver, {param: "#"}))
            words = known[1].strip().split(", ") if known else []
            found += [{param: word} for word in words if word != default]
    return tuple(found)


def other_words(solver: Solver) -> tuple[dict, ...]:
    """Each word that a parameter knows beside its default, as the refusal of a wrong one tells."""
    return _others(solver.name)


def orders(solver: Solver) -> Iterator[dict]:
    """The parameters of each order that a sampler has: {} where it is not a parameter."""
    yield {}
    for order in range(1, 7) if "order" in solver.defaults else ():
        if order != solver.defaults["order"] and not refusal(solver, {"order": order}):
            yield {"order": order}


def nearby(solver: Solver, params: dict) -> Iterator[dict]:
    """The parameters, then each number of the sampler moved once, each word replaced."""
    yield params
    for name, default in solver.defaults.items():
        if isinstance(default, bool):
            yield {**params, name: not default}
        elif isinstance(default, float):
            yield {**params, name: 0.5}
        elif isinstance(default, int):
            yield {**params, name: default + 1}
            yield {**params, name: default - 1}
            yield {**params, name: 1}
    for word in other_words(solver):
        yield {**params, **word}
