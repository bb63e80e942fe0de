"""score-SDE's checkpoints: a training state whose averaged weights have no names.

`ema` holds a list of tensors in the order of the trained parameters, which is that of the state
dict without its buffer and without the frozen Fourier frequencies of VE models.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.dress import bare, containers, undressed
from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.checkpoints.torch_pickle import NUMPY_NUMBERS, TENSORS
from samplebench.errors import InputError
from samplebench.files.shown import shown

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "module."
BUFFER = "module.sigmas"
FROZEN = "module.all_modules.0.W"


@dataclass(frozen=True)
class ScoreSdeFile:
    """A training state without its optimizer.

    Attributes:
        model: the network's tensors by name without "module.", the averaged weights in place;
            what has no average (the buffer, frozen frequencies) as it is.
        step: training steps; this and the next are None where the file holds only weights.
        ema_decay: rate of the average.
        names_and_shapes: of the file's own state dict, in its order, with "module.".
    """

    model: dict[str, Tensor]
    step: int | None
    ema_decay: float | None
    names_and_shapes: list[tuple[str, tuple[int, ...]]]

    @property
    def num_channels(self) -> int:
        """Channels of the images: the inputs of the first convolution."""
        return next(shape[1] for _, shape in self.names_and_shapes if len(shape) == 4)


def read(path: Path, *, names: Callable[[], Collection[str]] | None = None) -> ScoreSdeFile:
    """Reads a `checkpoint_<k>.pth`; its tensors stay in the file until they are used.

    Args:
        path: the file.
        names: tells the network's, without "module."; with it a state dict alone is taken too, in
            whatever entry (`dress.undressed`).

    Raises:
        InputError: not such a file, or one that contradicts itself.
    """
    state = read_torch_file(path, allowed={**TENSORS, **NUMPY_NUMBERS})
    inside = containers(state) if isinstance(state, dict) else ()
    states = [found for _, found in inside if _is_training_state(found)]
    if len(states) == 1:
        (state,) = states
    elif names and not (isinstance(state, dict) and {"model", "ema"} <= state.keys()):
        return _alone(path, undressed(path, state, names(), [BUFFER.removeprefix(PREFIX)]))
    top = _keys(path, "its content", state, ("model", "ema", "step"))
    ema = _keys(path, "ema", top["ema"], ("decay", "num_updates", "shadow_params"))
    named = _tensors(path, top["model"])
    trained = [name for name in named if name not in (BUFFER, FROZEN)]
    average = ema["shadow_params"]
    if not isinstance(average, list) or len(average) != len(trained):
        count = len(average) if isinstance(average, list) else "no list of"
        raise InputError(
            f"{path}: ema has {count} averaged tensors, the model {len(trained)} trained ones; "
            "not a complete score-SDE checkpoint"
        )
    for name, tensor in zip(trained, average, strict=True):
        shape = tuple(tensor.shape) if _is_real(tensor) else None
        if shape != tuple(named[name].shape):
            raise InputError(
                f"{path}: the average of {shown(name)} has shape {shape}, not "
                f"{tuple(named[name].shape)}; ema does not belong to the model"
            )
    _number(path, "ema.num_updates", ema["num_updates"], int)
    weights = {**named, **dict(zip(trained, average, strict=True))}
    return ScoreSdeFile(
        model={name.removeprefix(PREFIX): tensor for name, tensor in weights.items()},
        step=_number(path, "step", top["step"], int),
        ema_decay=_number(path, "ema.decay", ema["decay"], float),
        names_and_shapes=[(name, tuple(tensor.shape)) for name, tensor in named.items()],
    )


def _is_training_state(value: Any) -> bool:
    return isinstance(value, dict) and {"model", "ema", "step"} <= value.keys()


def _alone(path: Path, tensors: dict[str, Any]) -> ScoreSdeFile:
    """Of a state dict that nothing is known about."""
    named = _tensors(path, tensors)
    shapes = [(name, tuple(tensor.shape)) for name, tensor in named.items()]
    model = {name.removeprefix(PREFIX): tensor for name, tensor in named.items()}
    return ScoreSdeFile(model, None, None, shapes)


def _keys(path: Path, what: str, found: Any, wanted: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise InputError(f"{path}: {what} is not a dictionary; not a score-SDE checkpoint")
    if missing := [key for key in wanted if key not in found]:
        keys = ", ".join(shown(key) for key in list(found)[:6]) or "nothing"
        raise InputError(
            f"{path}: {what} lacks '{missing[0]}' and has {keys}; not a score-SDE checkpoint"
        )
    return found


def _tensors(path: Path, model: Any) -> dict[str, Tensor]:
    """The state dict, checked, all names with "module."; an image-like kernel is in it."""
    if not isinstance(model, dict):
        raise InputError(f"{path}: model is not a state dict; not a score-SDE checkpoint")
    plain = bare(model) if all(isinstance(name, str) for name in model) else model
    if not any(str(name).startswith(PREFIX) for name in plain):
        model = {f"{PREFIX}{name}": tensor for name, tensor in plain.items()}
    for name, tensor in model.items():
        if not isinstance(name, str) or not name.startswith(PREFIX):
            raise InputError(
                f"{path}: tensor '{shown(name)}' of model does not begin with '{PREFIX}'; "
                "not a score-SDE checkpoint"
            )
        if not _is_real(tensor):
            raise InputError(f"{path}: '{shown(name)}' of model is not a tensor of real numbers")
    if not any(tensor.ndim == 4 for tensor in model.values()):
        raise InputError(f"{path}: model has no convolution; not a score-SDE checkpoint")
    return dict(model)


def _is_real(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _number(path: Path, what: str, value: Any, kind: type[float]) -> Any:
    if type(value) is not kind or not value >= 0:
        raise InputError(f"{path}: {what} is not a number; not a score-SDE checkpoint")
    return value
