"""Folders in diffusers' layout: a UNet2DModel under its scheduler's law (extra `diffusers`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.devices import NETWORKS, run_dtype
from samplebench.errors import UsageError
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.general import Form
    from samplebench.models.model import Model

# As `sb.wrap` calls what a scheduler's networks predict.
_PREDICTS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}


def kind(config: Mapping[str, Any]) -> str:
    """Of a table's models "discrete", of all others "sigma"."""
    return "discrete" if _law(config)["law"] == "table" else "sigma"


def process(config: Mapping[str, Any], shape: tuple[int, int, int]) -> Any:
    """That of the models; None of EDM's, which have none."""
    return _form(_law(config)).process


@adapters.register(
    "diffusers",
    summary="a folder of diffusers: UNet2DModel in safetensors; its scheduler's file defines the "
    "process",
    kind=kind,
    process=process,
    protocol="custom",
    suffixes=(".safetensors",),
    precisions=NETWORKS,
    compiles=True,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The model of a folder's weights, config being what `checkpoints/diffusers_folder.py` found.

    float32, or float16 on CUDA where the folder's weights are that, unless another is asked for.

    Raises:
        EnvironmentError_: diffusers is not installed.
        InputError: the file does not hold the tensors of the network that config describes.
    """
    import torch

    from samplebench.adapters.diffusers.unet import build, names_now
    from samplebench.checkpoints.diffusers_unet import classes, image_shape
    from samplebench.checkpoints.safetensors_file import read
    from samplebench.checkpoints.structure import structure
    from samplebench.checkpoints.weights import assign
    from samplebench.models.network import UserNetwork

    law = _law(config)
    network = build(config["unet"], law, path)
    tensors = names_now(read(path), network.unet.state_dict())
    assign(network.unet, tensors, path, dtype=torch.float32)
    network.to(device).eval().requires_grad_(False)
    network.convert(run_dtype(dtype, device, config.get("dtype") == "float16"))
    asked = UserNetwork(network, who="the network", num_classes=classes(config["unet"]))
    model = _form(law).model(asked, image_shape(config["unet"]))
    model.provenance = {
        "structure": structure((name, t.shape) for name, t in tensors.items()),
    }
    return model


def _form(law: Mapping[str, Any]) -> Form:
    """What the network of a scheduler's law is asked, and what it means by its answer."""
    from samplebench.models.general import Form
    from samplebench.models.parameterization import Parameterization
    from samplebench.processes.diffusers import table_process
    from samplebench.processes.flow import Flow
    from samplebench.processes.ve import VE

    if law["law"] == "table":
        predicts = _PREDICTS[law["prediction_type"]]
        return Form(table_process(law), Parameterization(predicts), "index", {})
    if law["law"] == "ve":
        levels = VE(T=law["sigma_max"], t_min=law["sigma_min"])
        return Form(levels, Parameterization("score", 0.0, 1.0), "sigma", {})
    if law["law"] == "flow":
        steps = law["num_train_timesteps"]
        # The first and the last but one of its times, as the last leaves no image.
        times = Flow(T=1 - 1 / steps, t_min=1 / steps)
        return Form(times, Parameterization("flow"), lambda t: steps * t, {})
    ends = {end: law[end] for end in ("sigma_min", "sigma_max")}
    return Form(None, Parameterization("D"), "sigma", ends)


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
