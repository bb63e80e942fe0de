"""What a network receives as its time: words for it, and functions of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from samplebench.answers.blame import Blame
from samplebench.answers.tensors import described
from samplebench.errors import UsageError

Time = str | Callable[[Tensor], Any]

# Of a table, and of a continuous process.
TABLE = ("index", "fraction", "sigma", "log-snr")
CONTINUOUS = ("t", "sigma", "log-snr")


def on_table(time: Time, levels: Tensor) -> Tensor:
    """What the network receives at every entry of a table, on the host: int64 or float64 [S].

    Args:
        time: one of `TABLE`, or a function of the indices, int64 [n].
        levels: of the entries, b / a in the network's units, float64 [S].

    Raises:
        UsageError: the function failed, or its answer is no time for every entry.
    """
    index = torch.arange(len(levels))
    if callable(time):
        return _asked(time, index)
    if time == "fraction":
        return index.to(torch.float64) / (len(levels) - 1)
    return _of(time, index, levels)


def continuous(time: Time, t: Tensor, levels: Tensor) -> Tensor:
    """What the network receives at times t, on the host [n].

    Args:
        time: one of `CONTINUOUS`, or a function of t.
        t: of the process, float64 [n].
        levels: b / a there, in the network's units, float64 [n].

    Raises:
        UsageError: as above.
    """
    return _asked(time, t) if callable(time) else _of(time, t, levels)


def _of(word: str, own: Tensor, levels: Tensor) -> Tensor:
    return {"sigma": levels, "log-snr": -2 * levels.log()}.get(word, own)


def _asked(time: Callable[[Tensor], Any], given: Tensor) -> Tensor:
    """A function's answer, judged; a quotient of two indices has all digits."""
    with Blame("the function of time"), _double():
        answer = time(given.clone())
        if not isinstance(answer, Tensor):
            answer = torch.as_tensor(answer)
    real = not (answer.is_complex() or answer.dtype == torch.bool)
    if answer.shape != given.shape or not real or not bool(answer.isfinite().all()):
        kind = "indices" if given.dtype == torch.int64 else "times"
        raise UsageError(
            f"the function of time returned {described(answer)} for {len(given)} {kind}; it must "
            "return as many finite numbers: e.g. time=lambda j: (j + 1) / 1000"
        )
    return answer.detach().cpu().to(torch.float64 if answer.is_floating_point() else torch.int64)


@contextmanager
def _double() -> Iterator[None]:
    """Within the block torch makes what has no dtype in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
