"""Families: one function on the features of any extractor, a metric's name on each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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
# What the features themselves are cited by, keys of citations.bib.
_INCEPTION, _DINOV2 = ("obukhov2020torchfidelity",), ("oquab2024dinov2", "stein2023exposing")
_SOURCES = {
    INCEPTION: _INCEPTION,
    "inception-logits": _INCEPTION,
    "inception-spatial": _INCEPTION,
    "digits": ("alpaydin1998digits",),
    "dinov2": _DINOV2,
    "dinov2-pil": _DINOV2,
}
# By its first word: a family's function, and how it makes a metric on an extractor.
_FAMILIES: dict[str, tuple[Callable[..., Any], Callable[[str], MetricEntry]]] = {}


def family(
    name: str, prefix: str, summary: str, *, cite: tuple[str, ...] = (), **facts: Any
) -> Callable[[T], T]:
    """Decorator that registers a function as `name` on Inception's features and as
    `prefix-EXTRACTOR` on those of every other extractor.

    Args:
        name: on the pooled features of Inception, which papers mean.
        prefix: of the names elsewhere.
        summary: one line without the extractor.
        cite: keys of citations.bib, without those of the features.
        facts: of `MetricEntry`.
    """

    def file(function: T) -> T:

        def told(extractor: str) -> dict[str, Any]:
            summed = f"{summary} {LISTED.get(extractor, f'on {extractor} features')}"
            keys = (*cite, *_SOURCES.get(extractor, ()))
            return {"summary": summed, "extractor": extractor, "cite": keys, **facts}

        @cache
        def on(extractor: str) -> MetricEntry:
            # Not filed: the name stays free for a metric of that name.
            return metrics.unfiled(f"{prefix}-{extractor}", function, **told(extractor))

        for extractor in LISTED:
            own = name if extractor == INCEPTION else f"{prefix}-{extractor}"
            metrics.register(own, **told(extractor))(function)
        _FAMILIES[prefix] = function, on
        return function

    return file


def forms() -> list[str]:
    """How the names of families are written on an extractor of one's own, e.g. "kd-EXTRACTOR"."""
    return [f"{prefix}-EXTRACTOR" for prefix in sorted(_FAMILIES)]


@metrics.fallback
def _on_others(name: str) -> MetricEntry | None:
    """The metric of a family on an extractor that is registered and not listed."""
    for prefix, (function, on) in _FAMILIES.items():
        extractor = name.removeprefix(f"{prefix}-")
        # Where the field has a name of its own ("sfid"), that is the one.
        taken = any(each.obj is function and each.extractor == extractor for each in metrics)
        if extractor == name or taken:
            continue
        try:
            known = extractors.entry(extractor).name
        except UsageError:
            continue
        return on(known)
    return None
