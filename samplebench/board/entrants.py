"""Who is on the board: every registered sampler that runs there, some presets, and the user's own.

A sampler at a budget is a row of a plan as `run` makes it, so that names, steps, parameters and
the identity of others' code are the same here; its cells are the sets of samples, one per repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from samplebench.bench import plan
from samplebench.bench.known import Known
from samplebench.bench.request import Request
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import OutOfBudget, UsageError
from samplebench.registry import samplers
from samplebench.results.cell import Cell, hash_of
from samplebench.sampling.solver import Solver

MODELS = ("exact-2d", "exact-modes", "exact-overlap", "digits-exact")
BUDGETS = (4, 6, 8, 10, 20, 50)
# Samples of a set, and sets; sample i of repeat r has seed r N + i.
NUM_SAMPLES, REPEATS = 2000, 5
# What a sampler is shown with, too, where its defaults do not show it: ancestral noise, churn, and
# an interval that fits into few evaluations.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "ddim": {"eta": 1},
    "edm": {"S_churn": 10, "S_noise": 1.003},
    "restart": {"intervals": "2:1:0.06:0.3"},
}
# Raised where a value of the same cell becomes another.
VERSION = 2


@dataclass(frozen=True)
class Absent:
    """A registered sampler that is not on the board, and why."""

    sampler: str
    reason: str


@dataclass(frozen=True)
class Entrant:
    """A sampler at a budget on a model.

    Attributes:
        columns: what `results.csv` says of it.
        cells: its sets of samples, one per repeat.
        computed_as: the sampler of the same algorithm whose cells these are; "" for its own.
        guest: whether the user put it there.
    """

    columns: Mapping[str, Any]
    cells: tuple[Cell, ...]
    computed_as: str = ""
    guest: bool = False

    @cached_property
    def hash(self) -> str:
        """Of all that decides its values."""
        return hash_of({"board": VERSION, "cells": [cell.hash for cell in self.cells]})

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from the others of the board."""
        return tuple(self.columns[k] for k in ("model", "sampler", "params", "nfe_requested"))


def absent(entry: Checkpoint) -> list[Absent]:
    """The registered samplers that cannot be on the board of a model."""
    found = []
    for each in samplers:
        if reason := _unfit(entry, each.name):
            found.append(Absent(each.name, reason))
    return found


def _unfit(entry: Checkpoint, sampler: str | Callable[..., Any]) -> str:
    """Why a sampler cannot be there; "" if it can."""
    own = Solver.of(sampler)
    try:
        solver = Solver.on(Known(entry), sampler, entry.id)
    except UsageError:
        return f"needs {own.timeline.needs}"
    if not solver.entry.draws:
        return "encodes images instead of drawing samples"
    if not solver.timeline.evaluates:
        return "is what all others are compared with"
    if not solver.timeline.budgeted:
        return "chooses its steps by a tolerance and takes no budget"
    return ""


def points_of(
    entry: Checkpoint,
    *,
    only: Sequence[str] = (),
    guests: Sequence[str | Callable[..., Any]] = (),
    budgets: Sequence[int] = BUDGETS,
    num_samples: int = NUM_SAMPLES,
    repeats: int = REPEATS,
) -> list[Entrant]:
    """The points of a model's board, the user's samplers first.

    Args:
        only: of the registered samplers these alone; empty for all that can be there.
        guests: further samplers, by the words of `run` or as functions.

    Raises:
        UsageError: an unknown name, or a sampler that cannot be there.
    """
    for sampler in (*guests, *only):
        if reason := _unfit(entry, sampler):
            name = Solver.of(sampler).name
            raise UsageError(f"sampler {name} cannot be on the board of {entry.id}: it {reason}")
    fixed = {
        "model": entry.id, "nfe": list(budgets), "num_samples": num_samples, "repeats": repeats,
        "batch_size": num_samples, "device": "cpu",
    }  # fmt: skip
    away = {each.sampler for each in absent(entry)}
    names = [each.name for each in samplers if each.name not in away]
    names = [name for name in names if not only or name in only]
    asked: list[tuple[dict[str, Any], bool]] = [({"sampler": [guest]}, True) for guest in guests]
    asked += [({"sampler": names}, False)] if names else []
    asked += [
        ({"sampler": [name], "param": {name: dict(params)}}, False)
        for name, params in PRESETS.items()
        if name in names
    ]
    found: dict[tuple[Any, ...], Entrant] = {}
    for words, guest in asked:
        try:
            planned = plan.make(Request.of(**fixed, **words), [entry])
        except OutOfBudget:
            if guest:
                raise
            continue
        for row in planned.rows:
            point = Entrant(row.columns, row.cells, row.computed_as, guest)
            found.setdefault(point.key, point)
    return list(found.values())
