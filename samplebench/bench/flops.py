"""What one network evaluation costs: floating-point operations, counted, never computed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from samplebench.bench.probe import probe

if TYPE_CHECKING:
    from samplebench.models.model import Model


def gflop_per_evaluation(model: Model, batch: int) -> float | None:
    """GFLOP (2 x multiply-adds) of one evaluation of one image, of `batch` evaluated at once.

    Matrix products, convolutions and attention are counted, the rest of a network is small beside
    them. What a model computes only to fill a batch up counts too: it is work of that evaluation.
    No random number is drawn.

    Returns:
        None where the model has none of these operations: not counted is not zero.
    """
    return gflop_of(probe(model, batch), batch)


def gflop_of(ask: Callable[[], Any], batch: int) -> float | None:
    """The same of any call that evaluates `batch` images; what it computes backwards counts."""
    import sys

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # Its own goes wrong where a network asks for gradients as it answers.
    counter.mod_tracker = _Whole()  # type: ignore[assignment]
    # What is compiled would hide its operations; it runs as it was written.
    eager = torch.compiler.set_stance if "torch._dynamo" in sys.modules else None
    with torch.no_grad(), counter, eager("force_eager") if eager else nullcontext():
        ask()
    return counter.get_total_flops() / batch / 1e9 or None


class _Whole:
    """To a counter of operations: all of them belong to the whole."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass
