"""From what a sweep asks of one sampler to the settings that it can run in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from samplebench.answers.parameters import split
from samplebench.bench.request import Request
from samplebench.errors import OutOfBudget, UsageError, unknown
from samplebench.sampling.setting import Setting, prepare, rehearse
from samplebench.sampling.solver import Solver
from samplebench.timelines.words import Words

# Step counts that tell a budget's fault from that of a grid or of parameters: least and EDM's.
_USUAL = (2, 18)

LeaveOut = Callable[[OutOfBudget], None]


def check_names(solver: Solver, names: Iterable[str], request: Request) -> None:
    """Raises `UsageError` for a parameter that is neither the sampler's nor its steps'."""
    known = {*solver.defaults, *solver.timeline.names(request)}
    for name in names:
        if name not in known:
            solver.timeline.refuse(solver.name, name)
            raise unknown(f"parameter of sampler {solver.name}", name, known)


def places(request: Request, solver: Solver, given: Mapping[str, Any]) -> Iterator[Words]:
    """Where the steps may be, each with the sampler's parameters, without a number of steps."""
    own, _ = split(given, solver.defaults)
    for words in solver.timeline.places(request, given):
        yield replace(words, params={**own, **words.params})


def settings(
    request: Request, model: Any, solver: Solver, given: Mapping[str, Any], leave_out: LeaveOut
) -> Iterator[tuple[Setting, int | None]]:
    """Each setting with the budget that it was made for; None where the steps are listed, or the
    sampler chooses them.

    Args:
        model: or what is known of it.
        given: parameters of the sampler and of its steps, one value each.
        leave_out: called for each budget that is too small, or at which the sampler cannot run.
    """
    for words in places(request, solver, given):
        fewest = math.inf
        for nfe in solver.timeline.budgets(solver, request, words):
            try:
                setting = _possible(model, solver, words, nfe, fewest)
            except OutOfBudget as error:
                leave_out(error)
                continue
            if solver.timeline.budgeted:
                fewest = min(fewest, setting.steps)
            yield setting, nfe


def _possible(model: Any, solver: Solver, words: Words, nfe: int | None, fewest: float) -> Setting:
    """A setting that can run: it is tried where it has fewer steps than any before.

    Raises:
        OutOfBudget: it cannot run there, but would with other steps.
        UsageError: it cannot run at all.
    """
    try:
        setting = prepare(model, solver, words=replace(words, nfe=nfe))
        # A method that runs at all fails with few steps, a grid with many.
        if not solver.timeline.budgeted or setting.steps < fewest:
            rehearse(setting)
        if solver.timeline.budgeted and setting.evaluations < 1:
            raise UsageError(f"sampler {solver.name} never evaluates the network")
    except OutOfBudget:
        raise
    except UsageError as error:
        if nfe is None or not _runs_elsewhere(model, solver, words):
            raise
        raise OutOfBudget(solver.name, nfe, "out of reach", str(error)) from error
    return setting


def _runs_elsewhere(model: Any, solver: Solver, words: Words) -> bool:
    for steps in _USUAL:
        try:
            rehearse(prepare(model, solver, words=replace(words, steps=steps)))
        except UsageError:
            continue
        return True
    return False
