"""Samplers of others in samplebench's own signature, unmodified.

k-diffusion's `sample_*(model, x, sigmas, ...)`, and functions that take no noise or no callback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.answers.parameters import accepted, signature
from samplebench.samplers.step import Step
from samplebench.sampling.reporting import ReportingModel
from samplebench.sampling.signatures import OURS, PLUMBING, is_k_diffusion, takes

if TYPE_CHECKING:
    from torch import Tensor

    Noise = Callable[[Tensor], Tensor] | None
    Told = Callable[[Step], None] | None


def as_sampler(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of any form that `check_form` admits, in samplebench's signature.

    Its own parameters are kept. One that draws from torch's global generator runs, but its samples
    depend on their batch: the engine notes "not seed-reproducible" in the cell when it sees the
    generator move.
    """
    if is_k_diffusion(function):
        return _named(_of_k_diffusion(function), function, PLUMBING)
    if all(takes(function, name) for name in OURS):
        return function
    return _named(_completed(function), function, OURS)


def _completed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes no noise or no callback."""

    def sampler(
        model: Any, x: Tensor, grid: Tensor, *, noise: Noise = None, callback: Told = None,
        **params: Any,
    ) -> Any:  # fmt: skip
        if takes(function, "noise"):
            params["noise"] = noise
        if takes(function, "callback"):
            params["callback"] = callback
        elif callback is not None and hasattr(model, "round_sigma"):
            seen = ReportingModel(model, grid, callback)
            return seen.end(function(seen, x, grid, **params))
        return function(model, x, grid, **params)

    return sampler


def _of_k_diffusion(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of k-diffusion's form; with `noise_sampler` it gets the per-sample streams."""

    def sampler(
        model: Any, x: Tensor, grid: Tensor, *, noise: Noise = None, callback: Told = None,
        **params: Any,
    ) -> Any:  # fmt: skip
        levels = grid.to(x)
        supplied: dict[str, Any] = {"disable": True, "extra_args": {}, "callback": None}
        if noise is not None:
            supplied["noise_sampler"] = lambda sigma, sigma_next: noise(x)
        params |= {key: value for key, value in supplied.items() if takes(function, key)}
        if callback is None:
            return function(model, x, levels, **params)
        if not takes(function, "callback"):
            seen = ReportingModel(model, grid, callback)
            return seen.end(function(seen, x, levels, **params))
        late = _Late(callback, float(grid[-1]))
        return late.end(function(model, x, levels, **{**params, "callback": late.report}))

    return sampler


class _Late:
    """k-diffusion reports the state before a step, samplebench after it: one step late."""

    def __init__(self, callback: Callable[[Step], None], final: float) -> None:
        self.callback, self.final = callback, final
        self.last: dict[str, Any] = {}

    def report(self, info: Any) -> None:
        if isinstance(info, Step):
            self.callback(info)
            return
        if self.last:
            self._tell(info["x"], float(info["sigma"]))
        self.last = info

    def end(self, x: Tensor) -> Tensor:
        if self.last:
            self._tell(x, self.final)
        return x

    def _tell(self, x: Tensor, sigma: float) -> None:
        self.callback(Step(self.last["i"], x, sigma, self.last["denoised"]))


def _named(
    sampler: Callable[..., Any], function: Callable[..., Any], supplied: tuple[str, ...]
) -> Callable[..., Any]:
    """The sampler with the function's own parameters, of which `accepted` reads, and its name."""
    own = {k: v for k, v in accepted(function).items() if k not in supplied}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
        for name, value in own.items()
    ]
    fixed = [
        p
        for p in signature(sampler).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    sampler.__signature__ = inspect.Signature(fixed + parameters)  # type: ignore[attr-defined]
    sampler.__doc__ = function.__doc__
    sampler.__module__ = getattr(function, "__module__", "__main__")
    sampler.__qualname__ = sampler.__name__ = getattr(function, "__name__", "sampler")
    return sampler
