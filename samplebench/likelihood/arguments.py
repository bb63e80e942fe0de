"""What the functions of this room take: images, noise, labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from samplebench.ambient import own_settings
from samplebench.answers.tensors import described
from samplebench.errors import UsageError
from samplebench.models.model import is_foreign, threads_of
from samplebench.noise.labels import labels_for
from samplebench.noise.latents import check_latents

if TYPE_CHECKING:
    from torch import Tensor

# Bytes that were mapped to [-1, 1] in float16 are this near to what they were.
_ON_BYTE = 0.1


@contextmanager
def around(model: Any) -> Iterator[None]:
    """torch's settings around a model: autocast and the like around one of others are its own."""
    with ExitStack() as stack:
        if not is_foreign(model):
            stack.enter_context(own_settings())
        stack.enter_context(threads_of(model))
        yield


def images_for(model: Any, x0: Any) -> Tensor:
    """Images [N, C, H, W] in [-1, 1] of the model's shape, on its device.

    Raises:
        UsageError: they are something else.
    """
    import numpy as np
    import torch

    if isinstance(x0, np.ndarray | torch.Tensor) and x0.dtype in (np.uint8, torch.uint8):
        raise UsageError("x0 are bytes; pass x0 / 127.5 - 1, images in [-1, 1]")
    try:
        return check_latents(x0, model, getattr(model, "shape", None))
    except UsageError as error:
        text = str(error).replace("unit normal floating-point", "floating-point")
        raise UsageError(text.replace("latents", "x0")) from None


def check_bytes(x0: Tensor) -> None:
    """Raises `UsageError` unless images in [-1, 1] are bytes b as b / 127.5 - 1."""
    byte = (x0 + 1) * 127.5
    off = (byte - byte.round()).abs().amax()
    if not (off < _ON_BYTE and byte.amin() > -_ON_BYTE and byte.amax() < 255 + _ON_BYTE):
        raise UsageError(
            "x0 are not bytes b / 127.5 - 1 with b from 0 to 255; the bound is that of bytes, "
            "without noise on them"
        )


def labels_of(model: Any, labels: Any, x0: Tensor) -> Tensor | None:
    """Labels int64 [N] of a class-conditional model, checked.

    Raises:
        UsageError: they are missing where the model needs them, or none of its classes.
    """
    classes = int(getattr(model, "num_classes", 0))
    if labels is None and classes and not getattr(model, "labels_optional", False):
        raise UsageError("this model is class-conditional: pass labels, the class of each image")
    return labels_for(labels, None, len(x0), classes, x0.device, False)


def source_of_draws(
    noise: Any, draws: int, x0: Tensor, usual: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """Noise as a function like torch.randn_like.

    Args:
        noise: None; such a function; or the draws themselves, one [N, C, H, W] or several
            [draws, N, C, H, W], in the order in which they are needed.
        draws: how many are needed.
        usual: what None means.

    Raises:
        UsageError: it is something else.
    """
    import numpy as np
    import torch

    if noise is None:
        return usual
    if callable(noise):
        return noise
    wanted = [draws, *x0.shape]
    given = torch.from_numpy(np.array(noise)) if isinstance(noise, np.ndarray) else noise
    fits = isinstance(given, torch.Tensor) and given.numel() == draws * x0.numel()
    if not fits or list(given.shape) not in (wanted, wanted[draws == 1 :]):
        raise UsageError(
            f"noise is {described(noise)}; pass a function like torch.randn_like, or draws "
            f"{wanted[draws == 1 :]}"
        )
    left = iter(given.reshape(wanted))
    return lambda x: next(left).to(x)
