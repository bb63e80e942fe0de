"""The noise level a model knows next to one asked for, in float64 whatever it computes in."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

# How far levels may differ, relatively, that are one but for single precision.
SINGLE = 1e-6
# A table that has a level, rounded, does not have all of these multiples of it too, rounded alike,
# even where half precision leaves few levels between its entries.
_BESIDE = tuple(0.9 + 0.0171 * k for k in range(1, 13))


def rounded(own: Callable[[Any], Any], sigma: float | Tensor) -> Any:
    """What a model's `round_sigma` says of noise levels, without the rounding of its arithmetic.

    A network that answers in half or single precision with the level itself means the identity:
    the level stays as it is. One that answers with an entry of a table means that entry.

    Args:
        own: takes a number or a tensor, returns a number, a numpy scalar, or a tensor of one entry
            of any shape and precision, on any device.
        sigma: a number; or a tensor of levels, for samplers that work on tensors.

    Returns:
        A Python float; of a tensor one of its shape, dtype and device.

    Raises:
        UsageError: the answer is not one number.
    """
    import torch

    if isinstance(sigma, torch.Tensor):
        levels = [rounded(own, level) for level in sigma.flatten().tolist()]
        return torch.tensor(levels, dtype=torch.float64).reshape(sigma.shape).to(sigma)
    sigma = float(sigma)
    level = _ask(own, sigma)
    if level == sigma or not _narrowed(level, sigma):
        return level
    beside = (sigma * factor for factor in _BESIDE)
    return sigma if all(_narrowed(_ask(own, other), other) for other in beside) else level


def _ask(own: Callable[[Any], Any], sigma: float) -> float:
    """The answer to one level, asked for in float64 where the model takes that."""
    import torch

    wide = torch.tensor(sigma, dtype=torch.float64)
    try:
        answer = own(sigma)
    except (AttributeError, TypeError):
        # Written for tensors alone.
        return _number(own(wide), sigma)
    level = _number(answer, sigma)
    if isinstance(answer, torch.Tensor) and answer.dtype != torch.float64:
        # `torch.as_tensor` of a float is float32, of a float64 tensor it is not.
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch.tensor of a tensor warns
                again = _number(own(wide), sigma)
        except Exception:  # a model for floats may do anything with a tensor
            return level
        return again if _narrowed(level, again) else level
    return level


def _number(answer: Any, sigma: float) -> float:
    try:
        return float(answer.item() if hasattr(answer, "item") else answer)
    except (TypeError, ValueError, RuntimeError):
        kind = type(answer).__name__
        shape = f" of shape {list(answer.shape)}" if hasattr(answer, "shape") else ""
        raise UsageError(
            f"the model's round_sigma({sigma:g}) returned a {kind}{shape}; it must be one "
            "number, the model's nearest noise level"
        ) from None


def _narrowed(level: float, sigma: float) -> bool:
    """Whether a level is what some precision makes of sigma."""
    import torch

    exact = torch.tensor(sigma, dtype=torch.float64)
    kinds = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
    return any(float(exact.to(kind)) == level for kind in kinds)


def clamped(model: Any, low: float, high: float) -> tuple[float, float]:
    """A range of noise levels within the model's.

    Where the model holds an end of its range in less than float64, a level that is this end but
    for the rounding stays as it is.
    """
    ends = []
    for name, default, pick, level in (
        ("sigma_min", 0.0, max, low),
        ("sigma_max", math.inf, min, high),
    ):
        own = getattr(model, name, default)
        end = _number(own, level)
        same = not isinstance(own, int | float) and _narrowed(end, level)
        ends.append(level if same else pick(level, end))
    return ends[0], ends[1]


def model_range(model: Any) -> tuple[float, float]:
    """(sigma_min, sigma_max) of a model; a plain callable may leave them out."""
    return float(getattr(model, "sigma_min", 0)), float(getattr(model, "sigma_max", float("inf")))
