"""Score-SDE's checkpoints (Song et al. 2021): VP and VE models with their EMA weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.adapters.score_sde.config import trained_process
from samplebench.devices import NETWORKS
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model

# The smallest time of the VP models' training.
_EPSILON_T = 1e-5


@adapters.register(
    "score-sde",
    summary="score-SDE .pth: EMA weights; config with the release's settings",
    process=lambda config, shape: trained_process(config),
    protocol="score-sde",
    suffixes=(".pth",),
    precisions=NETWORKS,
    compiles=True,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The EMA model of a training state, as the equal SongUNet.

    Images are in [-1, 1] and noise levels in that unit for VE models too, which were trained on
    [0, 1].
    """
    import torch

    from samplebench.adapters.score_sde.config import songunet_arguments
    from samplebench.adapters.score_sde.names import songunet_state
    from samplebench.checkpoints.score_sde_file import BUFFER, read
    from samplebench.checkpoints.structure import structure
    from samplebench.checkpoints.weights import assign, check_extent
    from samplebench.models.preconditioned import PreconditionedModel
    from samplebench.networks.preconditioning import VPPrecond, preconditioner

    file = read(path, names=lambda: _names(config))
    class_name, arguments = songunet_arguments(config, file.num_channels)
    with torch.device("meta"):
        network = preconditioner(class_name, arguments)
    check_extent(file.model, path)
    state = songunet_state(file.model, arguments)
    assign(network, {f"model.{name}": tensor for name, tensor in state.items()}, path)
    model = PreconditionedModel(network, device=device, dtype=dtype)
    if isinstance(network, VPPrecond):
        times = torch.tensor([_EPSILON_T, 1.0], dtype=torch.float64)
        model.sigma_min, model.sigma_max = network.sigma(times).tolist()
    if device.type == "cuda":
        model.state_dtype = torch.float32
    model.provenance = {
        # Without the table of noise levels, which not every release has.
        "structure": structure(item for item in file.names_and_shapes if item[0] != BUFFER),
        "class_name": class_name,
        "init_kwargs": arguments,
        **({} if file.step is None else {"step": file.step, "ema_decay": file.ema_decay}),
    }
    return model


def _names(config: Mapping[str, Any]) -> list[str]:
    """The score network's names, without "module."."""
    from samplebench.adapters.score_sde.config import songunet_arguments
    from samplebench.adapters.score_sde.names import entries

    _, arguments = songunet_arguments(config)
    return [source for entry in entries(arguments) for source in entry.sources]
