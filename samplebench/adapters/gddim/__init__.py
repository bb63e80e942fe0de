"""gDDIM's checkpoints (Zhang, Tao & Chen 2023): CLD and blurring models with their EMA weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.devices import NETWORKS, run_dtype
from samplebench.errors import InputError
from samplebench.processes import trained_process
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


@adapters.register(
    "gddim",
    summary="gDDIM's Flax msgpack: EMA weights; config holds the process",
    kind="linear",
    process=lambda config, shape: trained_process(config, shape[-1]),
    protocol="gddim",
    precisions=NETWORKS,
    compiles=True,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The EMA model of a training state, on its process.

    Args:
        config: "process" ("cld" or "bdm"), the release's "model_config", and for bdm
            "sigma_blur_max" (10), which no file records.

    Raises:
        UsageError: an unknown process.
        InputError: another file, or a config that describes no such network.
    """
    import torch

    from samplebench.adapters.gddim.names import names_and_shapes, songunet_state
    from samplebench.checkpoints.flax_msgpack import read
    from samplebench.checkpoints.structure import structure
    from samplebench.checkpoints.weights import assign
    from samplebench.models.gddim import GddimModel
    from samplebench.networks.ncsnpp import ncsnpp, songunet_arguments

    for key in ("process", "model_config"):
        if key not in config:
            raise InputError(f"{path.name}: config lacks {key}; gddim needs process, model_config")
    if not isinstance(config["model_config"], Mapping):
        raise InputError(f"{path.name}: model_config is not a table of the release's settings")
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
    network.to(device).eval().requires_grad_(False)
    network.convert(run_dtype(dtype, device, False))
    model = GddimModel(
        network,
        law,
        shape=(channels // law.channels, size, size),
        device=device,
        dtype=network.precision,
    )
    model.provenance = {
        # As released: group norms may be written with or without their leading ones.
        "structure": structure(names_and_shapes(arguments)),
        "process": law.name,
        "step": file.step,
        "ema_decay": file.ema_rate,
    }
    return model
