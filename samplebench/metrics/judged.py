"""What a metric says of moments: finite numbers by name, whatever kind of number they came as."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from samplebench.answers.blame import Failed, blame, line_of, said
from samplebench.answers.tensors import described
from samplebench.errors import UsageError
from samplebench.registry import MetricEntry


def judged(entry: MetricEntry) -> MetricEntry:
    """A metric whose function returns {"value": ..., terms} of finite Python floats alone.

    The function raises UsageError where the metric fails or returns something else than a number or
    numbers by name, and Failed where one of them is not finite.
    """
    import torch

    who = f"metric {entry.name}"
    numerical = (ArithmeticError, np.linalg.LinAlgError, torch.linalg.LinAlgError)  # type: ignore[attr-defined]

    def metric(moments: Any, reference: Any) -> dict[str, float]:
        with blame(who, entry.obj):
            try:
                found = entry.obj(moments, reference)
            except numerical as error:
                # Numbers that it could not work with are no fault of its code.
                raise Failed(f"{who} failed ({said(error)})") from error
        return _terms(who, found)

    return replace(entry, obj=metric)


def _terms(who: str, found: Any) -> dict[str, float]:
    table = dict(found) if isinstance(found, Mapping) else {"value": found}
    if "value" not in table:
        keys = ", ".join(line_of(str(key)) for key in table) or "nothing"
        raise UsageError(f"{who} returned {keys} without 'value'; return {{'value': ...}}")
    if other := next((key for key in table if not isinstance(key, str)), None):
        raise UsageError(f"{who} returned a term called {described(other)}; names are text")
    return {line_of(key): _number(who, key, value) for key, value in table.items()}


def _number(who: str, key: str, value: Any) -> float:
    """A real number as a float.

    Raises:
        UsageError: it is something else.
        Failed: it is not finite.
    """
    import torch

    plain = value
    if isinstance(value, torch.Tensor | np.ndarray | np.generic) and value.ndim == 0:
        plain = value.item()
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise UsageError(
            f"{who} returned {described(value)} as its {line_of(key)} where a number was expected"
        )
    try:
        number = float(plain)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Failed(f"{who}: its {line_of(key)} is {number}")
    return number
