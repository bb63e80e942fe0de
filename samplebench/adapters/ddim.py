"""The DDIM code base's checkpoints, of which DDIM-IP is released (Ning et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.devices import NETWORKS, run_dtype
from samplebench.processes.discrete import discrete_process
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


@adapters.register(
    "ddim",
    summary="DDIM code base's list: EMA weights; config with the code base's settings",
    kind="discrete",
    process=lambda config, shape: discrete_process(config),
    precisions=NETWORKS,
    compiles=True,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The model of a training state's averaged weights, under its discrete process.

    Raises:
        InputError: another file, or a config that describes no such network.
    """
    import torch

    from samplebench.checkpoints.ddim_file import read
    from samplebench.checkpoints.structure import structure
    from samplebench.checkpoints.weights import assign
    from samplebench.models.discrete import DiscreteModel
    from samplebench.networks.ddim_unet import ddim_unet

    with torch.device("meta"):
        network = ddim_unet(config)
    file = read(path, network.state_dict().keys())
    assign(network, file.model, path, dtype=torch.float32)
    network.to(device).eval().requires_grad_(False)
    network.convert(run_dtype(dtype, device, False))
    model = DiscreteModel(
        network,
        discrete_process(config),
        shape=(network.in_channels, network.image_size, network.image_size),
        device=device,
    )
    model.provenance = {
        "structure": structure((name, tensor.shape) for name, tensor in file.model.items()),
        **({} if file.step is None else {"epoch": file.epoch, "step": file.step}),
    }
    return model
