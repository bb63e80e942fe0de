"""A scheduler of diffusers with its parameters: its configuration, and the numbers of its step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from samplebench.answers.parameters import split
from samplebench.answers.scalars import whole
from samplebench.errors import UsageError
from samplebench.schedulers.classes import named_arguments
from samplebench.schedulers.package import called

_TABLE = "num_train_timesteps"
# Each of its tables has a number for each of the times; more of them fill a memory.
_LONGEST = 1_000_000


def configuration(scheduler: type[Any]) -> dict[str, Any]:
    """Parameters of its constructor and their defaults."""
    return {p.name: p.default for p in named_arguments(scheduler.__init__)}


def step_parameters(scheduler: type[Any]) -> dict[str, Any]:
    """Numbers and switches that its step takes, as DDIM's eta, where the constructor has none."""
    own = configuration(scheduler)
    return {
        p.name: p.default
        for p in named_arguments(scheduler.step)
        if isinstance(p.default, bool | int | float)
        and p.name not in own
        and p.name != "return_dict"
    }


def parameters(scheduler: type[Any]) -> dict[str, Any]:
    """All that a request may say of it, and the defaults."""
    return {**configuration(scheduler), **step_parameters(scheduler)}


def prepared(
    scheduler: type[Any], steps: int, params: Mapping[str, Any], device: Any = None
) -> tuple[Any, dict[str, Any]]:
    """A scheduler that is about to begin, and what its step is told beside its inputs.

    Args:
        scheduler: the class.
        steps: given to its `set_timesteps`.
        params: of `parameters` those that are said.
        device: of its times; None for the host.

    Raises:
        UsageError: a table of so many times cannot be.
        Exception: whatever diffusers raises of a configuration that it cannot have.
    """
    known = step_parameters(scheduler)
    told, config = split(params, known)
    name = f"{called(scheduler)}.{_TABLE}"
    if _TABLE in config and whole(name, config[_TABLE]) > _LONGEST:
        raise UsageError(f"{name}={config[_TABLE]} is more than {_LONGEST:,}; use fewer")
    found = scheduler(**config)
    found.set_timesteps(steps, device=device)
    return found, {name: value for name, value in told.items() if value != known[name]}


@dataclass(frozen=True)
class Configured:
    """A function of a scheduler whose signature names the scheduler's parameters.

    Attributes:
        scheduler: the class.
        function: takes it first.
        inputs: what the function takes by place.
        more: what it takes by name beside the parameters, None if not given.
    """

    scheduler: type[Any]
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    more: tuple[str, ...] = ()

    @property
    def __signature__(self) -> inspect.Signature:
        by_name = {**dict.fromkeys(self.more), **parameters(self.scheduler)}
        kind = inspect.Parameter
        return inspect.Signature(
            [
                *(kind(name, kind.POSITIONAL_OR_KEYWORD) for name in self.inputs),
                *(kind(n, kind.KEYWORD_ONLY, default=v) for n, v in by_name.items()),
            ]
        )

    def __call__(self, *inputs: Any, **given: Any) -> Any:
        return self.function(self.scheduler, *inputs, **given)
