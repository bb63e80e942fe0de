"""A discrete process from a table of its own: alpha_bar or betas, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from samplebench.answers.scalars import values
from samplebench.errors import UsageError
from samplebench.processes.discrete import DiscreteProcess

_LEAST = 2  # one step has no variance
_LOST = 1e-6  # relative; a step is a beta, which knows what it leaves to 1e-16 only
_ORDER = "least noisy first: reverse it"


def of_alpha_bar(given: Any) -> DiscreteProcess:
    """The process whose step j keeps alpha_bar[j] of an image's variance.

    Args:
        given: numbers strictly between 0 and 1, decreasing: a list, an array or a tensor [S].

    Raises:
        UsageError: they are something else; of a table in the other order, that it is.
    """
    table = _numbers("alpha_bar", given)
    steps = np.diff(table)
    if (steps > 0).all():
        raise UsageError(f"alpha_bar rises from {table[0]:.4g} to {table[-1]:.4g}; {_ORDER}")
    if (steps >= 0).any():
        j = int(np.argmax(steps >= 0))
        raise UsageError(
            f"alpha_bar does not fall from entry {j} ({table[j]:.8g}) to {j + 1} "
            f"({table[j + 1]:.8g}); every step must add noise"
        )
    before = np.append(1.0, table[:-1])
    process = _process((before - table) / before)
    if (lost := ~np.isclose(process.alpha_bar, table, rtol=_LOST, atol=0)).any():
        j = int(np.argmax(lost))
        raise UsageError(
            f"alpha_bar falls from {before[j]:.4g} to {table[j]:.4g} at entry {j}: such a step "
            "leaves pure noise; drop it and all later ones"
        )
    return process


def of_betas(given: Any) -> DiscreteProcess:
    """The process whose step j adds noise of the variance betas[j].

    Args:
        given: numbers strictly between 0 and 1: a list, an array or a tensor [S].

    Raises:
        UsageError: as above.
    """
    table = _numbers("betas", given)
    if (np.diff(table) < 0).all():
        raise UsageError(
            f"betas fall from {table[0]:.4g} to {table[-1]:.4g}; {_ORDER}, or pass alpha_bar if "
            "this is intended"
        )
    process = _process(table)
    if not process.alpha_bar[-1] > 0:
        raise UsageError("betas reduce an image to pure noise: alpha_bar ends at 0")
    return process


def rescaled(process: DiscreteProcess, half: float) -> DiscreteProcess:
    """The same noise on images of another unit: every level of a process divided by `half`."""
    if half == 1:
        return process
    squares = np.square(process.sigmas / half)
    # 1 - alpha_bar_j / alpha_bar_(j-1) without the difference of two numbers near 1.
    return replace(process, betas=np.diff(squares, prepend=0.0) / (1 + squares))


def _process(betas: np.ndarray) -> DiscreteProcess:
    return DiscreteProcess(betas, np.arange(len(betas), dtype=np.int64), len(betas))


def _numbers(name: str, given: Any) -> np.ndarray:
    found: Sequence[Any] = values(given)
    if not all(type(value) in (int, float) for value in found):
        raise UsageError(f"{name} must be one list of numbers, one for each step")
    if len(found) < _LEAST:
        raise UsageError(f"{name} has {len(found)} entries; a process has at least {_LEAST}")
    table = np.array(found, dtype=np.float64)
    wrong = ~((table > 0) & (table < 1))  # also what is not finite
    if wrong.any():
        j = int(np.argmax(wrong))
        alone = wrong.sum() == 1
        end = "; drop it" if alone and j in (0, len(table) - 1) else ""
        if alone and not j:
            end += ", and time=lambda j: j + 1 counts as before"
        raise UsageError(
            f"entry {j} of {name} is {table[j]:.8g}; all must lie strictly between 0 and 1{end}"
        )
    return table
