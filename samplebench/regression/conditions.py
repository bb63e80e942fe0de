"""Which values may be compared at all, and what differs where they may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

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
CAUSES = ("numerics", "block")
# Of FIXED those that make a value another quantity of whatever model.
_QUANTITY = ("num_samples", "noise", "state_dtype", "quantization")
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
    names = ("model", *FIXED, *CAUSES)
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
    return _changes(keys, old, new) + _extractors(old, new)


def quantities(old: SharedConditions, new: SharedConditions) -> list[str]:
    """What forbids it of two models, e.g. "num_samples 1797 -> 500"; arguments as above."""
    return _changes(_QUANTITY, old, new) + _extractors(old, new)


def _extractors(old: SharedConditions, new: SharedConditions) -> list[str]:
    then, now = old.get("extractors", {}), new.get("extractors", {})
    pairs = {name: (then[name], now[name]) for name in then if name in now}
    return [
        f"extractor {name} weights sha256 {condition_word(a)} -> {condition_word(b)}"
        for name, (a, b) in pairs.items()
        if a != b
    ]


def causes(old: SharedConditions, new: SharedConditions) -> list[str]:
    """What else differs and may have moved a value, e.g. "block 64 -> 32"."""
    return _changes(CAUSES, old, new)


def _changes(keys: Sequence[str], old: SharedConditions, new: SharedConditions) -> list[str]:
    then, now = dict(flat(keys, old)), dict(flat(keys, new))
    names = dict.fromkeys((*then, *now))
    return [
        f"{name} {condition_word(then.get(name))} -> {condition_word(now.get(name))}"
        for name in names
        if then.get(name) != now.get(name)
    ]


def flat(keys: Iterable[str], content: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """(name, value) of these conditions; of a table each entry, of tables in it too."""
    for key in keys:
        value, name = content.get(key), key.replace("_sha256", " sha256")
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", entry) for inner, entry in flat(value, value))
        else:
            yield name, value


def condition_word(value: object) -> str:
    """A value for readers: of a hash its first digits."""
    text = "none" if value in (None, "") else str(value)
    return text[:12] if HASH.fullmatch(text) else text[:_LONGEST]
