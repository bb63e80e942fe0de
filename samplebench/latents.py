"""Latents that a user hands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samplebench.answers.tensors import described
from samplebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def check_latents(given: Any, model: Any, size: Sequence[int] | None) -> Tensor:
    """Latents as a tensor; a NumPy array is one too.

    Args:
        given: floating-point numbers [N, *size].
        model: on whose device they must be, where it says that.
        size: of one image's latents, None where the model does not say it.

    Raises:
        UsageError: something else.
    """
    import numpy as np
    import torch

    wanted = "[N, C, H, W]" if size is None else f"[N, {', '.join(map(str, size))}]"
    latents = torch.from_numpy(np.ascontiguousarray(given)) if _numbers(given) else given
    dense = isinstance(latents, torch.Tensor) and latents.layout == torch.strided
    if not (dense and latents.is_floating_point()):
        raise UsageError(
            f"latents are {described(given)}; unit normal floating-point numbers {wanted} are "
            "needed"
        )
    fits = latents.ndim >= 2 if size is None else tuple(latents.shape[1:]) == tuple(size)
    if not (fits and latents.ndim and len(latents)):
        raise UsageError(f"latents have shape {list(latents.shape)}; {wanted} is needed")
    home = getattr(model, "device", None)
    if home is not None and torch.device(home).type != latents.device.type:
        raise UsageError(f"latents are on {latents.device}, the model is on {home}; move them")
    return latents


def _numbers(given: Any) -> bool:
    """Whether it is an array of floats that torch has, too."""
    import numpy as np

    return isinstance(given, np.ndarray) and given.dtype in (np.float16, np.float32, np.float64)
