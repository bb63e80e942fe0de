"""Which values may be compared at all, and what differs where they may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from samplebench.results.columns import HASH
from samplebench.results.record import Conditions, Score
from samplebench.results.view import key_of

# Values under other ones of these are of another quantity. Code is not among them: that values do
# not move when it changes is what the gate is for.
FIXED = (
    "checkpoint_sha256", "config", "num_samples", "noise", "state_dtype", "quantization", "dtype",
    "noise_device",
)  # fmt: skip
# Further conditions of all cells of a model, which may explain a value that moved.
_CAUSES = ("numerics", "block")
_LONGEST = 200


class SharedConditions(Conditions, total=False):
    """What a cell and its scores share with others of their model.

    Attributes:
        extractors: SHA-256 of the weights of each whose features were scored, by name.
        metrics: that the cell was scored by, by the reference as rows say it.
    """

    extractors: Mapping[str, str]
    metrics: Mapping[str, list[str]]


def shared(conditions: Conditions, scores: Iterable[Score] = ()) -> SharedConditions:
    """Of a cell's conditions and its scores' those that do not belong to one point of a curve."""
    names = ("model", *FIXED, *_CAUSES)
    kept = cast(SharedConditions, {k: v for k, v in conditions.items() if k in names})
    extractors: dict[str, str] = {}
    metrics: dict[str, list[str]] = {}
    for score in scores:
        _, metric, reference = key_of(score)
        metrics.setdefault(reference, []).append(metric)
        extractor = score["conditions"].get("extractor", {})
        if "name" in extractor and "weights_sha256" in extractor:
            extractors[extractor["name"]] = extractor["weights_sha256"]
    if extractors:
        kept["extractors"] = extractors
    if metrics:
        kept["metrics"] = {reference: sorted(names) for reference, names in metrics.items()}
    return kept


def differences(
    old: SharedConditions, new: SharedConditions, *, seeds: bool = True, weights: bool = True
) -> list[str]:
    """What forbids a comparison, e.g. "checkpoint sha256 a1f5ef833e53 -> 57ac2d93219a".

    Args:
        old, new: as of `shared`.
        seeds: whether equal seeds are to give equal noise; else the device of the noise is free.
        weights: whether the checkpoint is to be the same file.
    """
    free = {"noise_device": not seeds, "checkpoint_sha256": not weights}
    keys = [key for key in FIXED if not free.get(key)]
    then, now = old.get("extractors", {}), new.get("extractors", {})
    changed = [name for name in then if name in now and then[name] != now[name]]
    return _changes(keys, old, new) + [
        f"extractor {name} weights sha256 {_word(then[name])} -> {_word(now[name])}"
        for name in changed
    ]


def causes(old: SharedConditions, new: SharedConditions) -> list[str]:
    """What else differs and may have moved a value, e.g. "block 64 -> 32"."""
    return _changes(_CAUSES, old, new)


def _changes(keys: Sequence[str], old: SharedConditions, new: SharedConditions) -> list[str]:
    then, now = dict(_flat(keys, old)), dict(_flat(keys, new))
    names = dict.fromkeys((*then, *now))
    return [
        f"{name} {_word(then.get(name))} -> {_word(now.get(name))}"
        for name in names
        if then.get(name) != now.get(name)
    ]


def _flat(keys: Sequence[str], content: SharedConditions) -> Iterator[tuple[str, object]]:
    for key in keys:
        value = content.get(key)
        if not isinstance(value, Mapping):
            yield key.replace("_sha256", " sha256"), value
            continue
        for name, entry in value.items():
            yield f"{key} {name.replace('_sha256', ' sha256')}", entry


def _word(value: object) -> str:
    text = "none" if value in (None, "") else str(value)
    return text[:12] if HASH.fullmatch(text) else text[:_LONGEST]
