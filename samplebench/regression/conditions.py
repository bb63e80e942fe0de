"""Which values may be compared at all, and what differs where they may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from samplebench.results.columns import HASH
from samplebench.results.record import Conditions

# Values under other ones of these are of another quantity. Code is not among them: that values do
# not move when it changes is what the gate is for.
FIXED = (
    "checkpoint_sha256", "config", "num_samples", "protocol", "dtype", "reference", "extractor",
    "noise_device",
)  # fmt: skip
# Further conditions of all cells of a model, which may explain a value that moved.
_CAUSES = ("numerics", "block", "metrics")
_LONGEST = 200


def shared(conditions: Conditions) -> Conditions:
    """Of a cell's conditions those that do not belong to one point of a curve."""
    kept = ("model", *FIXED, *_CAUSES)
    return cast(Conditions, {key: value for key, value in conditions.items() if key in kept})


def differences(
    old: Conditions, new: Conditions, *, seeds: bool = True, weights: bool = True
) -> list[str]:
    """What forbids a comparison, e.g. "checkpoint sha256 a1f5ef833e53 -> 57ac2d93219a".

    Args:
        old, new: as of `shared`.
        seeds: whether equal seeds are to give equal noise; else the device of the noise is free.
        weights: whether the checkpoint is to be the same file.
    """
    free = {"noise_device": not seeds, "checkpoint_sha256": not weights}
    keys = [key for key in FIXED if not free.get(key)]
    return _changes(keys, old, new)


def causes(old: Conditions, new: Conditions) -> list[str]:
    """What else differs and may have moved a value, e.g. "block 64 -> 32"."""
    return _changes(_CAUSES, old, new)


def _changes(keys: Iterable[str], old: Conditions, new: Conditions) -> list[str]:
    then, now = dict(_flat(keys, old)), dict(_flat(keys, new))
    names = dict.fromkeys((*then, *now))
    return [
        f"{name} {_word(then.get(name))} -> {_word(now.get(name))}"
        for name in names
        if then.get(name) != now.get(name)
    ]


def _flat(keys: Iterable[str], content: Conditions) -> Iterator[tuple[str, object]]:
    for key in keys:
        value = content.get(key)
        if not isinstance(value, Mapping):
            yield key.replace("_sha256", " sha256"), value
            continue
        for name, entry in value.items():
            # A protocol repeats N, which is a condition by itself.
            if (key, name) != ("protocol", "num_samples"):
                yield f"{key} {name.replace('_sha256', ' sha256')}", entry


def _word(value: object) -> str:
    text = "none" if value in (None, "") else str(value)
    return text[:12] if HASH.fullmatch(text) else text[:_LONGEST]
