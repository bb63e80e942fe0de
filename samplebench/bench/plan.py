"""Request to cells: the only place that knows what a cell is.

A cell is a set of images: everything that changes one is in its conditions, and their SHA-256 is
its name. So is a score: a metric of a cell against a reference. A row is a point of a curve as the
user named it, against one reference; rows may share cells.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from samplebench import registry
from samplebench.answers.parameters import altered, label, plain, split
from samplebench.bench.aliases import shared
from samplebench.bench.choices import (
    Measuring,
    measuring_of,
    preset_notes,
    preset_of,
    samplers_of,
)
from samplebench.bench.codes import Codes
from samplebench.bench.expand import check_names, settings
from samplebench.bench.guidances import PlannedGuidance, guidances
from samplebench.bench.known import Known
from samplebench.bench.labels import labels_by_name
from samplebench.bench.measured import scored_rows
from samplebench.bench.names import look_up, params_by_name
from samplebench.bench.request import Request
from samplebench.bench.sources import Source, checkpoints_of
from samplebench.bench.survey import Survey, note_words
from samplebench.checkpoints.catalog import DEFAULT_MODEL, Checkpoint
from samplebench.checkpoints.local import digest
from samplebench.devices import check_device, device_kind, dtype_name, precision_name
from samplebench.errors import OutOfBudget, UsageError
from samplebench.loading.model import load
from samplebench.loading.precision import running
from samplebench.metrics.infinity import subset_notes
from samplebench.metrics.moments import rank_note
from samplebench.noise.streams import check_mode
from samplebench.protocols import Protocol
from samplebench.registry import adapters
from samplebench.results.cell import Cell, PlannedRow, PlannedScore
from samplebench.results.record import Conditions
from samplebench.results.row import Columns
from samplebench.sampling.setting import Setting
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import registered

# Raised when a change of samplebench itself changes images: older cells are then not reused.
NUMERICS = 2


@dataclass(frozen=True)
class Plan:
    """All rows of a request.

    Attributes:
        request: with its defaults filled in.
        rows: in the order of the request.
        models: whose they are, those without a row as well.
        sources: by model.
        notes: what the user should know before it starts, a line each.
    """

    request: Request
    rows: tuple[PlannedRow, ...]
    models: tuple[Checkpoint, ...]
    sources: Mapping[str, Source]
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where results go."""
        out = self.request.out
        return (
            Path(out)
            if out
            else Path("reports") / "+".join(entry.folder_name for entry in self.models)
        )

    @property
    def cells(self) -> dict[str, Cell]:
        """Distinct cells by hash, in the order in which they run."""
        return {cell.hash: cell for row in self.rows for cell in row.cells}

    @property
    def scores(self) -> dict[str, dict[str, PlannedScore]]:
        """Distinct scores by hash, by the hash of their cell."""
        found: dict[str, dict[str, PlannedScore]] = {}
        for row in self.rows:
            for each in row.scores.values():
                for cell, score in zip(row.cells, each, strict=True):
                    found.setdefault(cell.hash, {})[score.hash] = score
        return found

    def scores_of(self, model: str) -> dict[str, list[PlannedScore]]:
        """Scores of a model by the hash of their cell."""
        own = {name for name, cell in self.cells.items() if cell.conditions["model"] == model}
        return {name: list(each.values()) for name, each in self.scores.items() if name in own}


def make(request: Request, checkpoints: Sequence[Checkpoint] | None = None) -> Plan:
    """Plans a request.

    Args:
        checkpoints: its models, where they are known; else what its words mean.

    Raises:
        UsageError: an unknown name, an impossible combination, a word without any effect, or
            budgets that leave nothing, before anything is computed.
    """
    checkpoints = checkpoints_of(request) if checkpoints is None else checkpoints
    request = _resolved(request, checkpoints)
    rows: dict[str, PlannedRow] = {}
    codes = Codes()
    sources, notes, survey = {}, [], Survey(request.given)
    first: dict[str, Mapping[str, Any]] = {}
    for entry in checkpoints:
        words = preset_of(_where_it_is(request, entry), checkpoints, entry, survey)
        measuring = measuring_of(words, entry)
        guided = guidances(request, Known(entry), survey, codes)
        own = list(_rows_of_model(words, entry, measuring, guided, codes, survey, first))
        if own:
            files = {name: file for each in guided for name, file in each.files.items()}
            sources[entry.id] = Source(entry, measuring.measures, files)
        notes += preset_notes(words, entry, (row.columns for row in own))
        if own:
            notes += [
                f"{each.id}: {each.caveat}" for each in sources[entry.id].files if each.caveat
            ]
            notes += _rank_notes(measuring)
            notes += _coupled_notes(own)
        for row in own:
            rows.setdefault(json.dumps(dict(row.columns), sort_keys=True), row)
    survey.check(rows)
    # A default that nothing takes is no word of the request: its dump could not be run.
    asked = "nfe" in request.given or any(
        row.columns["nfe_requested"] is not None for row in rows.values()
    )
    request = replace(
        request,
        label=labels_by_name(
            request.label,
            request,
            [row.columns for row in rows.values()],
            [entry.id for entry in checkpoints],
        ),
        nfe=request.nfe if "nfe" in survey.taken and asked else (),
        discretization=request.discretization if "discretization" in survey.taken else (),
    )
    return Plan(
        request,
        tuple(rows.values()),
        tuple(checkpoints),
        sources,
        (*survey.notes(), *survey.remarks, *dict.fromkeys(notes), *codes.notes),
    )


def _resolved(request: Request, checkpoints: Sequence[Checkpoint]) -> Request:
    """The request with its names checked, its defaults filled in and its dtypes spelled out.

    The sampler defaults of several models may differ, so these stay open there.
    """
    # Names first: a typo is told before torch is imported.
    look_up(request)
    request = replace(request, model=request.model or (DEFAULT_MODEL,))
    if len(checkpoints) == 1:
        samplers, params = samplers_of(request, checkpoints[0])
        request = replace(request, sampler=samplers, param=params)
    check_device(request.device)
    return replace(
        request,
        dtype=request.dtype and precision_name(request.dtype),
        state_dtype=request.state_dtype and dtype_name(request.state_dtype),
    )


def _where_it_is(request: Request, entry: Checkpoint) -> Request:
    """The request with device and precision of a model in memory, which stays as it is.

    Raises:
        UsageError: others are asked for.
    """
    if entry.model is None:
        return request
    model = load(entry, device=request.device, dtype=request.dtype)
    return replace(request, device=str(model.device), dtype=entry.dtype)


def _rows_of_model(
    request: Request,
    entry: Checkpoint,
    measuring: Measuring,
    guided: Sequence[PlannedGuidance],
    codes: Codes,
    survey: Survey,
    first: dict[str, Mapping[str, Any]],
) -> Iterator[PlannedRow]:
    check_mode(measuring.protocol.noise)
    base = _conditions(request, entry, measuring.protocol, codes)
    samplers, params = samplers_of(request, entry)
    known = Known(entry)
    solvers = [Solver.on(known, sampler, entry.id) for sampler in samplers]
    params = params_by_name(params, samplers, solvers)
    for solver in solvers:
        if not solver.entry.draws:
            raise UsageError(
                f"sampler {solver.name} encodes images instead of drawing samples, so there is "
                "nothing to measure; use sb.sample"
            )
        table = params.get(solver.name, {})
        check_names(solver, table, request)
        codes.look(solver.entry)
        for values in itertools.product(*table.values()):
            given = dict(zip(table, values, strict=True))
            found = _rows_of_sampler(
                request, base, known, measuring, guided, solver, given, codes, survey
            )
            for row in (shared(row, first) for row in found):
                yield from scored_rows(row, measuring.measures, codes)


def _rows_of_sampler(
    request: Request,
    base: Conditions,
    known: Known,
    measuring: Measuring,
    guided: Sequence[PlannedGuidance],
    solver: Solver,
    given: Mapping[str, Any],
    codes: Codes,
    survey: Survey,
) -> Iterator[PlannedRow]:
    own, _ = split(given, solver.defaults)
    changed = altered(solver.effective(own), solver.defaults)

    def leave_out(error: OutOfBudget) -> None:
        survey.leave_out(error, known.id, label(changed))

    for setting, requested in settings(request, known, solver, given, leave_out):
        steps = setting.timeline
        planned = setting.planned
        depth = setting.depth if steps.budgeted else planned
        note_words(survey, setting, given)
        written = {**changed, **{k: v for k, v in steps.written.items() if k in given}}
        columns = _columns(request, base, measuring.protocol, setting, planned)
        columns |= {"params": label(written), "nfe_requested": requested, "depth": depth}
        canonical, effective = solver.canonical(setting.params)
        ran = solver if canonical == solver.name else Solver.of(canonical, timeline=solver.timeline)
        conditions = {
            **base,
            "sampler": canonical,
            "params": {k: plain(v) for k, v in effective.items() if _said(v)},
            "discretization": steps.condition,
            "steps": steps.steps,
            # After it ran once: what it imports or makes at its first call is there.
            **codes.of("sampler", "sampler", ran.entry),
            **codes.of("timeline", "timeline", registered(solver.timeline)),
        }
        for kind, entry in steps.uses:
            conditions |= codes.of(kind, kind, entry)
        unknown = codes.unknown(conditions)
        seeds = (request.seed + r * measuring.protocol.num_samples for r in range(request.repeats))
        cells = tuple(
            Cell(cast(Conditions, {**conditions, "seed": seed}), planned, unknown, depth)
            for seed in seeds
        )
        for remark in setting.remarks(known, known.id):
            survey.remark(remark)
        row = PlannedRow(columns, cells, {}, "" if canonical == solver.name else canonical)
        for each in guided:
            yield each.guided(row, setting, codes)


def _columns(
    request: Request, base: Conditions, rules: Protocol, setting: Setting, planned: int | None
) -> Columns:
    """Of a row, but for what was asked for."""
    steps = setting.timeline
    return {
        "model": base["model"],
        "sampler": setting.solver.name,
        "params": "",
        "discretization": steps.column,
        "rho": steps.constants.get("rho"),
        "steps": steps.steps,
        "nfe": planned,
        "nfe_requested": None,
        "depth": planned,
        "guidance": "",
        "guide_nfe": 0,
        "seed": request.seed,
        "repeats": request.repeats,
        "num_samples": rules.num_samples,
        "protocol": rules.name,
        "dtype": base["dtype"],
        "reference": "",
    }


def _coupled_notes(rows: Sequence[PlannedRow]) -> Iterator[str]:
    """What is to be known of samplers whose samples are not each for itself."""
    for conditions in (row.cells[0].conditions for row in rows):
        name, known = conditions["sampler"], registry.samplers
        if name in known and known.entry(name).coupled:
            yield (
                f"{name}: samples depend on their block of {conditions['block']}; "
                "another --batch-size gives other values"
            )


def _rank_notes(measuring: Measuring) -> Iterator[str]:
    """What is to be known of few images for many features."""
    on_moments = (m for m in measuring.measures if m.metric.against == "moments")
    for reference in dict.fromkeys(measure.reference for measure in on_moments):
        number, dim = measuring.protocol.num_samples, reference.feature_dim
        yield from rank_note(f"N = {number:,}", number, dim)
        yield from rank_note(f"reference {reference.id}", reference.num_images, dim)
    for each in measuring.measures:
        dim = each.reference.feature_dim
        yield from subset_notes(each.metric, measuring.protocol.num_samples, dim)


def _conditions(request: Request, entry: Checkpoint, rules: Protocol, codes: Codes) -> Conditions:
    """What all cells of a model share."""
    conditions: Conditions = {
        "numerics": NUMERICS,
        "model": entry.id,
        "checkpoint_sha256": digest(entry) if entry.model is None else codes.model(entry),
        "config": dict(entry.config),
        "num_samples": rules.num_samples,
        "noise": rules.noise,
        "state_dtype": rules.state_dtype,
        "quantization": rules.quantization,
        **running(entry, request.dtype, request.device, request.compile),
        "block": request.block,
    }
    if entry.model is None:
        conditions |= codes.of("adapter", "adapter", adapters.entry(entry.format))
    if rules.noise == "nvlabs":
        # torch's generators differ between devices; Philox does not.
        dtypes = (conditions["dtype"], rules.state_dtype)
        conditions["noise_device"] = device_kind(request.device, dtypes)
    return conditions


def _said(value: Any) -> bool:
    """Whether a parameter can be written down; a default of another kind is part of the code."""
    if isinstance(value, list | tuple):
        return all(map(_said, value))
    return value is None or isinstance(value, str | int | float)
