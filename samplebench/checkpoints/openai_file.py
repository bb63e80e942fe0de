"""OpenAI's checkpoints: a state dict in a file of its own, raw weights or averaged ones.

Source: the releases of improved-diffusion, guided-diffusion and DDPM-IP, which share the container.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.dress import undressed
from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.checkpoints.torch_pickle import NUMPY_NUMBERS, PARAMETERS, TENSORS
from samplebench.checkpoints.weights import KINDS, kind_of
from samplebench.errors import InputError
from samplebench.files.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

_NAME = re.compile(r"[A-Za-z_]\w{0,63}(\.\w{1,64}){0,15}", re.ASCII)


def read(path: Path, names: Collection[str] = ()) -> dict[str, Tensor]:
    """Reads a file such as `64x64_diffusion.pt`.

    Args:
        path: the file.
        names: the network's; its state dict is looked for under prefixes and entries of training
            code too (`dress.undressed`). Without: the file must hold nothing but a state dict.

    Returns:
        The tensors by state-dict name, in the file's order, as they are stored, on the CPU.

    Raises:
        InputError: not such a file.
    """
    state = read_torch_file(path, allowed={**TENSORS, **PARAMETERS, **NUMPY_NUMBERS})
    if names:
        state = undressed(path, state, names)
    if not isinstance(state, dict) or not state:
        raise InputError(f"{path}: its content is not a state dict; not an OpenAI checkpoint")
    for name, value in state.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(
                f"{path}: '{shown(name)}' is not a name of a parameter; not an OpenAI checkpoint"
            )
        _check(path, name, value)
    return {name: tensor.detach() for name, tensor in state.items()}


def _check(path: Path, name: str, value: Any) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"{path}: '{name}' is not a tensor but {shown(value)}; OpenAI's checkpoints hold "
            "nothing but tensors by name"
        )
    if (kind := kind_of(value)) not in KINDS:
        raise InputError(f"{path}: '{name}' is {kind}, not one of {', '.join(KINDS)}")
