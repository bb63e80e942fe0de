"""Samplers of others: k-diffusion's `sample_*(model, x, sigmas, ...)` run unmodified.

Which of the two signatures a function has is seen before it is called; one of neither is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.answers.parameters import accepted, signature
from samplebench.errors import UsageError
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

# Arguments of k-diffusion's convention that the engine supplies.
_PLUMBING = ("extra_args", "callback", "disable", "noise_sampler")
_FORMS = "f(model, x, grid, *, noise=None, callback=None) or k-diffusion's f(model, x, sigmas, ...)"


def is_k_diffusion(function: Callable[..., Any]) -> bool:
    """Whether the third input is called sigmas, as in k-diffusion."""
    try:
        names = list(signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return len(names) >= 3 and names[2] == "sigmas"


def check_form(name: str, function: Callable[..., Any]) -> None:
    """Raises `UsageError` if a sampler of others can be called in neither of the two signatures.

    Args:
        name: the sampler's, for the message.
        function: as it was registered.
    """
    try:
        form = signature(function)
    except (TypeError, ValueError):
        raise UsageError(
            f"sampler {name} does not say what it takes; give a Python function, {_FORMS}"
        ) from None
    names = list(form.parameters)
    if names[2:4] == ["sigma_min", "sigma_max"]:
        raise UsageError(
            f"sampler {name} has k-diffusion's form f(model, x, sigma_min, sigma_max, ...), which "
            "makes its own noise levels; give a function f(model, x, sigmas, **params) that calls "
            "it with sigmas[-2], sigmas[0] and len(sigmas) - 1 steps"
        )
    keywords = dict.fromkeys(("noise", "callback"))
    if is_k_diffusion(function):
        keywords = {key: None for key in _PLUMBING if key in names}
    try:
        form.bind(None, None, None, **keywords)
    except TypeError as error:
        raise UsageError(
            f"sampler {name} cannot be called as {_FORMS} ({line_of(str(error))}); its signature "
            f"is {line_of(str(form))}"
        ) from None


def as_sampler(function: Callable[..., Any]) -> Callable[..., Any]:
    """The k-diffusion function in samplebench's signature, its own parameters kept.

    A function with `noise_sampler` gets the per-sample streams through it. One that draws from
    torch's global generator still runs, but its samples depend on their batch: the engine notes
    "not seed-reproducible" in the cell when it sees the generator move.
    """
    known = signature(function).parameters
    own = {k: v for k, v in accepted(function).items() if k not in _PLUMBING}

    def sampler(
        model: Any,
        x: Tensor,
        grid: Tensor,
        *,
        noise: Callable[[Tensor], Tensor] | None = None,
        callback: Callable[[Step], None] | None = None,
        **params: Any,
    ) -> Tensor:
        extra: dict[str, Any] = {}
        if "disable" in known:
            extra["disable"] = True
        if "extra_args" in known and known["extra_args"].default is inspect.Parameter.empty:
            extra["extra_args"] = {}
        if "noise_sampler" in known and noise is not None:
            extra["noise_sampler"] = lambda sigma, sigma_next: noise(x)
        if "callback" in known and callback is None:
            extra["callback"] = None
        if "callback" not in known or callback is None:
            return function(model, x, grid.to(x), **extra, **params)
        # k-diffusion reports the state before a step, samplebench after it: report one step late.
        begun: list[dict[str, Any]] = []

        def report(info: dict[str, Any]) -> None:
            if begun:
                last = begun[-1]
                callback(Step(last["i"], info["x"], float(info["sigma"]), last["denoised"]))
            begun.append(info)

        x = function(model, x, grid.to(x), callback=report, **extra, **params)
        if begun:
            callback(Step(begun[-1]["i"], x, 0.0, begun[-1]["denoised"]))
        return x

    # accepted() reads the wrapped function's parameters from this signature.
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
        for name, value in own.items()
    ]
    fixed = [
        p
        for p in inspect.signature(sampler).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    sampler.__signature__ = inspect.Signature(fixed + parameters)  # type: ignore[attr-defined]
    sampler.__doc__, sampler.__module__ = function.__doc__, function.__module__
    sampler.__qualname__ = sampler.__name__ = getattr(function, "__name__", "sampler")
    return sampler
