"""Released networks at their real sizes with random weights, as files of their containers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from containers import edm2_pickle, edm_pickle
from samplebench.networks.preconditioning import preconditioner

_SOURCE = "# Random weights, written by samplebench's benchmarks.\n"
_NCSNPP = {
    "embedding_type": "fourier",
    "encoder_type": "residual",
    "resample_filter": [1, 3, 3, 1],
    "channel_mult_noise": 2,
}


@dataclass(frozen=True)
class Network:
    """A network to measure.

    Attributes:
        name: as on the command line.
        what: in words.
        block, gpu_block: images evaluated at once on a CPU and on a GPU, where not said.
        class_name: of the file's preconditioner, "" for EDM2's, None for a model of the package.
        arguments: its constructor's.
    """

    name: str
    what: str
    block: int
    gpu_block: int
    class_name: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


def _edm(model: str, size: int, **more: Any) -> dict[str, Any]:
    return {"model_type": model, "img_resolution": size, "img_channels": 3, **more}


def _song(**more: Any) -> dict[str, Any]:
    return _edm("SongUNet", 32, channel_mult=[2, 2, 2], augment_dim=9, **more)


NETWORKS = {
    network.name: network
    for network in (
        Network("digits-vp", "digits-vp, 8x8", 256, 2048),
        Network("ddpmpp", "DDPM++, CIFAR-10 32x32", 4, 512, "VPPrecond", _song()),
        Network(
            "ncsnpp", "NCSN++, CIFAR-10 32x32", 4, 512, "VEPrecond", _song(**_NCSNPP)
        ),
        Network(
            "adm64", "ADM, ImageNet 64x64", 2, 128, "EDMPrecond",
            _edm("DhariwalUNet", 64, label_dim=1000, use_fp16=True),
        ),
        Network(
            "edm2-s", "EDM2-S, ImageNet 64x64", 2, 128, "",
            {"img_resolution": 64, "img_channels": 3, "label_dim": 1000, "model_channels": 192,
             "dropout": 0.0, "use_fp16": True},
        ),
    )
}  # fmt: skip


def words_of(network: Network, folder: Path) -> dict[str, Any]:
    """The words of a request for a network; its file is written where it is not there."""
    if network.class_name is None:
        return {"model": network.name}
    path = folder / f"{network.name}.pkl"
    if not path.is_file():
        _write(network, path)
    return {"model": str(path), "format": "edm" if network.class_name else "edm2"}


def _write(network: Network, path: Path) -> None:
    arguments = dict(network.arguments)
    if not network.class_name:
        tensors = edm2_pickle.random_state(arguments)
        edm2_pickle.write(path, tensors, arguments, source=_SOURCE)
        return
    with torch.device("meta"):
        shapes = preconditioner(network.class_name, arguments).state_dict()
    draw = torch.Generator().manual_seed(0)
    tensors = {name: _drawn(name, value.shape, draw) for name, value in shapes.items()}
    edm_pickle.write(path, tensors, network.class_name, arguments, source=_SOURCE)


def _drawn(name: str, shape: torch.Size, draw: torch.Generator) -> torch.Tensor:
    """One tensor: of a layer so that its outputs are as large as its inputs."""
    last = name.rpartition(".")[2]
    if last == "resample_filter":
        return torch.full(shape, 1 / shape.numel())
    if last == "bias":
        return torch.zeros(shape)
    if last == "freqs":
        return 16 * torch.randn(shape, generator=draw)
    if len(shape) == 1:
        return torch.ones(shape)
    return torch.randn(shape, generator=draw) / math.sqrt(math.prod(shape[1:]))
