"""Weights of a file into the network that was built from its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

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
        InputError: a name is missing or unexpected, a shape differs, the numbers are integers, or
            tensors share them.
    """
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
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"{path}: {name} holds {kind}; weights are floating-point numbers")
    check_extent(tensors, path)
    network.load_state_dict(
        {name: t.to(dtype or t.dtype) for name, t in tensors.items()}, assign=True
    )


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
            "numbers, which those of a trained network do not"
        )


def _few(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
