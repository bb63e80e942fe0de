"""EDM's checkpoints (NVlabs): the EDM models, and the VP, VE and ADM baselines in their format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.devices import NETWORKS
from samplebench.processes import process
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


def _recognises(path: Path) -> bool:
    from samplebench.checkpoints.edm_families import EDM
    from samplebench.checkpoints.edm_pickle import is_of

    return is_of(path, EDM)


@adapters.register(
    "edm",
    summary="EDM pickles: the file carries its constructor arguments",
    # Where the catalogue says it: the planner does not read the file.
    process=lambda config, shape: process(config["process"]) if "process" in config else None,
    suffixes=(".pkl",),
    precisions=NETWORKS,
    compiles=True,
    recognises=_recognises,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The EMA model of an EDM pickle; of `config` the planner alone takes "process"."""
    import torch

    from samplebench.checkpoints.edm_pickle import read
    from samplebench.checkpoints.weights import assign
    from samplebench.models.preconditioned import PreconditionedModel
    from samplebench.networks.preconditioning import preconditioner

    file = read(path)
    with torch.device("meta"):
        network = preconditioner(file.class_name, file.init_kwargs)
    assign(network, file.tensors, path)
    model = PreconditionedModel(network, device=device, dtype=dtype)
    model.provenance = file.provenance
    return model
