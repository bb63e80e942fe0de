"""From a cell's conditions back to what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from samplebench.answers.parameters import unplain
from samplebench.results.record import Conditions
from samplebench.sampling.setting import Setting, prepare
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import of_condition

if TYPE_CHECKING:
    from samplebench.bench.known import Known
    from samplebench.models.model import Model


def setting_of(model: Model | Known, conditions: Conditions) -> Setting:
    """What the conditions say, on the model as it was loaded, or on what is known of one."""
    steps = of_condition(conditions["discretization"])
    solver = Solver.of(conditions["sampler"], timeline=steps)
    words = steps.words_of(conditions["discretization"], conditions["steps"])
    params = {**unplain(conditions["params"]), **words.params}
    whole = prepare(model, solver, words=replace(words, params=params))
    return whole.tail(conditions["start"]["step"]) if "start" in conditions else whole
