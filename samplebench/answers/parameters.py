"""What a function's signature says of its parameters: names, defaults, and which of them fit."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import scalar, values
from samplebench.errors import UsageError, unknown


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """What a callable takes; a torch module takes what its `forward` does.

    Raises:
        ValueError, TypeError: it does not say.
    """
    torch = sys.modules.get("torch")
    if torch and isinstance(function, torch.nn.Module):
        return inspect.signature(function.forward)
    return inspect.signature(function)


def accepted(function: Callable[..., Any]) -> dict[str, Any]:
    """Parameters with a default, in order, as name -> default; the positional inputs are left out.

    `noise` and `callback` are what the engine passes, not parameters.
    """
    return {
        name: p.default
        for name, p in signature(function).parameters.items()
        if p.default is not inspect.Parameter.empty and name not in ("noise", "callback")
    }


def split(
    given: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The given parameters that are known, and the rest."""
    mine = {name: value for name, value in given.items() if name in known}
    return mine, {name: value for name, value in given.items() if name not in known}


def merge(owner: str, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults overridden by given values, each of its default's kind: 10 and 10.0 are the same.

    Args:
        owner: what they are, for messages, ending in a name, e.g. "parameter of sampler edm".

    Raises:
        UsageError: an unknown name, or a value of another kind than its default.
    """
    for name in given:
        if name not in defaults:
            raise unknown(owner, name, defaults)
    return {
        name: _like(f"{owner.split()[-1]}.{name}", default, given[name])
        if name in given
        else default
        for name, default in defaults.items()
    }


def altered(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not their default; a default of any kind is itself."""
    return {
        name: value
        for name, value in values.items()
        if value is not defaults[name] and value != defaults[name]
    }


def label(params: Mapping[str, Any]) -> str:
    """Parameters as one stable string, e.g. "S_churn=10 S_noise=1.003"."""
    return " ".join(f"{name}={word(value)}" for name, value in sorted(params.items()))


def word(value: Any) -> str:
    """A value as text; floats to 12 digits."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


# What a value is in a label that is no number.
_NAMED = {"True": True, "False": False, "None": None}


def parsed(text: str) -> dict[str, Any]:
    """The parameters of a label as values; numbers are floats."""
    pairs = (part.partition("=") for part in text.split())
    return {name: _value(written) for name, _, written in pairs}


def _value(written: str) -> Any:
    if written in _NAMED:
        return _NAMED[written]
    try:
        return float(written)
    except ValueError:
        return written


# As JSON, which has neither infinity nor NaN, holds them.
_ENDLESS = ("inf", "-inf", "nan")


def plain(value: Any) -> Any:
    """A parameter as a cell's conditions hold it."""
    endless = isinstance(value, float) and not math.isfinite(value)
    return str(value) if endless else value


def unplain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a cell's conditions as the sampler takes them."""
    return {name: float(v) if v in _ENDLESS else v for name, v in params.items()}


def _like(where: str, default: Any, value: Any) -> Any:
    """`value` as the kind of `default`, whose None admits anything, and is a word as it is told."""
    if value is default:
        return value  # of any kind, as an object that is bound into a partial
    value = scalar(value)
    if default is None:
        return None if isinstance(value, str) and value == str(None) else value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool):
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float):
        fits, kind = number and value == value, "a number"
        if isinstance(default, int) and fits and value != value // 1:
            return value  # `eta=1` in a signature does not mean that 0.5 is wrong
    elif isinstance(default, list | tuple):
        fits, kind = not isinstance(value, str | Mapping), "a list"
        value = values(value) if fits else value
    else:
        fits, kind = isinstance(value, type(default)), "a word"
    if not fits:
        raise UsageError(f"{where}={line_of(repr(value))} must be {kind}, e.g. {default}")
    return type(default)(value)
