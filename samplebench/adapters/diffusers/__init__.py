"""Folders in diffusers' layout: a UNet2DModel under its scheduler's law (extra `diffusers`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError
from samplebench.processes.diffusers import table_process
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model
    from samplebench.processes.discrete import DiscreteProcess


def kind(config: Mapping[str, Any]) -> str:
    """Of a table's models "discrete", of all others "sigma"."""
    return "discrete" if _law(config)["law"] == "table" else "sigma"


def process(config: Mapping[str, Any], shape: tuple[int, int, int]) -> DiscreteProcess | None:
    """Of a table's models."""
    law = _law(config)
    return table_process(law) if law["law"] == "table" else None


@adapters.register(
    "diffusers",
    summary="a folder of diffusers: UNet2DModel in safetensors; its scheduler says the process",
    kind=kind,
    process=process,
    protocol="custom",
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The model of a folder's weights, config being what `checkpoints/diffusers_folder.py` found.

    float32, or float16 on CUDA where the folder's weights are that or it is asked for.

    Raises:
        EnvironmentError_: diffusers is not installed.
        UsageError: another precision.
        InputError: the file does not hold the tensors of the network that config describes.
    """
    import torch

    from samplebench.adapters.diffusers.unet import build, names_now
    from samplebench.checkpoints.diffusers_unet import classes, image_shape
    from samplebench.checkpoints.safetensors_file import read
    from samplebench.checkpoints.structure import structure
    from samplebench.checkpoints.weights import assign
    from samplebench.models.conditioned import ConditionedModel
    from samplebench.models.discrete import DiscreteModel

    law, precision = _law(config), _precision(config, device, dtype)
    network = build(config["unet"], law, path)
    tensors = names_now(read(path), network.unet.state_dict())
    assign(network.unet, tensors, path, dtype=torch.float32)
    network.to(device, precision).eval().requires_grad_(False)
    shape, number = image_shape(config["unet"]), classes(config["unet"])
    model: Model
    if law["law"] == "table":
        # The network narrows its input itself, so that v becomes x0 in the state's precision.
        model = DiscreteModel(
            network, table_process(law), shape=shape, num_classes=number, device=device, dtype=None
        )
    else:
        model = ConditionedModel(network, law, shape=shape, num_classes=number, device=device)
    model.provenance = {
        "structure": structure((name, t.shape) for name, t in tensors.items()),
    }
    return model


def _law(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises `UsageError` for a config that no folder has described."""
    if not (
        isinstance(config.get("unet"), Mapping) and isinstance(config.get("scheduler"), Mapping)
    ):
        raise UsageError(
            "format diffusers: config.json and scheduler_config.json describe the model; give the "
            "folder that holds them, not its file of weights"
        )
    law: Mapping[str, Any] = config["scheduler"]
    return law


def _precision(
    config: Mapping[str, Any], device: torch.device, dtype: torch.dtype | None
) -> torch.dtype:
    import torch

    if dtype is None:
        half = device.type == "cuda" and config.get("dtype") == "float16"
        return torch.float16 if half else torch.float32
    if dtype not in (torch.float32, torch.float16):
        name = str(dtype).removeprefix("torch.")
        raise UsageError(f"dtype {name}: this network runs in float32 or float16")
    if dtype == torch.float16 and device.type != "cuda":
        raise UsageError("dtype float16: this network runs in float16 on CUDA only")
    return dtype
