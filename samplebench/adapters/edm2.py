"""EDM2's checkpoints (NVlabs): networks of pixels, and of latents, which make no images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.devices import NETWORKS
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


def _recognises(path: Path) -> bool:
    from samplebench.checkpoints.edm_families import EDM2
    from samplebench.checkpoints.edm_pickle import is_of

    return is_of(path, EDM2)


@adapters.register(
    "edm2",
    summary="EDM2 pickles: the file carries its constructor arguments",
    protocol="edm2",
    suffixes=(".pkl",),
    precisions=NETWORKS,
    compiles=True,
    recognises=_recognises,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The network of an EDM2 pickle; `config` is not needed.

    In float32 its weights stay as the file stores them, float16 in the released ones: they are
    normalised at every call, and the gains among them must keep their rounding. In half precision
    they are normalised once.
    """
    import torch

    from samplebench.checkpoints.edm_families import EDM2, LATENT_ENCODER
    from samplebench.checkpoints.edm_pickle import read
    from samplebench.checkpoints.weights import assign
    from samplebench.models.preconditioned import PreconditionedModel
    from samplebench.networks.edm2_denoiser import edm2_denoiser

    file = read(path, EDM2)
    with torch.device("meta"):
        network = edm2_denoiser(file.init_kwargs)
    assign(network, file.tensors, path)
    model = PreconditionedModel(network, device=device, dtype=dtype)
    model.latents = file.encoder == LATENT_ENCODER
    model.state_dtype = torch.float32  # as the release's sampler has it
    model.provenance = file.provenance
    return model
