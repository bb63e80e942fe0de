"""What a request leaves to the model: samplers, presets, protocol, metrics, reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samplebench.bench.known import Known
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey
from samplebench.checkpoints.catalog import Checkpoint, Preset
from samplebench.errors import UsageError, unknown
from samplebench.protocols import Protocol, protocol
from samplebench.results.row import Columns
from samplebench.sampling.solver import Solver
from samplebench.scoring.measure import Measure, measures


@dataclass(frozen=True)
class Measuring:
    """How the samples of a model become values."""

    protocol: Protocol
    measures: tuple[Measure, ...]


def measuring_of(request: Request, entry: Checkpoint) -> Measuring:
    """Protocol, metrics and references of a model.

    Raises:
        UsageError: names that do not exist, or metric, reference and protocol that do not fit.
    """
    rules = protocol(request.protocol or entry.protocol).override(
        num_samples=request.num_samples, noise=request.noise, state_dtype=request.state_dtype
    )
    if not rules.num_samples:
        raise UsageError(
            f"model {entry.id} has no default number of samples; add --num-samples, e.g. 10000"
        )
    _check_process(rules, entry)
    names = request.metric or rules.metrics
    found = measures(
        names,
        request.reference,
        entry.reference,
        entry.home,
        model=entry.id,
        device=request.device,
    )
    return Measuring(rules, found)


def _check_process(rules: Protocol, entry: Checkpoint) -> None:
    """Values of another kind of process are never compared, whatever else agrees.

    Raises:
        UsageError: the protocol is for another kind than the model's.
    """
    known = Known(entry)
    fits = known.timeline.protocols(known.process)
    if rules.process not in fits:
        trained = f"process {fits[-1]}" if fits[-1] else "an isotropic process"
        raise UsageError(
            f"protocol {rules.name} is not for {entry.id}, trained on {trained}; use "
            f"--protocol {entry.protocol}"
        )


def samplers_of(request: Request, entry: Checkpoint) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Samplers of a request and their parameters, a preset's added; the model's own by default.

    Raises:
        UsageError: the model has no such preset.
    """
    samplers, params = request.sampler, request.param
    if not samplers:
        own = {s: {k: (v,) for k, v in p.items()} for s, p in entry.params.items()}
        names = dict.fromkeys((*own, *params))
        samplers, params = (
            entry.samplers,
            {name: {**own.get(name, {}), **params.get(name, {})} for name in names},
        )
    preset = _preset(request, entry)
    if preset is None:
        return samplers, params
    named = [Solver.of(sampler).name for sampler in samplers]
    tuned = {name: (value,) for name, value in preset.params.items()}
    return (
        samplers if preset.sampler in named else (*samplers, preset.sampler),
        {**params, preset.sampler: {**tuned, **params.get(preset.sampler, {})}},
    )


def preset_of(
    request: Request, models: Sequence[Checkpoint], entry: Checkpoint, survey: Survey
) -> Request:
    """The request without its preset where the model has none and another model has one."""
    if request.preset is None:
        return request
    known = request.preset in entry.presets
    survey.word("preset", known, entry.id)
    elsewhere = any(request.preset in other.presets for other in models)
    return request if known or not elsewhere else replace(request, preset=None)


def _preset(request: Request, entry: Checkpoint) -> Preset | None:
    if request.preset is None:
        return None
    if request.preset not in entry.presets:
        if not entry.presets:
            raise UsageError(f"model {entry.id} has no preset; leave --preset out")
        raise unknown(f"preset of {entry.id}", request.preset, entry.presets)
    return entry.presets[request.preset]


def preset_notes(request: Request, entry: Checkpoint, rows: Iterable[Columns]) -> list[str]:
    """A warning where tuned parameters run at another NFE than they were tuned at."""
    preset = _preset(request, entry)
    if preset is None:
        return []
    nfe = {row["nfe"] for row in rows if row["sampler"] == preset.sampler}
    others = sorted(found for found in nfe - {preset.nfe} if found is not None)
    if not others:
        return []
    return [
        f"preset {request.preset} of {entry.id} was tuned at NFE {preset.nfe} on the metric itself "
        f"({preset.source}), not at {', '.join(map(str, others))}"
    ]
