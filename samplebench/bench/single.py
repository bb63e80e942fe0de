"""The one setting that a request means, where it asks for no sweep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from samplebench.bench.expand import check_names, settings
from samplebench.bench.names import look_up, params_by_name
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey, note_words
from samplebench.errors import OutOfBudget, UsageError
from samplebench.sampling.setting import Setting
from samplebench.sampling.solver import Solver


def check_single(request: Request) -> None:
    """Looks at the names of a request that should mean one setting, before its model is here.

    Raises:
        UsageError: no sampler, several values of a word, or an unknown name.
    """
    if not request.sampler:
        raise UsageError("name the sampler, e.g. --sampler dpmpp-2m")
    for word in ("model", "sampler", "nfe", "rho", "discretization"):
        if word in request.given and len(values := getattr(request, word)) > 1:
            raise UsageError(f"--{word} has {len(values)} values; give one")
    for owner, table in request.param.items():
        for name, values in table.items():
            if len(values) > 1:
                raise UsageError(f"--param {owner}.{name} has {len(values)} values; give one")
    look_up(request)


def setting_on(request: Request, model: Any, who: str, survey: Survey) -> Setting:
    """The setting of a request that `check_single` has passed.

    Args:
        model: loaded, so that its steps are those of a sweep's cell.
        who: its name, for messages.
        survey: is told of words without effect.

    Raises:
        UsageError: an impossible combination, a budget that is too small or not said, or a word
            without any effect.
    """
    (sampler,) = request.sampler
    solver = Solver.on(model, sampler, who)
    params = params_by_name(request.param, request.sampler, [solver])
    given = {name: value for name, (value,) in params.get(solver.name, {}).items()}
    check_names(solver, given, request)
    asked = request if "nfe" in request.given else replace(request, nfe=())
    found = [setting for setting, _ in settings(asked, model, solver, given, _refuse)]
    if not found:
        raise UsageError(
            f"sampler {solver.name} can take any number of steps; add --nfe, e.g. --nfe 10"
        )
    (setting,) = found
    note_words(survey, setting, given)
    survey.check(found)
    return setting


def _refuse(error: OutOfBudget) -> None:
    raise error
