"""What a model's config holds, in Python's own numbers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from samplebench.errors import InputError

_DEEPEST = 50


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with the numbers, arrays and tensors of NumPy and torch as Python's.

    Args:
        config: plain data, scalars, arrays; at any depth.

    Returns:
        A copy: dictionaries, lists and tuples, and in them what `item()` and `tolist()` give.

    Raises:
        InputError: it is nested without end.
    """
    return {_plain(key, 0): _plain(value, 0) for key, value in config.items()}


def _plain(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InputError("the config is nested too deeply")
    if isinstance(value, Mapping):
        return {_plain(k, depth + 1): _plain(v, depth + 1) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item, depth + 1) for item in value)
    return value.tolist() if isinstance(value, _array_types()) else value


def _array_types() -> Any:
    """Of the libraries that are loaded: an object of another does not exist."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    kinds = [] if numpy is None else [numpy.ndarray, numpy.generic]
    return tuple(kinds if torch is None else [*kinds, torch.Tensor])
