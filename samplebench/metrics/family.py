"""Families: one function on the features of any extractor, a metric's name on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from samplebench.errors import UsageError
from samplebench.registry import MetricEntry, extractors, metrics

T = TypeVar("T", bound=Callable[..., Any])
INCEPTION = "inception"
# Extractors on which every family is listed; on others' it is there when it is asked for.
LISTED = {
    INCEPTION: "on Inception's pooled features, as papers report it",
    "digits": "on digit features (not comparable with Inception's)",
    "pixels": "on 8x8 averages of the pixels (a check without downloads)",
    "dinov2": "on DINOv2's features, images resized as EDM2 does",
}
# Of further extractors, how a metric's summary says whose features it is on.
_ON = {
    **LISTED,
    "inception-spatial": "on Inception's spatial features, as guided-diffusion has them",
    "dinov2-pil": "on DINOv2's features, images resized as dgm-eval does",
}
# What the features themselves are cited by, keys of citations.bib.
_INCEPTION, _DINOV2 = ("obukhov2020torchfidelity",), ("oquab2024dinov2", "stein2023exposing")
_SOURCES = {
    INCEPTION: _INCEPTION,
    "inception-logits": _INCEPTION,
    "inception-spatial": ("nash2021generating", *_INCEPTION),
    "digits": ("alpaydin1998digits",),
    "dinov2": _DINOV2,
    "dinov2-pil": _DINOV2,
}
# By its first word: how a family makes a metric on an extractor, and where it has another name.
_FAMILIES: dict[str, tuple[Callable[[str], MetricEntry], Mapping[str, str]]] = {}


def family(
    name: str,
    prefix: str,
    summary: str,
    *,
    named: Mapping[str, str] | None = None,
    cite: tuple[str, ...] = (),
    **facts: Any,
) -> Callable[[T], T]:
    """Decorator that registers a function as `name` on Inception's features and as
    `prefix-EXTRACTOR` on those of every other extractor.

    Args:
        name: on the pooled features of Inception, which papers mean.
        prefix: of the names elsewhere.
        summary: one line without the extractor.
        named: by further extractors on which it is listed: what the field calls it there.
        cite: keys of citations.bib, without those of the features.
        facts: of `MetricEntry`.
    """

    names = {INCEPTION: name, **(named or {})}

    def file(function: T) -> T:

        def on(extractor: str) -> MetricEntry:
            own = names.get(extractor, f"{prefix}-{extractor}")
            told = f"{summary} {_ON.get(extractor, f'on {extractor} features')}"
            keys = (*cite, *_SOURCES.get(extractor, ()))
            register = metrics.register(own, summary=told, extractor=extractor, cite=keys, **facts)
            register(function)
            return metrics.entry(own)

        for extractor in dict.fromkeys((*LISTED, *names)):
            on(extractor)
        _FAMILIES[prefix] = on, names
        return function

    return file


def forms() -> list[str]:
    """How the names of families are written on an extractor of one's own, e.g. "kd-EXTRACTOR"."""
    return [f"{prefix}-EXTRACTOR" for prefix in sorted(_FAMILIES)]


@metrics.fallback
def _on_others(name: str) -> MetricEntry | None:
    """The metric of a family on an extractor that is registered and not listed."""
    for prefix, (on, names) in _FAMILIES.items():
        extractor = name.removeprefix(f"{prefix}-")
        if extractor == name or extractor in names:
            continue
        try:
            known = extractors.entry(extractor).name
        except UsageError:
            continue
        return on(known)
    return None
