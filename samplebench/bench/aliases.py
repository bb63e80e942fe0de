"""Rows of different parameters that are one algorithm: their cells are computed once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from samplebench.answers.parameters import label, plain, unplain
from samplebench.results.cell import PlannedRow
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import of_condition


def shared(row: PlannedRow, first: dict[str, Mapping[str, Any]]) -> PlannedRow:
    """The row, of the cells of an earlier one if parameters of both are one algorithm there.

    Args:
        first: parameters by all that decides the images; those that come first name the cells.
    """
    conditions = row.cells[0].conditions
    name, params = conditions["sampler"], conditions["params"]
    solver = Solver.of(name, timeline=of_condition(conditions["discretization"]))
    steps = conditions["steps"]
    if solver.entry.decisive is None or steps is None:
        return row
    found = solver.decisive(unplain(params), steps)
    decisive = {name: plain(value) for name, value in found.items()}
    key = json.dumps({**conditions, "params": decisive}, sort_keys=True)
    other = first.setdefault(key, params)
    if other == params:
        return row
    cells = tuple(
        replace(cell, conditions={**cell.conditions, "params": other}) for cell in row.cells
    )
    differs = {k: v for k, v in other.items() if v != params[k]}
    return replace(row, cells=cells, computed_as=f"{name} {label(differs)}")
