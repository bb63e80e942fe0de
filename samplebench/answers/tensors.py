"""Tensors that others return, judged or refused; numbers to multiply a batch with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def checked(
    who: str, answer: Any, like: Tensor, shape: Sequence[int] | None = None, *, copy: bool = False
) -> Tensor:
    """An answer in the dtype of the state; it is never broadcast.

    It carries a gradient where one is being recorded for `like`, and else none.

    Args:
        who: returned it, for the message.
        answer: what was returned.
        like: a tensor of the dtype, the device and, without `shape`, the shape wanted.
        shape: the shape wanted.
        copy: even where the dtype is right: whoever returned it may write on it again.

    Raises:
        UsageError: no dense tensor of real floating-point numbers, of another shape, or elsewhere.
    """
    import torch

    wanted = list(like.shape if shape is None else shape)
    fits = (
        isinstance(answer, torch.Tensor)
        and answer.layout == torch.strided
        and answer.dtype.is_floating_point
        and answer.device == like.device
        and list(answer.shape) == wanted
    )
    if not fits:
        raise UsageError(
            f"{who} returned {described(answer, like.device)} where a tensor {wanted} of "
            f"{_name(like.dtype)} was expected{_hint(answer)}"
        )
    recorded = like.requires_grad and torch.is_grad_enabled()
    return (answer if recorded else answer.detach()).to(like.dtype, copy=copy)


def described(answer: Any, device: torch.device | None = None) -> str:
    """What a thing is, in a few words, e.g. "[64, 1, 8, 8] float32" or "a tuple of 2".

    Args:
        device: where a tensor should be; elsewhere is said.
    """
    import numpy as np
    import torch

    if answer is None:
        return "None"
    kind = type(answer).__name__
    if isinstance(answer, torch.Tensor):
        if answer.layout != torch.strided:
            return f"a tensor of layout {str(answer.layout).removeprefix('torch.')}"
        place = "" if device is None or answer.device == device else f" on {answer.device}"
        return f"{list(answer.shape)} {_name(answer.dtype)}{place}"
    if isinstance(answer, np.ndarray):
        name = "array" if type(answer) is np.ndarray else kind
        return f"a numpy {name} {list(answer.shape)} {answer.dtype}"
    if isinstance(answer, bool | int | float | complex | str | bytes):
        return f"{kind} {line_of(repr(answer))[:40]}"
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    size = f" of {len(answer)}" if isinstance(answer, Mapping | tuple | list) else ""
    return f"{article} {line_of(kind)}{size}"


def column(values: Any, x: Tensor) -> Tensor:
    """Numbers, one or one for each sample, in x's dtype and [N, 1, ...], to multiply x with."""
    import torch

    if not isinstance(values, torch.Tensor):
        values = torch.as_tensor(values, dtype=torch.float64)
    return values.to(x).reshape(-1, *(1,) * (x.ndim - 1))


def _hint(answer: Any) -> str:
    """What of a container is likely meant."""
    import torch

    if isinstance(getattr(answer, "sample", None), torch.Tensor):
        return "; return its .sample"
    if isinstance(answer, tuple | list) and answer and isinstance(answer[0], torch.Tensor):
        return "; return its first entry"
    return ""


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
