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
from samplebench.networks.denoiser import unit_variance
from samplebench.networks.trunk import Trunk, channels_last

# What the layers of attention were called before diffusers 0.18.
_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class UNet(Trunk):
    """network(x, t, labels) -> its answer in x's precision, whatever its own.

    Args:
        unet: diffusers' UNet2DModel.
    """

    takes_any_dtype = True

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        own = next(self.unet.parameters()).dtype
        time = t.float() if t.is_floating_point() else t
        return self.answer(x.to(own), time, labels).to(x.dtype)

    def body(self, x: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        answer: Tensor = self.unet(x, time, class_labels=labels).sample
        return answer

    def _narrow(self, dtype: torch.dtype) -> None:
        # As a whole, embeddings included: so their own pipelines have it.
        channels_last(self.unet.to(dtype))


class DenoisingUNet(UNet):
    """network(x, sigma, labels) -> D(x; sigma), with EDM's preconditioning (Karras et al. 2022).

    Args:
        unet: diffusers' UNet2DModel.
        sigma_data: standard deviation of the training images.
        negated: whether it answers with the opposite of EDM's F, as "v_prediction" has it.
    """

    def __init__(self, unet: nn.Module, sigma_data: float, negated: bool) -> None:
        super().__init__(unet)
        self.sigma_data, self.sign = sigma_data, -1 if negated else 1

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        skip, out, scale, time = unit_variance(t.reshape(-1, 1, 1, 1), self.sigma_data)
        return skip * x + self.sign * out * super().forward(scale * x, time.flatten(), labels)


def build(arguments: Mapping[str, Any], law: Mapping[str, Any], path: Path) -> UNet:
    """The network without its numbers, on the meta device, tried there on one image.

    Raises:
        EnvironmentError_: diffusers is not installed.
        InputError: its arguments are no network together.
    """
    package = extra("diffusers", "folders of diffusers")
    shape, labels = image_shape(arguments), None
    try:
        with hushed(), torch.device("meta"), torch.no_grad():
            network = _dressed(package.UNet2DModel(**arguments), law)
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
            f"{path}: config.json describes a network that outputs {list(answer.shape[1:])} to "
            f"images {list(shape)}"
        )
    return network


def _dressed(unet: nn.Module, law: Mapping[str, Any]) -> UNet:
    if law["law"] != "edm":
        return UNet(unet)
    return DenoisingUNet(unet, law["sigma_data"], law["prediction_type"] == "v_prediction")


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
