"""Latents of a batch: drawn from seeds, or handed in by a user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.answers.tensors import described
from samplebench.errors import UsageError
from samplebench.noise.streams import NoiseStream, check_seeds, stream

if TYPE_CHECKING:
    from torch import Tensor


def start(
    model: Any,
    seeds: Sequence[int] | None,
    latents: Any,
    num_classes: int,
    *,
    size: Callable[[tuple[int, ...]], tuple[int, ...]] = tuple,
    mode: str = "portable",
    who: str = "this model",
) -> tuple[Tensor, Tensor | None, NoiseStream]:
    """Latents [N, ...], labels as the seeds draw them, and the noise that follows.

    Args:
        seeds: one integer per sample; or
        latents: handed in; labels and noise are then those of the seeds 0 .. N-1.
        num_classes: 0: no labels are drawn.
        size: what one image's latents have of the model's (C, H, W).
        mode: kind of noise.
        who: whose state it is, for messages.

    Raises:
        UsageError: not exactly one of both, or not of their kind.
    """
    import torch

    if (seeds is None) == (latents is None):
        raise UsageError("give exactly one of seeds and latents")
    shape = getattr(model, "shape", None)
    wanted = None if shape is None else size(tuple(shape))
    if latents is not None:
        latents = check_latents(latents, model, wanted, who)
        streams = stream(mode, range(len(latents)), latents.device, latents.dtype)
        return latents, streams.start(latents.shape[1:], num_classes)[1], streams
    if wanted is None:
        raise UsageError("the model has no attribute shape; pass latents instead of seeds")
    device = getattr(model, "device", torch.device("cpu"))
    dtype = getattr(model, "state_dtype", torch.float64)
    streams = stream(mode, check_seeds(seeds), device, dtype)  # type: ignore[arg-type]
    return *streams.start(wanted, num_classes), streams


def check_latents(
    given: Any, model: Any, size: Sequence[int] | None, who: str = "this model"
) -> Tensor:
    """Latents as a tensor; a NumPy array is one too.

    Args:
        given: floating-point numbers [N, *size].
        model: on whose device they must be, where it says that.
        size: of one image's latents, None where the model does not say it.
        who: whose state it is, for messages.

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
        raise UsageError(f"latents have shape {list(latents.shape)}; {who} needs {wanted}")
    home = getattr(model, "device", None)
    if home is not None and torch.device(home).type != latents.device.type:
        raise UsageError(f"latents are on {latents.device}, the model is on {home}; move them")
    return latents


def _numbers(given: Any) -> bool:
    """Whether it is an array of floats that torch has, too."""
    import numpy as np

    return isinstance(given, np.ndarray) and given.dtype in (np.float16, np.float32, np.float64)
