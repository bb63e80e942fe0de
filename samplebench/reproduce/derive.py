"""From a row of published.csv to the run that should give its value, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from samplebench.checkpoints.catalog import Checkpoint, catalog
from samplebench.processes.vp import VP
from samplebench.protocols import PROTOCOLS
from samplebench.published import Published
from samplebench.published.evaluators import reference_id
from samplebench.published.grids import NOT_STATED
from samplebench.published.notes import BEST_OF_THREE
from samplebench.published.record import CALLED, SCALE_UNSTATED
from samplebench.references import reference as references
from samplebench.registry import discretizations, samplers
from samplebench.reproduce.completions import GRIDS, RULES, WEIGHTS
from samplebench.reproduce.links import checkpoint_of
from samplebench.reproduce.practices import practice_of
from samplebench.reproduce.preset import RUNS, NoPreset, ReproductionPreset
from samplebench.sampling.solver import Solver

_METRIC = "fid"
# Clauses of a row's `deduced` -> the condition of the checklist.
_DEDUCED: Mapping[str, str] = {**CALLED, "model_id": "checkpoint", "nfe": "NFE"}


class NotReproducible(Exception):
    """A row that is no preset; the message is the clause that says why."""


@dataclass
class _Draft:
    """What is known of a preset while it is put together."""

    row: Published
    entry: Checkpoint
    words: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    completed: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    images: str = ""


def derived(row: Published) -> ReproductionPreset | NoPreset:
    """The preset of a row, without a name yet, or why it is none."""
    try:
        _check_value(row)
        draft = _Draft(row, _entry(row))
        _weights(draft)
        _sampler(draft)
        _guidance(draft)
        _grid(draft)
        _measuring(draft)
    except NotReproducible as error:
        return NoPreset(row, str(error))
    assert row.fid is not None
    runs = RUNS if BEST_OF_THREE in row.measured else 1
    return ReproductionPreset(
        name="",
        metric=_METRIC,
        value=row.fid,
        printed=row.fid_printed,
        stderr=None,
        source=row.source,
        checkpoint=draft.entry.id,
        words=draft.words,
        runs=runs,
        nfe=row.nfe,
        row=row,
        completed=draft.completed,
        deduced=tuple(_DEDUCED[column] for column in row.deduced),
        open=tuple(draft.open),
        differs=tuple(draft.differs),
        images=draft.images,
    )


def _check_value(row: Published) -> None:
    if row.fid is None:
        raise NotReproducible(f"the source prints a bound alone, FID {row.fid_printed}")
    if row.certainty == "C":
        raise NotReproducible("the value itself is unsure (certainty C)")
    if row.nfe is None:
        raise NotReproducible(f"NFE {NOT_STATED}")


def _entry(row: Published) -> Checkpoint:
    if name := checkpoint_of(row.model):
        return catalog()[name]
    if re.search("(?:checkpoint|weights|model) (?:not )?released", row.note):
        raise NotReproducible("its checkpoint was not released")
    raise NotReproducible(f"checkpoint {row.model} is not in the catalogue")


def _weights(draft: _Draft) -> None:
    """That the released file has the row's weights."""
    said, entry = draft.row.weights, draft.entry
    if not said or said in entry.file_name:
        return
    if because := WEIGHTS.get((draft.row.model, said)):
        draft.completed["weights"] = because
        return
    raise NotReproducible(f"not known to be the released file's weights: {said}")


def _sampler(draft: _Draft) -> None:
    row = draft.row
    found = row.unguided
    left = [part for part in found.variant.split(", ") if part]
    draft.params = dict(found.params)
    for rule in (rule for rule in RULES if rule.fits(row)):
        left = [part for part in left if part not in rule.settles]
        draft.params |= rule.params
        what = rule.params or dict.fromkeys(rule.settles)
        draft.completed |= {name: rule.because for name in what if rule.because}
        draft.open += rule.open
        draft.differs += filter(None, [rule.differs])
    # A family such as dpmpp has members here, and the row does not say which one it is of.
    family = any(name.startswith(f"{found.name}-") for name in samplers.names())
    if found.name not in samplers and not (family and left):
        raise NotReproducible(f"no sampler {found.name} here")
    if left:
        raise NotReproducible(f"sampler {found.name}: {', '.join(left)}")
    draft.words["sampler"] = found.name


def _grid(draft: _Draft) -> None:
    row, words, params = draft.row, draft.words, draft.params
    grid = row.grid
    if grid.name in GRIDS:
        known, because = GRIDS[grid.name]
        words |= known
        draft.completed["discretization"] = because
    elif not grid.ours:
        raise NotReproducible(
            f"discretization {NOT_STATED}"
            if grid.name == NOT_STATED
            else f"noise levels not known here: {grid.name}"
        )
    elif grid.name in discretizations and _takes_grid(words["sampler"]):
        words["discretization"] = grid.name
        if grid.rho is not None:
            words["rho"] = grid.rho
    if row.stop:
        _stop(draft)
    words["nfe"] = row.nfe
    if params:
        words["param"] = {words["sampler"]: params}


def _takes_grid(sampler: str) -> bool:
    """Whether its levels are a discretization's: some samplers have levels of their own."""
    return "discretization" in Solver.of(sampler).timeline.words


def _stop(draft: _Draft) -> None:
    """The range of noise levels of a VP process that stops at a stated time."""
    try:
        low = VP().sigma(float(draft.row.stop))
    except ValueError:
        raise NotReproducible(f"stop time {draft.row.stop}") from None
    draft.params |= {"final": "sigma_min", "sigma_min": low, "sigma_max": VP().sigma(1.0)}
    because = f"the stated stop time: a VP process from t = 1 to {draft.row.stop}"
    draft.completed |= dict.fromkeys(("final", "sigma_min", "sigma_max"), because)


def _guidance(draft: _Draft) -> None:
    said = draft.row.guidance
    if not said:
        return
    name, _, rest = said.partition(" ")
    scale, _, by = rest.partition(" by ")
    if not scale:
        raise NotReproducible(SCALE_UNSTATED)
    draft.words |= {"guidance": name, "guidance_scale": float(scale)}
    if by:
        stems = {PurePath(entry.file_name).stem: entry.id for entry in catalog().values()}
        if by not in stems:
            raise NotReproducible(f"the guiding network {by} is not in the catalogue")
        draft.words["guiding_model"] = stems[by]


def _measuring(draft: _Draft) -> None:
    """Protocol, N, noise and reference."""
    row, entry, words = draft.row, draft.entry, draft.words
    practice = practice_of(row)
    own = PROTOCOLS[entry.protocol]
    if row.family in PROTOCOLS and not own.process:
        words["protocol"] = row.family
    if row.num_samples is not None:
        words["num_samples"] = row.num_samples
    if practice.noise:
        words["noise"] = practice.noise
    if (name := reference_id(row.reference)) in references.names():
        words["reference"] = name
    elif not entry.reference:
        draft.images = row.reference.removeprefix("~")
