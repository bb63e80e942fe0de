"""A scheduler of diffusers with its parameters: its configuration, and the numbers of its step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samplebench.answers.parameters import split
from samplebench.schedulers.find import given_to


def configuration(scheduler: type[Any]) -> dict[str, Any]:
    """Parameters of its constructor and their defaults."""
    return {p.name: p.default for p in given_to(scheduler.__init__)}


def of_step(scheduler: type[Any]) -> dict[str, Any]:
    """Numbers and switches that its step takes, as DDIM's eta, where the constructor has none."""
    own = configuration(scheduler)
    return {
        p.name: p.default
        for p in given_to(scheduler.step)
        if isinstance(p.default, bool | int | float)
        and p.name not in own
        and p.name != "return_dict"
    }


def parameters(scheduler: type[Any]) -> dict[str, Any]:
    """All that a request may say of it."""
    return {**configuration(scheduler), **of_step(scheduler)}


def made(
    scheduler: type[Any], steps: int, params: Mapping[str, Any], device: Any = None
) -> tuple[Any, dict[str, Any]]:
    """One that is about to begin, and what its step is told."""
    known = of_step(scheduler)
    told, config = split(params, known)
    found = scheduler(**config)
    found.set_timesteps(steps, device=device)
    return found, {name: value for name, value in told.items() if value != known[name]}
