"""A network in memory that follows the convention of a release."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from samplebench.errors import unknown
from samplebench.models.discrete import DiscreteModel
from samplebench.models.edm import EDMModel
from samplebench.models.model import Model
from samplebench.models.modules import device_of, dtype_of
from samplebench.processes.discrete import OPENAI_FAMILIES, discrete_process

FAMILIES = (*OPENAI_FAMILIES, "edm", "alpha_bar")


def check_family(family: str) -> None:
    """Raises `UsageError` for one that does not exist."""
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)


def of_family(
    network: Callable[..., Tensor],
    family: str,
    config: Mapping[str, Any],
    shape: tuple[int, int, int],
    num_classes: int,
) -> Model:
    """A model in the words of `sb.wrap`, which are checked.

    Raises:
        InputError: a value in `config` that is not of its kind.
    """
    device, own = device_of(network), dtype_of(network)
    if family == "edm":
        return EDMModel(
            network, config, shape=shape, num_classes=num_classes, device=device, dtype=own
        )
    flags = dict(config)
    if family == "alpha_bar":
        flags |= {"predict_xstart": True, "learn_sigma": False, "rescale_timesteps": False}
    else:
        flags["family"] = family
    diffusion = discrete_process(flags)
    function = network
    if family == "alpha_bar":
        function = _on_table(network, diffusion.sigmas, bool(num_classes), own)
    return DiscreteModel(
        function,
        diffusion,
        shape=shape,
        num_classes=num_classes,
        device=device,
        dtype=None if family == "alpha_bar" else own or torch.float32,
        respacing=str(config.get("timestep_respacing", "")),
        sigma_table=str(config.get("sigma_table", "exact")),
    )


def _on_table(
    denoiser: Callable[..., Tensor], sigmas: Any, conditional: bool, own: torch.dtype | None
) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """D(x; sigma) as a network of (x_t, t, y) that answers with x0."""
    table = torch.from_numpy(sigmas)

    @functools.wraps(denoiser, updated=())
    def network(x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        sigma = table[t.cpu()]
        x = x_t * (1 + sigma.square()).sqrt().to(x_t).reshape(-1, 1, 1, 1)
        if own is not None:
            x, sigma = x.to(own), sigma.to(own)
        return denoiser(x, sigma, y) if conditional else denoiser(x, sigma)

    return network
