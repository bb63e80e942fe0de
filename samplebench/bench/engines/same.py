"""Processes that share a sweep plan the same cells, each by itself."""

from __future__ import annotations

from samplebench.results.record import Conditions


def differing(one: Conditions, other: Conditions) -> list[str]:
    """The names of the conditions in which two cells differ."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]
