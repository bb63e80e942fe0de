"""The guidances of a sweep: what each asks for, where it acts, and the rows that it makes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from samplebench.answers.parameters import word
from samplebench.bench.codes import Codes
from samplebench.bench.known import Known
from samplebench.bench.request import Request
from samplebench.bench.sources import called_alike
from samplebench.bench.survey import Survey
from samplebench.checkpoints.catalog import Checkpoint, catalog, checkpoint
from samplebench.checkpoints.local import digest
from samplebench.errors import UsageError
from samplebench.loading.look import looked_at
from samplebench.loading.precision import running
from samplebench.loading.source import source_of
from samplebench.models.guidance import EVERYWHERE, NAMES
from samplebench.registry import adapters
from samplebench.results.cell import PlannedRow
from samplebench.results.record import Conditions
from samplebench.results.row import Columns
from samplebench.sampling.guided import NONE, acts, check_models, check_solver, interval_of
from samplebench.sampling.passes import passes
from samplebench.sampling.setting import Setting

_WORDS = ("guidance_scale", "guidance_interval", "guiding_model", "classifier")


@dataclass(frozen=True)
class PlannedGuidance:
    """One guidance of a sweep, on one model.

    Attributes:
        name: "none", or as of `NAMES`.
        interval: of noise levels.
        guide: the guiding model, None for none.
        beside: the model beside which the classifier was released, None without.
        column: in words, e.g. "cfg 2 on 0.19 to 1.61"; "" for none.
        condition: of its cells, empty where it moves nothing.
    """

    name: str = NONE
    interval: tuple[float, float] = EVERYWHERE
    guide: Checkpoint | None = None
    beside: Checkpoint | None = None
    column: str = ""
    condition: Mapping[str, Any] | None = None

    @property
    def files(self) -> Mapping[str, tuple[Checkpoint, Checkpoint | None]]:
        """By its id what has to be here beside the model, and beside which model a classifier
        was released."""
        found: dict[str, tuple[Checkpoint, Checkpoint | None]] = {}
        if self.guide is not None:
            found[self.guide.id] = (self.guide, None)
        if self.beside is not None and self.beside.classifier is not None:
            found[self.beside.classifier.id] = (self.beside.classifier, self.beside)
        return found

    def guided(self, row: PlannedRow, setting: Setting, codes: Codes) -> PlannedRow:
        """The guided row of an unguided one.

        Raises:
            UsageError: the sampler cannot follow it.
        """
        if self.name == NONE:
            return row
        check_solver(self.name, setting.solver)
        columns: Columns = {**row.columns, "guidance": self.column}
        if self.condition is None:
            ran = row.computed_as or row.columns["sampler"]
            return replace(row, columns=columns, computed_as=f"{ran} without guidance")
        planned = passes(setting, self.interval) if setting.timeline.budgeted else None
        more = cast(Conditions, {"guidance": self.condition})
        unknown = codes.unknown(self.condition.get("model", {}))
        if self.guide is not None and self.guide.model is None:
            more |= codes.of("guide", "adapter", adapters.entry(self.guide.format))
        cells = tuple(
            replace(
                cell,
                conditions=cast(Conditions, {**cell.conditions, **more}),
                guide_nfe=planned,
                not_reusable=cell.not_reusable or unknown or codes.unknown(more),
            )
            for cell in row.cells
        )
        columns["guide_nfe"] = planned
        return replace(row, columns=columns, cells=cells)


def guidances(
    request: Request, known: Known, survey: Survey, codes: Codes
) -> tuple[PlannedGuidance, ...]:
    """All of a request on one model.

    Raises:
        UsageError: a word that is missing or means nothing, or models that do not fit.
    """
    names = request.guidance or (NONE,)
    said = [name for name in _WORDS if name in request.given]
    if said and set(names) == {NONE}:
        flag = said[0].replace("_", "-")
        raise UsageError(
            f"--{flag} needs --guidance {', '.join(NAMES)}; add one of them, or leave it out"
        )
    # Without guidance nobody expects an effect.
    for guidance in (name for name in names if name != NONE):
        for name in ("guiding_model", "classifier"):
            survey.word(name, _takes(guidance) == name, f"guidance {guidance}")
    found = (each for name in names for each in _of_name(name, request, known, codes))
    return tuple(found)


def _takes(name: str) -> str:
    """Which word names its further network."""
    return "classifier" if name == "classifier" else "guiding_model"


def _of_name(name: str, request: Request, known: Known, codes: Codes) -> Iterator[PlannedGuidance]:
    if name == NONE:
        yield PlannedGuidance()
        return
    scales = request.guidance_scale or ((1.0,) if name == "classifier" else ())
    if not scales:
        raise UsageError(f"--guidance {name} needs --guidance-scale, e.g. 1,2,4")
    intervals = request.guidance_interval or (EVERYWHERE,)
    for place in itertools.product(_others(name, request, known), intervals):
        for scale in scales:
            yield _guidance(name, scale, *place, request, known, codes)


def _others(name: str, request: Request, known: Known) -> Sequence[Checkpoint | None]:
    """The guiding models, or the model beside which the classifier lies."""
    models = catalog(request.checkpoints)
    if name != "classifier":
        guides = [
            looked_at(source_of(each, models, offline=request.offline))
            for each in request.guiding_model
        ]
        for guide in guides:
            check_models(name, known, Known(guide), known.id, guide.id)
            if any(each.id == guide.id and each != guide for each in (known.entry, *guides)):
                raise called_alike(guide.id)
        if not guides:
            check_models(name, known, None, known.id)
        return guides or [None]
    check_models(name, known, None, known.id)
    beside = known.entry if request.classifier is None else checkpoint(request.classifier, models)
    if beside.classifier is None:
        with_one = ", ".join(each.id for each in models.values() if each.classifier)
        raise UsageError(
            f"no classifier was released with {beside.id}; name a model that has one with "
            f"--classifier: {with_one}"
        )
    if tuple(beside.shape) != tuple(known.entry.shape):
        raise UsageError(
            f"the classifier of {beside.id} sees images {list(beside.shape)}, and {known.id} makes "
            f"{list(known.entry.shape)}"
        )
    return [beside]


def _guidance(
    name: str,
    scale: float,
    other: Checkpoint | None,
    interval: tuple[float, float],
    request: Request,
    known: Known,
    codes: Codes,
) -> PlannedGuidance:
    if not acts(name, scale):
        return PlannedGuidance(name, column=f"{name} {word(scale)}")
    condition: dict[str, Any] = {"name": name, "scale": scale}
    if interval != EVERYWHERE:
        condition["interval"] = "/".join(map(repr, interval))
    if name == "classifier":
        assert other is not None and other.classifier is not None
        own = _identity(other.classifier, codes)
        condition["classifier"] = {**own, "beside": dict(other.config)}
        column = shown(condition) + ("" if other.id == known.id else f" of {other.id}")
        return PlannedGuidance(name, interval, None, other, column, condition)
    if other is not None:
        # One in memory stays as it is.
        here = other.model is not None
        dtype, compiled = (None, False) if here else (request.dtype, request.compile)
        runs = running(other, dtype, request.device, compiled)
        condition["model"] = {**_identity(other, codes), "format": other.format, **runs}
    return PlannedGuidance(name, interval, other, None, shown(condition), condition)


def _identity(entry: Checkpoint, codes: Codes) -> dict[str, Any]:
    sha256 = digest(entry) if entry.model is None else codes.model(entry)
    return {"id": entry.id, "checkpoint_sha256": sha256, "config": dict(entry.config)}


def shown(condition: Mapping[str, Any] | None) -> str:
    """A cell's condition in words, as the column has it; "" for none."""
    if not condition:
        return ""
    text = f"{condition['name']} {word(condition['scale'])}"
    if "interval" in condition:
        text += " on {} to {}".format(*map(word, interval_of(condition["interval"])))
    return text + (f" by {condition['model']['id']}" if "model" in condition else "")
