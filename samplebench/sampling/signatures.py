"""The forms in which a sampler of others may be written, and what is said of any other."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from samplebench.answers.blame import line_of
from samplebench.answers.parameters import signature
from samplebench.errors import UsageError

# Arguments of k-diffusion's convention that the engine supplies, and of samplebench's.
PLUMBING = ("extra_args", "callback", "disable", "noise_sampler")
OURS = ("noise", "callback")
_EMPTY = inspect.Parameter.empty
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_STARS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def is_k_diffusion(function: Callable[..., Any]) -> bool:
    """Whether it is written as k-diffusion's: its third input is called sigmas."""
    try:
        names = list(signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return names[2:3] == ["sigmas"] and "noise" not in names


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function can be given a keyword."""
    known = signature(function).parameters
    return name in known or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())


def check_form(name: str, function: Callable[..., Any]) -> None:
    """Raises `UsageError` if a sampler of others is in no form that can be called.

    Args:
        name: the sampler's, for the message.
        function: as it was registered.
    """
    if isinstance(function, type):
        raise UsageError(f"sampler {name} is a class; pass an instance of it")
    _check_kind(name, function)
    try:
        form = signature(function)
    except (TypeError, ValueError):
        raise UsageError(
            f"sampler {name} has no readable signature; wrap it in f(model, x, grid)"
        ) from None
    names = list(form.parameters)
    if names[2:4] == ["sigma_min", "sigma_max"]:
        raise UsageError(f"sampler {name} {_other_form(form)}")
    if fault := _fault(form, PLUMBING if is_k_diffusion(function) else OURS):
        raise UsageError(
            f"sampler {name} {fault}; its signature is {line_of(str(form))}, write "
            f"{line_of(_right(form, is_k_diffusion(function)))}"
        )


def _check_kind(name: str, function: Callable[..., Any]) -> None:
    """Raises `UsageError` for what answers with something under way."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = inspect.unwrap(inner)
    if not inspect.isroutine(inner):
        inner = getattr(inner, "forward", None) or inner.__call__
    is_async = inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
    if is_async or inspect.isgeneratorfunction(inner):
        raise UsageError(
            f"sampler {name} is {'async' if is_async else 'a generator'}; write a plain function "
            "that returns the last state"
        )


def _other_form(form: inspect.Signature) -> str:
    """What is said of k-diffusion's samplers f(model, x, sigma_min, sigma_max, ...)."""
    known, names = form.parameters, {*form.parameters}
    head = "has k-diffusion's form f(model, x, sigma_min, sigma_max, ...)"
    if {"rtol", "atol"} <= names and not {"callback", "noise_sampler", "order"} & names:
        return f"{head} of log_likelihood, which computes a likelihood and draws no images"
    if all(p.default is not _EMPTY for p in list(known.values())[4:]):
        return (
            f"{head} of dpm_adaptive, which chooses its own noise levels; "
            "register a function f(model, x, grid) with timeline='adaptive' that calls it "
            "with grid[-1] and grid[0]"
        )
    return (
        f"{head} of dpm_fast, which makes its own noise levels; give a function f(model, x, "
        "sigmas, **params) that calls it with sigmas[-2], sigmas[0] and len(sigmas) - 1 steps"
    )


def _fault(form: inspect.Signature, supplied: tuple[str, ...]) -> str:
    """What keeps a function from being called, "" if nothing."""
    known = form.parameters.values()
    inputs = [p for p in known if p.kind not in (inspect.Parameter.KEYWORD_ONLY, *_STARS)]
    endless = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in known)
    if len(inputs) < 3 and not endless:
        return f"takes {len(inputs)} inputs, not the three model, x and grid"
    given = [p.name for p in inputs[:3]]
    if swallowed := [key for key in given if key in (*OURS, *PLUMBING)]:
        return f"has {swallowed[0]} where model, x and grid are given"
    theirs = {"extra_args", "noise_sampler"} & {*form.parameters}
    if given[2:] != ["sigmas"] and theirs:
        third = ", ".join(given[2:]) or "nothing"
        return f"has {third} where k-diffusion's functions, which take {min(theirs)}, have sigmas"
    missing = [
        p for p in known if p.name not in given and p.default is _EMPTY and p.kind not in _STARS
    ]
    for one in missing:
        if one.name not in supplied or one.kind is inspect.Parameter.POSITIONAL_ONLY:
            return (
                f"needs {one.name}, which has no default; give it one, or bind it: "
                f"functools.partial(f, {one.name}=...)"
            )
    return ""


def _right(form: inspect.Signature, theirs: bool) -> str:
    """The signature that the function could have, its own parameters kept.

    Args:
        theirs: whether it is of k-diffusion's form, which it keeps.
    """
    known = [p for p in form.parameters.values() if p.kind not in _STARS]
    # Behind the three inputs, where it has so many, one without a default is a parameter, too.
    own = [p for p in known[:3] if p.default is not _EMPTY] + known[3:]
    words = [
        f"{p.name}=..." if p.default is _EMPTY else str(p.replace(annotation=_EMPTY, kind=_KEYWORD))
        for p in own
        if theirs or p.name not in OURS
    ]
    head = "model, x, sigmas" if theirs else "model, x, grid, *, noise=None, callback=None"
    return f"f({', '.join([head, *words])})"
