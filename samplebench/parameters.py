"""What a function's signature says of its parameters: names, defaults, and which of them fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def accepted(function: Callable[..., Any]) -> dict[str, Any]:
    """Parameters with a default, in order, as name -> default; the positional inputs are left out.

    `noise` and `callback` are what the engine passes, not parameters.
    """
    return {
        name: p.default
        for name, p in inspect.signature(function).parameters.items()
        if p.default is not inspect.Parameter.empty and name not in ("noise", "callback")
    }


def split(given: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[dict, dict]:
    """The given parameters that are known, and the rest."""
    mine = {name: value for name, value in given.items() if name in known}
    return mine, {name: value for name, value in given.items() if name not in known}


def label(params: Mapping[str, Any]) -> str:
    """Parameters as one stable string, e.g. "S_churn=10 S_noise=1.003"."""
    return " ".join(f"{name}={_word(value)}" for name, value in sorted(params.items()))


def _word(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
