"""Writes checkpoints as gDDIM's training does: a Flax training state in one msgpack map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import torch
from torch import Tensor

from containers.score_sde import released
from samplebench.adapters.gddim.names import leaves
from samplebench.networks.ncsnpp import songunet_arguments

Tree = dict[str, Any]


def write(
    path: Path,
    config: Mapping[str, Any],
    last: Mapping[str, Tensor] | None,
    average: Mapping[str, Tensor],
    *,
    step: int,
    decay: float,
    lr: float = 2e-4,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes two state dicts of a SongUNet; the optimizer's moments have one number per tensor.

    Args:
        path: `checkpoint_<k>`.
        config: the release's model_config.
        last: the weights after the last step, by SongUNet's names; None: one number for each.
        average: their exponential moving average.
        step: number of steps.
        decay: rate of the average.
        lr: learning rate.
        dtype: in which the weights are stored.
    """
    arguments = songunet_arguments(config)
    means = params(average, arguments, dtype)
    zero, count = np.zeros((), np.float32), np.array(step, np.int32)
    target = dict.fromkeys(means, zero) if last is None else params(last, arguments, dtype)
    moments = {name: {"grad_ema": zero, "grad_sq_ema": zero} for name in means}
    top = {
        "step": count,
        "optimizer": {
            "target": nested(target),
            "state": {"step": count, "param_states": nested(moments)},
        },
        "lr": np.array(lr, np.float32),
        "model_state": {},
        "ema_rate": np.array(decay, np.float32),
        "params_ema": nested(means),
        "rng": np.array([0, step], dtype=np.uint32),
    }
    with path.open("wb") as file:
        file.writelines(packed(top))


def params(
    state: Mapping[str, Tensor], arguments: Mapping[str, Any], dtype: torch.dtype
) -> dict[str, np.ndarray]:
    """The Flax network's arrays by path, out of SongUNet's state dict."""
    found = released({f"model.{name}": tensor for name, tensor in state.items()}, arguments)
    arrays = {}
    for leaf in leaves(arguments):
        tensor = found[leaf.source].to(dtype)
        turned = tensor if leaf.axes is None else tensor.permute(*np.argsort(leaf.axes).tolist())
        arrays[leaf.name] = turned.reshape(leaf.shape).detach().numpy()
    return arrays


def nested(flat: Mapping[str, Any]) -> Tree:
    """Values by path as a tree of dictionaries."""
    tree: Tree = {}
    for name, value in flat.items():
        *parents, last = name.split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return tree


def packed(tree: Any) -> Iterator[bytes]:
    """A tree as msgpack, piece by piece, its keys sorted."""
    packer = msgpack.Packer(default=extension)
    if isinstance(tree, dict):
        yield packer.pack_map_header(len(tree))
        for key in sorted(tree):
            yield packer.pack(key)
            yield from packed(tree[key])
    else:
        yield packer.pack(tree)


def extension(array: np.ndarray) -> msgpack.ExtType:
    """An array as Flax packs it."""
    payload = msgpack.packb((array.shape, array.dtype.name, array.tobytes()))
    return msgpack.ExtType(1, payload)
