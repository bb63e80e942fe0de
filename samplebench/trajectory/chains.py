"""The chains of a sweep that begin with real images, planned as cells of the ordinary runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from samplebench.bench import plan as planning
from samplebench.bench.conditions import setting_of
from samplebench.bench.known import Known
from samplebench.bench.plan import Plan
from samplebench.bench.request import Request
from samplebench.bench.start_images import StartImages
from samplebench.errors import UsageError
from samplebench.results.cell import Cell, PlannedRow, PlannedScore
from samplebench.results.record import Conditions, ScoreConditions
from samplebench.sampling.setting import Setting
from samplebench.trajectory.starting_levels import Asked, moved, steps_at

# Evaluations of a chain where nobody says how many: EDM's usual.
_NFE = 35
# As many samples as there are images, up to the field's usual number.
_MOST = 50_000


@dataclass(frozen=True)
class Chains:
    """A row of an ordinary run, and the chains of the same steps that begin later.

    Attributes:
        whole: the run.
        levels: the noise level before each of its steps.
        begun: rows of the others, by their first step.
    """

    whole: PlannedRow
    levels: list[float]
    begun: Mapping[int, PlannedRow]

    @property
    def rows(self) -> tuple[PlannedRow, ...]:
        return (self.whole, *self.begun.values())

    def moved(self, asked: Asked) -> Iterator[str]:
        """Levels asked for that are not among the run's, a line each."""
        for level, own in moved(self.levels, asked):
            yield f"level {level:g} is {own:.4g} on the steps of {_who(self.whole)}"


def planned(request: Request, count: int) -> Plan:
    """The ordinary runs of a request.

    Args:
        count: of images; so many samples are drawn where their number is not said.

    Raises:
        UsageError: as `bench.plan.make` does, or no budget is large enough for any run.
    """
    defaults: dict[str, Any] = {} if "nfe" in request.given else {"nfe": (_NFE,)}
    if request.num_samples is None:
        defaults["num_samples"] = min(count, _MOST)
    plan = planning.make(replace(request, **defaults))
    if not plan.rows:
        raise UsageError("nothing to start: no sampler runs within the budget of --nfe")
    out = request.out or f"{plan.folder}-from-data"
    return replace(plan, request=replace(plan.request, out=out))


def chains_of(plan: Plan, starts: StartImages, asked: Asked) -> list[Chains]:
    """The chains of each row of a plan.

    Raises:
        UsageError: a sampler that cannot be started at a level, a level that a run does not reach,
            or images that are none of a model's.
    """
    models = {entry.id: Known(entry) for entry in plan.models}
    for known in models.values():
        starts.check(known.id, known.shape, known.num_classes)
    found = []
    for row in plan.rows:
        (cell,) = row.cells
        setting = setting_of(models[cell.conditions["model"]], cell.conditions)
        levels = setting.starts()
        steps = steps_at(levels, asked, _who(row))
        begun = {step: _begun(row, cell, setting, step, starts) for step in steps}
        found.append(Chains(row, levels, begun))
    return found


def of_other(score: PlannedScore, cell: str) -> PlannedScore:
    """The same score of another set of images, by its hash."""
    conditions = {**score.conditions, "cell": cell}
    return replace(score, conditions=cast(ScoreConditions, conditions))


def _begun(
    row: PlannedRow, cell: Cell, setting: Setting, step: int, starts: StartImages
) -> PlannedRow:
    """The row of the chain that begins with real images before one of the steps."""
    tail, start = setting.tail(step), {"images": starts.content, "step": step}
    own = replace(
        cell,
        conditions=cast(Conditions, {**cell.conditions, "start": start}),
        nfe=tail.evaluations,
        depth=tail.depth,
    )
    scores = {metric: (of_other(score, own.hash),) for metric, (score,) in row.scores.items()}
    return replace(row, cells=(own,), scores=scores)


def _who(row: PlannedRow) -> str:
    columns = row.columns
    return f"{columns['sampler']} at NFE {columns['nfe']} on {columns['model']}"
