"""Which arrays of gDDIM's Flax network become which tensors of SongUNet.

Flax names a module by its class and a running number, in the order of calls, which is the order
in which score-SDE numbers the same modules.
"""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from samplebench.adapters.score_sde import names as score_sde_names
from samplebench.errors import InputError

# The end of SongUNet's name of a layer -> the class of the Flax module that holds it.
_CLASSES = {
    "noise": "GaussianFourierProjection",
    "layer0": "Dense",
    "layer1": "Dense",
    "conv": "Conv",
    "residual": "Downsample",
    "norm": "GroupNorm",
    **dict.fromkeys(("norm0", "conv0", "affine", "norm1", "conv1", "skip"), "ResnetBlockBigGANpp"),
    **dict.fromkeys(("norm2", "qkv", "proj"), "AttnBlockpp"),
}
# What Flax calls the weight of a layer; Conv2d's and NIN's have score-SDE's names.
_WEIGHTS = {"Conv": "kernel", "Dense": "kernel", "GroupNorm": "scale"}


@dataclass(frozen=True)
class Leaf:
    """One array of the Flax network.

    Attributes:
        name: its path, e.g. "ResnetBlockBigGANpp_0/Conv_0/kernel".
        source: the same tensor in score-SDE's network.
        shape: as in the released files.
        axes: the permutation of its axes that makes the tensor; None: flatten it.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None


def leaves(arguments: Mapping[str, Any]) -> list[Leaf]:
    """All arrays, in the order of calls, for arguments of `ncsnpp.songunet_arguments`."""
    counts: Counter[str] = Counter()
    modules: dict[str, str] = {}
    found = []
    for entry in score_sde_names.entries(arguments):
        for source in entry.sources:
            _, index, *inner, leaf = source.split(".")
            if index not in modules:
                kind = _CLASSES[entry.name.split(".")[-2].rpartition("_")[2]]
                modules[index] = f"{kind}_{counts[kind]}"
                counts[kind] += 1
            path = [modules[index], *inner]
            layer = path[-1].rpartition("_")[0]
            word = _WEIGHTS.get(layer, leaf) if leaf == "weight" else leaf
            shape, axes = _layout(layer, entry.shape)
            found.append(Leaf("/".join([*path, word]), source, shape, axes))
    return found


def names_and_shapes(arguments: Mapping[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    """What `params_ema` of a released file holds, sorted as it is there."""
    return sorted((leaf.name, leaf.shape) for leaf in leaves(arguments))


def songunet_state(
    params: MutableMapping[str, Tensor], arguments: Mapping[str, Any]
) -> dict[str, Tensor]:
    """SongUNet's state dict in float32, complete and in its order.

    Args:
        params: the Flax network's arrays by path. Each is taken out when it is turned, so that
            memory holds the weights once.
        arguments: of `ncsnpp.songunet_arguments`.

    Raises:
        InputError: the arrays are not those of a network with these arguments.
    """
    plan = leaves(arguments)
    advice = "does the model_config belong to this file?"
    for leaf in plan:
        if leaf.name not in params:
            raise InputError(f"gddim weights: {leaf.name} is missing; {advice}")
        shape = tuple(params[leaf.name].shape)
        # Later versions of Flax write group norms without the leading ones.
        if shape != leaf.shape and (leaf.axes is not None or shape != leaf.shape[-1:]):
            raise InputError(
                f"gddim weights: {leaf.name} has shape {list(shape)}, the model_config asks for "
                f"{list(leaf.shape)}; {advice}"
            )
    if more := params.keys() - {leaf.name for leaf in plan}:
        shown = reprlib.repr(min(more))  # the file's own word
        raise InputError(f"gddim weights: {shown} has no place in the network; {advice}")
    model = {}
    for leaf in plan:
        array = params.pop(leaf.name).float()
        turned = array.flatten() if leaf.axes is None else array.permute(leaf.axes)
        model[leaf.source] = turned.contiguous()
    return score_sde_names.songunet_state(model, arguments)


def _layout(layer: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """(shape in the file, permutation to `shape`) of an array whose torch tensor has `shape`."""
    if layer == "GroupNorm":
        return (1, 1, 1, *shape), None
    if layer in ("Conv", "Conv2d") and len(shape) == 4:
        return (*shape[2:], shape[1], shape[0]), (3, 2, 0, 1)
    if layer == "Dense" and len(shape) == 2:
        return shape[::-1], (1, 0)
    return shape, tuple(range(len(shape)))
