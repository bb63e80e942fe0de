"""diffusers' UNet2DModel, built from checked arguments, as a network of samplebench's models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samplebench.answers.blame import said
from samplebench.checkpoints.diffusers_unet import image_shape
from samplebench.errors import InputError
from samplebench.extras import extra, hushed
from samplebench.processes.diffusers import table_process

# What the layers of attention were called before diffusers 0.18.
_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class UNet(nn.Module):
    """network(x, t, labels) -> its answer in x's precision; of a "v_prediction" on a table x0.

    Args:
        unet: diffusers' UNet2DModel.
        alpha_bar: of the table, float64 [T], where it answers with v.
    """

    def __init__(self, unet: nn.Module, alpha_bar: Tensor | None) -> None:
        super().__init__()
        self.unet, self.alpha_bar = unet, alpha_bar

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        own = next(self.unet.parameters()).dtype
        answer: Tensor = self.unet(x.to(own), t, class_labels=labels).sample.to(x.dtype)
        if self.alpha_bar is None:
            return answer
        # v = sqrt(alpha_bar) n - sqrt(1 - alpha_bar) x0 (Salimans & Ho 2022).
        kept = self.alpha_bar[t.cpu()].reshape(-1, 1, 1, 1)
        root, rest = kept.sqrt().to(x), (1 - kept).sqrt().to(x)
        v, variance = answer[:, : x.shape[1]], answer[:, x.shape[1] :]
        return torch.cat([root * x - rest * v, variance], dim=1)


def build(arguments: Mapping[str, Any], law: Mapping[str, Any], path: Path) -> UNet:
    """The network without its numbers, on the meta device, tried there on one image.

    Raises:
        EnvironmentError_: diffusers is not installed.
        InputError: its arguments are no network together.
    """
    package = extra("diffusers", "folders of diffusers")
    shape, labels, alpha_bar = image_shape(arguments), None, None
    if law["law"] == "table" and law["prediction_type"] == "v_prediction":
        alpha_bar = torch.from_numpy(table_process(law).alpha_bar)
    try:
        with hushed(), torch.device("meta"), torch.no_grad():
            network = UNet(package.UNet2DModel(**arguments), alpha_bar)
            if network.unet.class_embedding is not None:
                labels = torch.zeros(1, dtype=torch.int64)
            time = torch.zeros(1, dtype=torch.int64 if law["law"] == "table" else torch.float32)
            answer = network.unet(torch.zeros(1, *shape), time, class_labels=labels).sample
    except Exception as error:  # whatever its layers say of sizes that do not fit
        raise InputError(
            f"{path}: config.json describes no network that runs ({said(error)})"
        ) from None
    if tuple(answer.shape[2:]) != shape[1:]:
        raise InputError(
            f"{path}: config.json describes a network that answers {list(answer.shape[1:])} to "
            f"images {list(shape)}"
        )
    return network


def names_now(tensors: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors under the names of today, where those of attention are the old ones.

    Args:
        tensors: of the file by name.
        wanted: by the network's names.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stem, _, last = name.rpartition(".")
        before, _, layer = stem.rpartition(".")
        today = f"{before}.{_OLD[layer]}.{last}" if layer in _OLD else name
        known = name in wanted or today not in wanted or today in tensors
        found[name if known else today] = tensor
    return found
