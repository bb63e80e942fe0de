"""The trace of dD/dx, exact or by Hutchinson's estimate (Grathwohl et al. 2019; Song et al. 2021).

Both go backwards through the network, once or once for each dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import Blame
from samplebench.devices import HALVES
from samplebench.errors import UsageError, unknown
from samplebench.models.bound import Bound

if TYPE_CHECKING:
    from torch import Tensor

EXACT, HUTCHINSON = "exact", "hutchinson"
DIVERGENCES = (EXACT, HUTCHINSON)
# Dimensions of the largest images whose exact trace is taken.
MOST = 256
# Where gradients are looked at; how far to both sides, near for bent networks and further for those
# that round; and how far off they may be, of the dimension: 15 times that in bits.
_LEVELS = (0.1, 1.0)
_STEPS, _TOLERANCE = (0.002, 0.02), 0.01
_STEPS_IN_HALVES, _TOLERANCE_IN_HALVES = (0.05,), 0.05

# (x [n, C, H, W], sigma [n] on the host, which of the N samples or None) -> (D, trace [n]).
Traced = Callable[..., Any]


def check_divergence(name: str, dim: int) -> None:
    """Raises `UsageError` if there is no divergence of that name, or not of so many dimensions."""
    if name not in DIVERGENCES:
        raise unknown("divergence", name, DIVERGENCES)
    if name == EXACT and dim > MOST:
        raise UsageError(
            f"divergence exact takes a backward pass for each dimension, and an image has {dim:,}; "
            f"up to {MOST} are taken: use hutchinson"
        )


def traced(model: Bound, e: Tensor | None) -> Traced:
    """D and the trace of dD/dx at once.

    Args:
        model: with its labels, on which every call counts one evaluation a sample.
        e: Hutchinson's noise [N, C, H, W], kept over all calls: the trace is e^T J e; None for the
            exact one.
    """
    import torch

    def answer(x: Tensor, sigma: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = model(x, sigma, rows)
            if e is None:
                trace = _exact(model, denoised, x)
            else:
                noise = e if rows is None else e[rows.to(e.device)]
                trace = _dot(_pulled(model, denoised, x, noise), noise)
        # What was seen so far holds on to the graphs.
        model.watch.look()
        return denoised.detach(), trace

    return answer


def check_gradients(model: Bound, x: Tensor, e: Tensor) -> None:
    """Compares e^T J e with differences of two answers, at two images: six to ten evaluations.

    A network that leaves out a part of its own gradient has another divergence than its answers.

    Args:
        model: that is looked at; its counts grow.
        x: images [N, C, H, W].
        e: noise of the same shape.

    Raises:
        UsageError: they disagree, or the network gives no gradient at all.
    """
    import torch

    halves = str(getattr(model.model, "dtype", None)).removeprefix("torch.") in HALVES
    steps = _STEPS_IN_HALVES if halves else _STEPS
    most = _TOLERANCE_IN_HALVES if halves else _TOLERANCE
    n, dim = min(2, len(x)), x[0].numel()
    x, e, rows = x[:n], e[:n].to(x), torch.arange(n)
    for sigma in _LEVELS:
        sigma = min(max(sigma, model.sigma_min), model.sigma_max)
        level = torch.full((n,), sigma, dtype=torch.float64)
        _, found = traced(model, e)(x, level, rows)
        for h in (step * sigma for step in steps):
            with torch.no_grad():
                ends = [model(x + side * h * e, level, rows) for side in (1, -1)]
            slope = _dot(ends[0] - ends[1], e) / (2 * h)
            worst = int((slope - found).abs().argmax())
            if float((slope - found)[worst].abs()) <= most * dim:
                break
        else:
            raise UsageError(
                f"the gradient of {model.name} is not that of its outputs: e^T J e is "
                f"{float(found[worst]):.4g} by a backward pass and {float(slope[worst]):.4g} by a "
                f"difference at sigma={sigma:g}; it detaches a part of its computation, or is "
                "random. Use --method bound, or a network without that"
            )


def _exact(model: Bound, denoised: Tensor, x: Tensor) -> Tensor:
    import torch

    dim = x[0].numel()
    trace = x.new_zeros(len(x))
    for i in range(dim):
        unit = torch.zeros_like(x).flatten(1)
        unit[:, i] = 1
        pulled = _pulled(model, denoised, x, unit.reshape(x.shape), again=i < dim - 1)
        trace = trace + pulled.flatten(1)[:, i]
    return trace


def _pulled(
    model: Bound, denoised: Tensor, x: Tensor, by: Tensor, *, again: bool = False
) -> Tensor:
    """by^T dD/dx, of x's shape.

    Raises:
        UsageError: the network recorded nothing, or its backward pass fails.
    """
    import torch

    if not denoised.requires_grad:
        raise UsageError(
            f"{model.name} gives no gradient with respect to its image, which the divergence "
            "needs: it runs under no_grad, or detaches. Use --method bound, or a network without "
            "that"
        )
    with Blame(model.name) if model.foreign else nullcontext():
        (found,) = torch.autograd.grad(
            denoised, x, by, retain_graph=again, allow_unused=True, materialize_grads=True
        )
    return found


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).flatten(1).sum(1)
