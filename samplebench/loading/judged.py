"""Whether a model is what was said of it before it was here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from samplebench.answers.rounding import model_range
from samplebench.answers.tensors import described
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import InputError, unknown
from samplebench.models.model import Model
from samplebench.registry import adapters, timelines
from samplebench.timelines.choice import kind_of, of_model

# What everything that is sampled from has; a `Model` that sets its own has it all.
NEEDED = ("shape", "num_classes", "sigma_min", "sigma_max", "device", "state_dtype", "provenance")


def missing(model: Any) -> list[str]:
    """What everything that is sampled from has and this lacks."""
    return [name for name in NEEDED if not hasattr(model, name)]


def knows_levels(model: Any) -> bool:
    """Whether its noise levels are a range: 0 <= sigma_min < sigma_max."""
    try:
        low, high = model_range(model)
    except (TypeError, ValueError):
        low = high = math.nan
    return 0 <= low < high


def check(model: Model, entry: Checkpoint, path: Path) -> None:
    """Raises `InputError` if a file's content is not what the catalogue says."""
    if lacks := missing(model):
        raise InputError(
            f"adapter {entry.format} returned {described(model)} without {', '.join(lacks)}; "
            "return a samplebench.models.model.Model"
        )
    if not knows_levels(model):
        raise InputError(
            f"adapter {entry.format} returned a model of noise levels from "
            f"{described(model.sigma_min)} to {described(model.sigma_max)}; 0 <= sigma_min < "
            "sigma_max is needed"
        )
    _check_kind(model, entry)
    found = str(model.provenance.get("structure", ""))
    if entry.structure and found != entry.structure:
        raise InputError(
            f"{entry.id}: {path.name} has other tensors than the released file (structure "
            f"{found[:12]}..., the catalogue says {entry.structure[:12]}...); it is another file"
        )
    # A file given by its path alone says both itself.
    if all(entry.shape) and tuple(model.shape) != entry.shape:
        raise InputError(
            f"{entry.id}: {path.name} makes images {list(model.shape)}, the catalogue says "
            f"{list(entry.shape)}"
        )
    if entry.num_classes and model.num_classes != entry.num_classes:
        raise InputError(
            f"{entry.id}: {path.name} has {model.num_classes} classes, the catalogue says "
            f"{entry.num_classes}"
        )


def check_planned(model: Model, entry: Checkpoint, planned: str) -> None:
    """Raises `InputError` where a file is no longer the one that was planned for.

    Args:
        planned: SHA-256 of the file then.
    """
    found = str(model.provenance.get("sha256", ""))
    if entry.model is None and found != planned:
        raise InputError(
            f"{entry.id}: its file has changed since the sweep was planned (sha256 {found[:12]}... "
            f"and not {planned[:12]}...); repeat the command"
        )


def check_process(model: Model, entry: Checkpoint, sampler: str, planned: str | None) -> None:
    """Raises `InputError` where a file's model is of another process than a sampler was planned on.

    Samplers that leave the process to the model are planned before the file is read, which alone
    may say it.

    Args:
        planned: the sampler's parameter `process`; None where it has none.
    """
    own = getattr(model.process, "name", None)
    # A model in memory is there when its steps are planned.
    if entry.model is not None or {planned, own} != {"vp", "ve"}:
        return
    if adapters.entry(entry.format).planned(entry.config, entry.shape) is None:
        raise InputError(
            f"{entry.id}: {sampler} was planned on process {planned}, and the file's model was "
            f"trained on {own}; add --param {sampler}.process={own}"
        )


def _check_kind(model: Model, entry: Checkpoint) -> None:
    """Raises `InputError` where a model is not what the planner takes it for, undeclared or wrong.

    Steps, labels and protocol are planned before a file is here, from what its adapter declares.
    """
    declared, kind = adapters.entry(entry.format), kind_of(model)
    if kind != (expected := declared.kind_of(entry.config)):
        if kind not in timelines:
            raise unknown("timeline", str(kind), timelines.names())
        raise InputError(
            f"adapter {entry.format} declares models of kind '{expected}' and returned one of "
            f"kind '{kind}', whose steps were planned for the other; register it with kind='{kind}'"
            " and the process of its models"
        )
    own = of_model(model)
    if not own.fits(model.process):
        raise InputError(
            f"adapter {entry.format} returned a model of kind '{kind}' whose process is "
            f"{described(model.process)}; set the one that it was trained on"
        )
    if not all(entry.shape):  # a file given by its path alone, of which nothing was planned
        return
    planned = declared.planned(entry.config, entry.shape)
    other = "an undeclared process"
    if own.fits(planned):
        other = own.differs(planned, model.process)
    if other:
        raise InputError(
            f"adapter {entry.format} returned a model with {other}; register it with process=f, "
            "where f(config, shape) is the process that its model has"
        )
