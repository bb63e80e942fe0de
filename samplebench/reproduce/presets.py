"""All presets by name, and the published values that are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from samplebench.errors import unknown
from samplebench.published import load
from samplebench.reproduce.derive import derived
from samplebench.reproduce.names import names_of
from samplebench.reproduce.own import own_presets
from samplebench.reproduce.preset import NoPreset, ReproductionPreset


@cache
def _all() -> tuple[ReproductionPreset | NoPreset, ...]:
    """Of every row of published.csv, in its order."""
    return tuple(map(derived, load()))


@cache
def presets() -> Mapping[str, ReproductionPreset]:
    """By name: samplebench's own values, then those of others in the order of published.csv."""
    found = [each for each in _all() if isinstance(each, ReproductionPreset)]
    names = names_of([each.row for each in found if each.row is not None])
    named = (replace(each, name=name) for name, each in zip(names, found, strict=True))
    return {each.name: each for each in (*own_presets(), *named)}


def refused() -> tuple[NoPreset, ...]:
    """The published values that are no preset, in the file's order."""
    return tuple(each for each in _all() if isinstance(each, NoPreset))


def preset(name: str) -> ReproductionPreset:
    """The preset called `name`, in which the catalogue's id of the checkpoint may stand too.

    Raises:
        UsageError: there is none; the message holds the nearest name.
    """
    known = presets()
    if name not in known:
        name = _by_id().get(name, name)
    if name not in known:
        raise unknown("preset", name, known, "samplebench reproduce --list")
    return known[name]


@cache
def _by_id() -> dict[str, str]:
    """Names with the catalogue's id in them -> names; of two the first."""
    found: dict[str, str] = {}
    for name, each in presets().items():
        if each.row is not None:
            found.setdefault(f"{each.row.checkpoint}{name.removeprefix(each.row.model)}", name)
    return found
