"""gDDIM's checkpoints (Zhang, Tao & Chen 2023): CLD and blurring models with their EMA weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samplebench.checkpoints.flax_msgpack import read
from samplebench.checkpoints.structure import structure
from samplebench.checkpoints.weights import assign
from samplebench.errors import InputError, UsageError
from samplebench.model import Model
from samplebench.networks.ncsnpp import ncsnpp, noise_label, songunet_arguments
from samplebench.networks.ncsnpp_names import names_and_shapes, songunet_state
from samplebench.processes import trained_process
from samplebench.processes.linear import LinearProcess
from samplebench.registry import adapters


class GddimModel(Model):
    """eps(u, t) of a network trained on a linear process other than an isotropic one.

    Args:
        network: network(images, log(999 t)) -> the noise, in float32. On a process whose channels
            couple, all of them lie side by side in the images' channels (CLD: x0 x1 x2 v0 v1 v2);
            on a blurring one, images and noise are pixels.
        law: the process.
        shape: (C, H, W) of one image.
        device: where the network is.
    """

    law: LinearProcess

    def __init__(
        self,
        network: nn.Module,
        law: LinearProcess,
        *,
        shape: tuple[int, int, int],
        device: torch.device,
    ) -> None:
        self.network, self.law, self.shape, self.device = network, law, shape, device
        self.process = law.name
        self.state_dtype = torch.float64 if device.type == "cpu" else torch.float32

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        """The noise in states u [N, D, C, H, W] at time t, in the basis R of the process."""
        if self.law.channels == 1:
            return self.law.encode(self._noise(self.law.decode(u), t))
        return self._noise(u.flatten(1, 2), t).reshape(u.shape)

    def _noise(self, images: Tensor, t: float) -> Tensor:
        label = noise_label(t).to(self.device, non_blocking=True)
        noise: Tensor = self.network(images.to(torch.float32), label)
        return noise.to(images.dtype)


@adapters.register("gddim", summary="gDDIM's Flax msgpack: EMA weights; config holds the process")
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The EMA model of a training state, on its process.

    Args:
        config: "process" ("cld" or "bdm"), the release's "model_config", and for bdm
            "sigma_blur_max" (10), which no file records.

    Raises:
        UsageError: a precision other than float32, or an unknown process.
        InputError: another file, or a config that describes no such network.
    """
    if dtype not in (None, torch.float32):
        name = str(dtype).removeprefix("torch.")
        raise UsageError(f"dtype {name}: this network runs in float32")
    for key in ("process", "model_config"):
        if key not in config:
            raise InputError(f"{path.name}: config lacks {key}; gddim needs process, model_config")
    if not isinstance(config["model_config"], Mapping):
        raise InputError(f"{path.name}: model_config is no table of the release's words")
    arguments = songunet_arguments(config["model_config"])
    size, channels = arguments["img_resolution"], arguments["img_channels"]
    law = trained_process(config, size)
    if channels % law.channels:
        raise InputError(
            f"{path.name}: in_channels is {channels}; on {law.name} it must be a multiple of "
            f"{law.channels}"
        )
    with torch.device("meta"):
        network = ncsnpp(arguments)
    file = read(path)
    assign(network, songunet_state(file.params, arguments), path)
    model = GddimModel(
        network.to(device).eval().requires_grad_(False),
        law,
        shape=(channels // law.channels, size, size),
        device=device,
    )
    model.provenance = {
        # As released: group norms may be written with or without their leading ones.
        "structure": structure(names_and_shapes(arguments)),
        "process": law.name,
        "step": file.step,
        "ema_decay": file.ema_rate,
    }
    return model
