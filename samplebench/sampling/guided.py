"""Guidance by its words: what may be said, on which models and samplers, and what it means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from samplebench.answers.scalars import real, values
from samplebench.answers.tensors import described
from samplebench.errors import UsageError, unknown
from samplebench.models.guidance import (
    EVERYWHERE,
    NAMES,
    ClassifierGuidance,
    Guidance,
    ReferenceGuidance,
)
from samplebench.processes.discrete import DiscreteProcess
from samplebench.sampling.passes import passes
from samplebench.sampling.setting import Setting
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import asks_denoiser, denoises, kind_of, of_model, registered

# Without guidance; of a word of several values.
NONE = "none"


def scale_of(value: Any) -> float:
    """g, a finite number from 0 up.

    Raises:
        UsageError: something else.
    """
    scale = real("guidance_scale", value)
    if not 0 <= scale < math.inf:
        raise UsageError(f"guidance_scale={value} must be a number from 0 up, e.g. 2")
    return scale


def interval_of(value: Any) -> tuple[float, float]:
    """(low, high) of "low/high" or of a pair, 0 <= low < high, which may be infinite.

    Raises:
        UsageError: something else.
    """
    parts = value.split("/") if isinstance(value, str) else values(value)
    wrong = UsageError(
        f"guidance_interval={value} must be two noise levels, the lower first, e.g. 0.19/1.61"
    )
    if len(parts) != 2:
        raise wrong
    low, high = (real("guidance_interval", part) for part in parts)
    if not (0 <= low < high and low < math.inf):
        raise wrong
    return low, high


def acts(name: str, scale: float) -> bool:
    """Whether a guidance of this scale moves anything: where not, no pass is made."""
    return scale != (0 if name == "classifier" else 1)


def check_solver(name: str, solver: Solver) -> None:
    """Raises `UsageError` where a sampler cannot follow a guidance."""
    if not solver.entry.draws:
        raise UsageError(f"sampler {solver.name} does not support guidance: it encodes images")
    if not solver.timeline.evaluates:
        raise UsageError(
            f"sampler {solver.name} does not support guidance: it never evaluates the model; "
            "leave out the sampler or the guidance"
        )
    if name == "classifier" and not (solver.entry.guided or asks_denoiser(solver.timeline)):
        raise UsageError(
            f"sampler {solver.name} does not support classifier guidance here; respaced and ddim "
            "do, on a discrete model's own steps"
        )


def check_models(
    name: str, model: Any, guide: Any, who: str = "the model", other: str = "the guiding model"
) -> None:
    """Looks at the models of a guidance.

    Args:
        name: of the guidance.
        model: the main one, or what is known of it.
        guide: the guiding one, or what is known of it; None for none.
        who, other: their names, for messages.

    Raises:
        UsageError: they do not fit.
    """
    if name == "classifier":
        if guide is not None:
            raise UsageError("guidance classifier takes no guiding_model; leave it out")
        if not denoises(model):
            raise UsageError(f"guidance classifier needs D(x; sigma), and {who} {_offer(model)}")
        return
    classes, optional = _classes(model), getattr(model, "labels_optional", False)
    if name == "cfg" and classes == 0:
        raise UsageError(
            f"guidance cfg needs a class-conditional model, and {who} is unconditional; give "
            "guidance auto with a weaker guiding_model"
        )
    if guide is None:
        if name == "cfg" and optional:
            return
        also = f": {who} needs labels" if name == "cfg" else ""
        what = "an unconditional" if name == "cfg" else "a weaker"
        raise UsageError(f"guidance {name} needs {what} guiding_model of the same images{also}")
    _check_same_images(model, guide, who, other)
    own, free = _classes(guide), getattr(guide, "labels_optional", False)
    if name == "cfg" and own and not free:
        raise UsageError(
            f"guidance cfg uses its guiding model without labels, but {other} needs them; use "
            "guidance auto, or an unconditional guiding_model"
        )
    if None in (own, classes) or own == classes:
        return
    if name == "auto" and not (free and not classes):
        has = f"has {own} classes" if own else "is unconditional"
        less = "; it can be used for guidance cfg" if classes and not own else ""
        raise UsageError(f"guidance auto uses the labels of {who}, and {other} {has}{less}")


def _check_same_images(model: Any, guide: Any, who: str, other: str) -> None:
    shapes = [tuple(getattr(each, "shape", ())) for each in (model, guide)]
    if all(map(all, shapes)) and all(shapes) and shapes[0] != shapes[1]:
        raise UsageError(
            f"{other} makes images {list(shapes[1])} and {who} {list(shapes[0])}; guidance needs "
            "the same"
        )
    if denoises(model):
        if not denoises(guide):
            raise UsageError(f"{other} {_offer(guide)}; to guide {who} it must be D(x; sigma)")
        return
    own = of_model(model)
    if kind_of(guide) != kind_of(model):
        raise UsageError(f"{other} {_offer(guide)}, and {who} {_offer(model)}; give one like it")
    if differs := own.differs(model.process, guide.process):
        raise UsageError(f"{other} has {differs}; to guide {who} it must be the same")


def _offer(model: Any) -> str:
    return of_model(model).offers(getattr(model, "process", None))


def _classes(model: Any) -> int | None:
    """How many it has; None where that is not known before its file is here."""
    found = getattr(model, "num_classes", 0)
    return None if found is None else int(found)


def reference_guidance(
    name: str, model: Any, guide: Any, scale: float, interval: tuple[float, float] = EVERYWHERE
) -> ReferenceGuidance:
    """Of models that `check_models` has passed."""
    asked = model if guide is None else guide
    return ReferenceGuidance(asked, name == "auto", scale, interval)


def classifier_guidance(
    model: Any,
    classifier: Callable[..., Any],
    scale: float,
    interval: tuple[float, float] = EVERYWHERE,
) -> ClassifierGuidance:
    """By a classifier; its process is its own, or that of a discrete model.

    Raises:
        UsageError: nobody says on which process it was trained, or its classes are not the model's.
    """
    found = (getattr(each, "process", None) for each in (classifier, model))
    law = next((each for each in found if isinstance(each, DiscreteProcess)), None)
    if law is None:
        raise UsageError(
            "the classifier does not state which steps it was trained on; set its attribute "
            "process, e.g. sb.process('discrete', noise_schedule='cosine')"
        )
    # A released network says it by its last layer.
    classes = _classes(classifier) or int(getattr(classifier, "out_channels", 0))
    own = _classes(model)
    if own and classes and own != classes:
        raise UsageError(f"the classifier knows {classes} classes and the model {own}")
    return ClassifierGuidance(classifier, scale, classes, law, interval)


def guidance_of(
    setting: Setting,
    model: Any,
    guidance: str | Callable[..., Any] | None,
    scale: Any,
    interval: Any,
    guide: Any,
    classifier: Any,
) -> Guidance | Callable[..., Any] | None:
    """What the words of `sb.sample` mean; None where nothing is moved.

    Raises:
        UsageError: a word without effect, one that is missing, or what does not fit.
    """
    said = {
        "guidance_scale": scale, "guidance_interval": interval, "guiding_model": guide,
        "classifier": classifier,
    }  # fmt: skip
    given = [name for name, value in said.items() if value is not None]
    if guidance is None or guidance == NONE or callable(guidance):
        if given:
            raise UsageError(
                f"{given[0]} needs guidance {', '.join(NAMES)}; add one of them, or leave it out"
            )
        if not callable(guidance):
            return None
        return _by_function(setting, model, guidance)
    if guidance not in NAMES:
        raise unknown(
            "guidance",
            guidance if isinstance(guidance, str) else described(guidance),
            (NONE, *NAMES),
        )
    if scale is None and guidance != "classifier":
        raise UsageError(f"guidance {guidance} needs guidance_scale, e.g. 2")
    g = 1.0 if scale is None else scale_of(scale)
    where = EVERYWHERE if interval is None else interval_of(interval)
    if (classifier is None) == (guidance == "classifier"):
        raise UsageError(
            "guidance classifier needs a classifier, e.g. from sb.load_classifier"
            if classifier is None
            else f"guidance {guidance} takes no classifier; leave it out"
        )
    if guide is not None and not callable(guide):
        raise UsageError(
            f"guiding_model {described(guide)} is not a model; load it with sb.load first"
        )
    check_models(guidance, model, guide)
    check_solver(guidance, setting.solver)
    if classifier is not None and not callable(classifier):
        raise UsageError(f"classifier {described(classifier)} is not a function (x_t, t) -> logits")
    found: Guidance = (
        reference_guidance(guidance, model, guide, g, where)
        if classifier is None
        else classifier_guidance(model, classifier, g, where)
    )
    if not registered(type(setting.timeline)).builtin:
        passes(setting, where)
    return found if acts(guidance, g) else None


def _by_function(setting: Setting, model: Any, guidance: Callable[..., Any]) -> Any:
    """A gradient as it stands, which the samplers on discrete steps alone follow."""
    if setting.solver.entry.guided:
        return guidance
    if isinstance(guidance, ClassifierGuidance) and guidance.process is not None:
        check_models("classifier", model, None)
        check_solver("classifier", setting.solver)
        return guidance
    raise UsageError(
        f"sampler {setting.solver.name} does not support this guidance; respaced and ddim do, on a "
        "discrete model's own steps"
    )
