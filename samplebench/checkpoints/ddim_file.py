"""The DDIM code base's checkpoints: a list of what its trainer had, averaged weights last.

[state dict, optimizer's state dict, epoch, step, averaged weights by name]; as released the names
of the first begin with "module.", those of the averages do not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.dress import bare, containers, undressed
from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.checkpoints.torch_pickle import NUMPY_NUMBERS, PARAMETERS, TENSORS
from samplebench.checkpoints.weights import KINDS, kind_of
from samplebench.errors import InputError
from samplebench.files.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

_CONTENT = ("model", "optimizer", "epoch", "step", "averages")


@dataclass(frozen=True)
class DdimFile:
    """A training state without its optimizer.

    Attributes:
        model: the averaged weights by name, as stored, on the CPU; all published values are of
            them.
        epoch, step: of the training; None where the file holds only weights.
    """

    model: dict[str, Tensor]
    epoch: int | None = None
    step: int | None = None


def read(path: Path, names: Collection[str] = ()) -> DdimFile:
    """Reads such a file; its tensors stay in it until they are used.

    Args:
        path: the file.
        names: the network's; with them a state dict alone is taken too, under whatever prefix and
            in whatever entry (`dress.undressed`).

    Raises:
        InputError: not such a file, one without averages, or one that contradicts itself.
    """
    state = read_torch_file(path, allowed={**TENSORS, **PARAMETERS, **NUMPY_NUMBERS})
    lists = [value for _, value in containers(state) if _is_training_state(value)]
    if names and not lists:
        return DdimFile(_detached(_tensors(path, "it", undressed(path, state, names))))
    if len(lists) == 1:
        (state,) = lists
    if not isinstance(state, list):
        raise InputError(
            f"{path}: its content is not a list; not a checkpoint of the DDIM code base"
        )
    if len(state) != len(_CONTENT):
        raise InputError(
            f"{path}: its list has {len(state)} entries, not {', '.join(_CONTENT)}; not a "
            "checkpoint of the DDIM code base with averaged weights"
        )
    trained, _, epoch, step, averages = state
    model = _tensors(path, "model", trained)
    found = _tensors(path, "averages", averages)
    shapes = {name: tensor.shape for name, tensor in bare(model).items()}
    found = bare(found)
    for name in {**shapes, **found}:
        if name not in shapes or name not in found or found[name].shape != shapes[name]:
            raise InputError(
                f"{path}: '{shown(name)}' is not alike in model and averages; the averages do not "
                "belong to the model"
            )
    return DdimFile(
        model=_detached(found),
        epoch=_number(path, "epoch", epoch),
        step=_number(path, "step", step),
    )


def _is_training_state(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 4 and isinstance(value[0], dict)


def _detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _tensors(path: Path, what: str, state: Any) -> dict[str, Tensor]:
    import torch

    if not isinstance(state, dict) or not state:
        raise InputError(f"{path}: {what} is not a state dict")
    for name, value in state.items():
        if not isinstance(name, str):
            raise InputError(f"{path}: '{shown(name)}' of {what} is not a name of a parameter")
        if not isinstance(value, torch.Tensor) or kind_of(value) not in KINDS:
            kinds = " or ".join(KINDS)
            raise InputError(f"{path}: '{shown(name)}' of {what} is not a tensor of {kinds}")
    return dict(state)


def _number(path: Path, what: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise InputError(f"{path}: {what} is {shown(value)}, not a count")
    return value
