"""Writes network pickles as EDM's training loop does: the objects, pickled by Python and torch."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

HOOKS = {
    "torch-1.12": (
        "_backward_hooks",
        "_is_full_backward_hook",
        "_forward_hooks",
        "_forward_pre_hooks",
        "_state_dict_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
    ),
    "torch-2": (
        "_backward_pre_hooks",
        "_backward_hooks",
        "_is_full_backward_hook",
        "_forward_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
    ),
}
CONTAINERS = {"torch-1.12": OrderedDict, "torch-2": dict}


class Name:
    """A function that is known by its name only."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:
        raise NotImplementedError


RECONSTRUCT = Name("torch_utils.persistence", "_reconstruct_persistent_obj")
SCALARS = {
    1: Name("numpy.core.multiarray", "scalar"),
    2: Name("numpy._core.multiarray", "scalar"),
}


class Persistent:
    """An object whose class travels with it as source text."""

    def __init__(self, class_name: str, state: dict[str, Any], source: str) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self):
        return RECONSTRUCT, (self.meta,)


class Pickler(pickle._Pickler):  # the one in Python, which lets names be written as they are
    """Python's pickler, with `Name`s and the numpy version of choice."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def __init__(self, file, protocol: int, numpy: int) -> None:
        super().__init__(file, protocol)
        self.numpy = numpy

    def reducer_override(self, obj):
        if isinstance(obj, np.generic):
            return SCALARS[self.numpy], (obj.dtype, obj.tobytes())
        return NotImplemented

    def save_name(self, obj: Name) -> None:
        if self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    dispatch[Name] = save_name


class Writer:
    """Builds the objects in the layout of a version of torch.

    Attributes:
        buffers: names of tensors that are no parameters.
    """

    buffers = ("resample_filter", "freqs", "u")

    def __init__(self, flavour: str, source: str) -> None:
        self.flavour, self.new, self.source = flavour, CONTAINERS[flavour], source

    def state(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """A module's `__dict__`; tree holds its tensors and, as mappings, its children."""
        tensors = {key: value for key, value in tree.items() if isinstance(value, torch.Tensor)}
        parameters, buffers = self.new(), self.new()
        for key, value in tensors.items():
            if key in self.buffers:
                buffers[key] = value
            else:
                parameters[key] = torch.nn.Parameter(value, requires_grad=False)
        if set(tree) == {"weight", "bias"} and tree["weight"].ndim == 4:
            buffers["resample_filter"] = None  # as of every convolution that does not resample
        modules = self.new()
        for key, value in tree.items():
            if key not in tensors:
                modules[key] = self.module(key, value)
        hooks = {
            name: None if name.startswith("_is") else OrderedDict() for name in HOOKS[self.flavour]
        }
        return {
            "training": False,
            "_parameters": parameters,
            "_buffers": buffers,
            "_non_persistent_buffers_set": set(),
            **hooks,
            "_modules": modules,
        }

    def module(self, key: str, tree: Mapping[str, Any]) -> Any:
        state = self.state(tree)
        if key in ("enc", "dec"):
            container = torch.nn.ModuleDict()
            container.__dict__ = state
            return container
        name, attributes = self.named(key, tree)
        return Persistent(name, {**state, **attributes}, self.source)

    def named(self, key: str, tree: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """A module's class, and what it has beside its tensors and children."""
        name = _class_name(key, tree)
        attributes: dict[str, Any] = {}
        if name == "UNetBlock":
            attributes = {"num_heads": 0, "dropout": 0.13, "skip_scale": np.sqrt(0.5)}
        if name in ("Conv2d", "Linear"):
            init = {"init_mode": "xavier_uniform", "init_weight": np.sqrt(1 / 3)}
            attributes = {"in": 1, "_init_args": (), "_init_kwargs": init}
        return name, attributes


def _class_name(key: str, tree: Mapping[str, Any]) -> str:
    if key == "model":
        return "SongUNet" if "dec" in tree and "out_norm" not in tree else "DhariwalUNet"
    if "freqs" in tree:
        return "FourierEmbedding"
    if not tree:
        return "PositionalEmbedding"
    if "weight" in tree:
        return {4: "Conv2d", 2: "Linear"}.get(tree["weight"].ndim, "GroupNorm")
    return "UNetBlock" if "norm0" in tree else "Conv2d"


def write(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    class_name: str,
    init_kwargs: Mapping[str, Any],
    *,
    source: str,
    protocol: int = 4,
    flavour: str = "torch-1.12",
    numpy: int = 1,
) -> None:
    """Writes a state dict as a network pickle.

    Args:
        tensors: by names like "model.enc.32x32_conv.weight".
        source: text in the place of each class's source code.
        flavour: "torch-1.12" or "torch-2": whose layout of module dictionaries.
        numpy: 1 or 2: whose name of scalars.
    """
    tree: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = tensor
    if "map_noise" not in tree.get("model", {}):
        tree["model"] = {"map_noise": {}, **tree["model"]}
    state = Writer(flavour, source).state(tree)
    state |= {"sigma_min": 0, "sigma_max": float("inf")}
    state |= {"_init_args": (), "_init_kwargs": dict(init_kwargs)}
    loss = {"P_mean": -1.2, "P_std": 1.2, "_init_args": (), "_init_kwargs": {}}
    augment = {"p": 0.12, "_init_args": (), "_init_kwargs": {"p": 0.12}}
    data = {
        "ema": Persistent(class_name, state, source),
        "loss_fn": Persistent("EDMLoss", loss, "# loss\n" + source),
        "augment_pipe": Persistent("AugmentPipe", augment, "# augment\n" + source),
        "dataset_kwargs": {"class_name": "training.dataset.ImageFolderDataset", "max_size": 50000},
    }
    with path.open("wb") as file:
        Pickler(file, protocol, numpy).dump(data)
