"""Weights of a file into the network that was built from its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# What weights are stored as that a network computing in float32 can take.
KINDS = ("float32", "float16", "bfloat16", "float64")
_NAMED = 3


def assign(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Gives a network on the meta device its tensors, without copying them.

    Args:
        network: whose names and shapes must be the tensors' exactly.
        tensors: by state-dict name.
        path: where they come from, for the message.
        dtype: what they become; None leaves them as they are.

    Raises:
        InputError: a name is missing or unexpected, a shape differs, the numbers are integers or
            of float64 with more digits than the network computes with, or tensors share them.
    """
    import torch

    wanted = network.state_dict()
    if missing := [name for name in wanted if name not in tensors]:
        raise InputError(f"{path}: {_few(missing)} missing; not the file of such a network")
    if unexpected := [name for name in tensors if name not in wanted]:
        raise InputError(f"{path}: {_few(unexpected)} unexpected; not the file of such a network")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise InputError(
                f"{path}: {name} has shape {list(tensor.shape)}, the network that its arguments "
                f"describe {list(wanted[name].shape)}"
            )
        if not tensor.is_floating_point():
            raise InputError(
                f"{path}: {name} holds {kind_of(tensor)}; weights are floating-point numbers"
            )
        if tensor.dtype == torch.float64 and dtype != torch.float64 and not _single(tensor):
            raise InputError(
                f"{path}: {name} is float64, with digits that float32 does not have, in which this "
                "network computes; convert it yourself, e.g. {k: v.float() for k, v in ...}"
            )
    check_extent(tensors, path)
    network.load_state_dict(
        {name: t.to(dtype or t.dtype) for name, t in tensors.items()}, assign=True
    )


def kind_of(tensor: Tensor) -> str:
    """Of its numbers, e.g. "float32"."""
    return str(tensor.dtype).removeprefix("torch.")


def check_extent(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Views of the same numbers would take many times the file's size once they are copied.

    Raises:
        InputError: the tensors have more bytes than their storages.
    """
    used = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    storages = (tensor.untyped_storage() for tensor in tensors.values())
    held = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    if used > held:
        raise InputError(
            f"{path}: its tensors have {used} bytes, of which the file holds {held}: they share "
            "storage, which a trained network's do not"
        )


def _single(tensor: Tensor) -> bool:
    """Whether float32 has all digits of float64 numbers, as where float32 weights were widened."""
    back = tensor.float().double()
    return bool((back.eq(tensor) | (back.isnan() & tensor.isnan())).all())


def _few(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
