"""Which timeline: of a sampler on a model, of a cell's condition, of a model's kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from samplebench.answers.tensors import described
from samplebench.errors import UsageError
from samplebench.models.model import Model
from samplebench.registry import Entry, SamplerEntry, samplers, timelines
from samplebench.timelines.timeline import Timeline


def timeline(name: str) -> type[Timeline]:
    """The timeline called `name`."""
    found: type[Timeline] = timelines.get(name)
    return found


def registered(on: type[Timeline]) -> Entry:
    """The registration of a timeline."""
    return next(entry for entry in timelines if entry.obj is on)


def of_model(model: Any) -> type[Timeline]:
    """The timeline that is a model's own; a plain callable is D(x; sigma)."""
    return timeline(kind_of(model))


def kind_of(model: Any) -> str:
    """A model's kind; what is no `Model` may use the word for something else."""
    kind = getattr(model, "kind", "sigma")
    meant = isinstance(model, Model) or (isinstance(kind, str) and kind in timelines)
    return str(kind) if meant else "sigma"


def denoises(model: Any) -> bool:
    """Whether a model, or what is known of one, is D(x; sigma)."""
    return kind_of(model) in timeline("sigma").kinds


def steps_of_its_own(model: Any) -> bool:
    """Whether a model, or what is known of one, answers on the steps of a discrete process."""
    return kind_of(model) in timeline("discrete").kinds


def asks_denoiser(on: type[Timeline]) -> bool:
    """Whether samplers on a timeline run on whatever is D(x; sigma)."""
    return "sigma" in on.kinds


def of_condition(condition: Any) -> type[Timeline]:
    """The timeline of a cell's condition: by its label, else a grid of noise levels."""
    name = condition.get("name") if isinstance(condition, Mapping) else None
    labelled = (entry.obj for entry in timelines if entry.obj.label)
    return next((each for each in labelled if each.label == name), timeline("sigma"))


def chosen(entry: SamplerEntry, model: Any, who: str) -> tuple[SamplerEntry, type[Timeline]]:
    """What a sampler's name means on a model, and on which timeline.

    The timeline that is the model's own comes first.

    Args:
        model: or what is known of one: its `kind` and its `process`.
        who: the model's name, for messages.

    Raises:
        UsageError: the sampler runs on no timeline that the model has, or the model lacks the
            process of its kind.
    """
    kind, process = kind_of(model), getattr(model, "process", None)
    if not timeline(kind).fits(process):
        raise UsageError(
            f"{who} is of kind '{kind}' and its process is {described(process)}; set the one that "
            "it was trained on"
        )
    meanings = {**entry.on, entry.timeline: entry.name}
    for name in dict.fromkeys((kind, *meanings)):
        if name in meanings and kind in (found := timeline(name)).kinds:
            return meaning(entry, found), found
    raise _unfit(entry, timeline(entry.timeline), model, who)


def check(entry: SamplerEntry, on: type[Timeline], model: Any, who: str) -> None:
    """Raises `UsageError` where a model has no such timeline; arguments as for `chosen`."""
    if kind_of(model) not in on.kinds:
        raise _unfit(entry, on, model, who)


def _unfit(entry: SamplerEntry, on: type[Timeline], model: Any, who: str) -> UsageError:
    own = kind_of(model)
    fitting = ", ".join(
        each.name for each in samplers if each.draws and own in (each.timeline, *each.on)
    )
    offers = of_model(model).offers(getattr(model, "process", None))
    text = f"sampler {entry.name} needs {on.needs}; {who} {offers}"
    return UsageError(f"{text}: take {fitting}" if fitting else text)


def meaning(entry: SamplerEntry, on: type[Timeline]) -> SamplerEntry:
    """What a sampler's name means on a timeline, under that name.

    Raises:
        UsageError: it does not run there.
    """
    if timeline(entry.timeline) is on:
        return entry
    for name, other in entry.on.items():
        if timeline(name) is on:
            return replace(samplers.entry(other), name=entry.name)
    needs = timeline(entry.timeline).needs
    raise UsageError(f"sampler {entry.name} needs {needs}; it does not run on {on.needs}")
