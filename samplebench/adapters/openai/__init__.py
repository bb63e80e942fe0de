"""OpenAI's checkpoints: improved DDPM, ADM, and ADM-IP, whose code base is ADM's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.devices import NETWORKS, run_dtype
from samplebench.errors import InputError
from samplebench.processes.discrete import discrete_process, release_flags
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from samplebench.models.model import Model


@adapters.register(
    "openai",
    summary="OpenAI's .pt: config holds the family and the release's flags",
    kind="discrete",
    process=lambda config, shape: discrete_process(release_flags(config)),
    precisions=NETWORKS,
    compiles=True,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The model of a flat state dict, under its discrete process."""
    import torch

    from samplebench.adapters.openai.flags import FAMILIES, unet
    from samplebench.checkpoints.openai_file import read
    from samplebench.checkpoints.structure import structure
    from samplebench.models.discrete import DiscreteModel

    if "family" not in config:
        raise InputError(f"{path.name}: config lacks family, one of {', '.join(FAMILIES)}")
    flags = release_flags(config)
    with torch.device("meta"):
        network = unet(str(config["family"]), config)
    if "architecture" in config:
        flags.setdefault("learn_sigma", network.out_channels == 2 * network.in_channels)
    tensors = read(path, network.state_dict().keys())
    _give(network, tensors, path, device)
    network.convert(run_dtype(dtype, device, bool(config.get("use_fp16", False))))
    model = DiscreteModel(
        network,
        discrete_process(flags),
        shape=(network.in_channels, network.image_size, network.image_size),
        num_classes=network.num_classes or 0,
        device=device,
        respacing=str(flags.get("timestep_respacing", "")),
    )
    model.provenance = {
        "structure": structure((name, tensor.shape) for name, tensor in tensors.items())
    }
    return model


def load_classifier(path: Path, config: Mapping[str, Any], device: torch.device) -> nn.Module:
    """A classifier of noisy images, in float32: classifier(x_t, t) -> logits [N, classes]."""
    import torch

    from samplebench.adapters.openai.flags import classifier
    from samplebench.checkpoints.openai_file import read

    with torch.device("meta"):
        network = classifier(config)
    _give(network, read(path, network.state_dict().keys()), path, device)
    return network


def _give(
    network: nn.Module, tensors: Mapping[str, Tensor], path: Path, device: torch.device
) -> None:
    """Weights in float32, whatever the file stores."""
    import torch

    from samplebench.checkpoints.weights import assign

    assign(network, tensors, path, dtype=torch.float32)
    network.to(device).eval().requires_grad_(False)
