"""What a metric says of moments: finite numbers by name, whatever kind of number they came as."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from samplebench.answers.blame import Failed, blame, line_of, said
from samplebench.answers.tensors import described
from samplebench.errors import UsageError
from samplebench.metrics.blocks import ranges
from samplebench.metrics.pairs import Unfit
from samplebench.registry import MetricEntry

# What stands beside a metric's own terms.
_TAKEN = ("stderr", "deleted", "better")


def judged(entry: MetricEntry) -> MetricEntry:
    """A metric whose function returns {"value": ..., terms} of finite Python floats alone.

    The function raises UsageError where the metric fails or returns something else than a number or
    numbers by name, and Failed where one of them is not finite.
    """
    who = f"metric {entry.name}"

    def metric(moments: Any, reference: Any) -> dict[str, float]:
        with _asked(who, entry.obj):
            found = entry.obj(moments, reference)
        return _terms(who, found)

    return replace(entry, obj=metric)


def judged_blocked(
    entry: MetricEntry,
) -> Callable[[Any, Any], tuple[dict[str, float], list[float]]]:
    """The same of what a metric declares as `blocked`, with its delete-one values.

    Of these there are none where one is not finite.
    """
    who, blocked = f"metric {entry.name}", entry.blocked
    assert blocked is not None

    def metric(statistic: Any, reference: Any) -> tuple[dict[str, float], list[float]]:
        with _asked(who, blocked):
            found = blocked(statistic, reference)
        pair = isinstance(found, tuple) and len(found) == 2
        if not (pair and isinstance(found[1], list)):
            what = f"{described(found[1])} in the second place" if pair else described(found)
            raise UsageError(
                f"{who}: what it declares as blocked returned {what}; return "
                "({'value': ...}, [the values without one block each])"
            )
        terms, blocks = _terms(who, found[0]), len(ranges(statistic.count))
        if len(found[1]) not in (0, blocks):
            raise UsageError(
                f"{who}: what it declares as blocked returned {len(found[1])} values without one "
                f"block for {blocks} blocks; return one for each, or none"
            )
        try:
            return terms, [_number(who, "delete-one value", one) for one in found[1]]
        except Failed:
            return terms, []

    return metric


@contextmanager
def _asked(who: str, function: Any) -> Iterator[None]:
    """Tells numbers that a metric could not work with from faults of its code."""
    import torch

    numerical = (ArithmeticError, np.linalg.LinAlgError, torch.linalg.LinAlgError)  # type: ignore[attr-defined]
    with blame(who, function):
        try:
            yield
        except Unfit as error:
            raise Failed(f"{who}: {error}") from error
        except numerical as error:
            raise Failed(f"{who} failed ({said(error)})") from error


def _terms(who: str, found: Any) -> dict[str, float]:
    table = dict(found) if isinstance(found, Mapping) else {"value": found}
    if "value" not in table:
        keys = ", ".join(line_of(str(key)) for key in table) or "nothing"
        raise UsageError(f"{who} returned {keys} without 'value'; return {{'value': ...}}")
    if other := next((key for key in table if not isinstance(key, str)), None):
        raise UsageError(f"{who} returned a term called {described(other)}; names are text")
    named = {line_of(key): value for key, value in table.items()}
    if taken := next((key for key in named if key in _TAKEN), None):
        raise UsageError(f"{who} returned a term called {taken}, which every score has; rename it")
    return {key: _number(who, key, value) for key, value in named.items()}


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
