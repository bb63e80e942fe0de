"""Writes checkpoints as score-SDE's training does: the last weights, their average, the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from samplebench.adapters.score_sde.config import songunet_arguments
from samplebench.adapters.score_sde.names import entries, names_and_shapes
from samplebench.checkpoints.score_sde_file import BUFFER, FROZEN, PREFIX


def write(
    path: Path,
    config: Mapping[str, Any],
    last: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    *,
    step: int,
    decay: float,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes two state dicts of a SongUNet under its preconditioner.

    Args:
        path: `checkpoint_<k>.pth`.
        config: of the model, in the release's words.
        last: the weights after the last step, by its preconditioner's names.
        average: their exponential moving average.
        step: number of steps.
        decay: rate of the average.
        dtype: in which the weights are stored.
    """
    _, arguments = songunet_arguments(config)
    weights, means = (released(state, arguments) for state in (last, average))
    inner = {"sigma_min": 0.01, "sigma_max": 50.0} | config["model_config"]  # a VP model has both
    ends = (math.log10(inner[key]) for key in ("sigma_max", "sigma_min"))
    sigmas = torch.logspace(*ends, inner["num_scales"])
    model = {
        name: sigmas if name == BUFFER else weights[name.removeprefix(PREFIX)].to(dtype)
        for name, _ in names_and_shapes(config)
    }
    trained = [name for name in model if name not in (BUFFER, FROZEN)]
    shadow = [means[name.removeprefix(PREFIX)].to(dtype) for name in trained]
    ema = {"decay": decay, "num_updates": step, "shadow_params": shadow}
    optimizer = {"state": {}, "param_groups": [{"params": list(range(len(trained)))}]}
    torch.save({"optimizer": optimizer, "model": model, "ema": ema, "step": step}, path)


def released(state: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """The score network's tensors by name, out of SongUNet's."""
    return {
        source: tensor.contiguous()
        for entry in entries(arguments)
        if entry.sources
        for source, tensor in zip(
            entry.sources, _RULES[entry.rule](state[f"model.{entry.name}"]), strict=True
        )
    }


# The inverse of the reader's rules.
_RULES: Mapping[str, Callable[[Tensor], tuple[Tensor, ...]]] = {
    "copy": lambda t: (t,),
    "nin_w": lambda t: (t[:, :, 0, 0].T,),
    "qkv_w": lambda t: tuple(w.T for w in t[:, :, 0, 0].unflatten(0, (-1, 3)).unbind(1)),
    "qkv_b": lambda t: t.unflatten(0, (-1, 3)).unbind(1),
}
