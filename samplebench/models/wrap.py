"""`sb.wrap`: a network that is in memory already, as a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.answers.scalars import plain, scalar, values
from samplebench.errors import UsageError, unknown
from samplebench.processes.discrete import OPENAI_FAMILIES

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samplebench.models.model import Model

FAMILIES = (*OPENAI_FAMILIES, "edm", "alpha_bar")


def wrap(
    network: Callable[..., Tensor],
    *,
    family: str,
    config: Mapping[str, Any],
    shape: Sequence[int],
    num_classes: int = 0,
) -> Model:
    """A network as a model for `sb.sample`.

    Args:
        network: what a family says:
            "improved-diffusion", "guided-diffusion", "ddpm-ip": network(x_t, t, y) -> the noise
            [N, C, H, W], with the variance channels behind it where learn_sigma is set;
            "edm": network(x, sigma, class_labels) -> the denoised images, class_labels one-hot;
            "alpha_bar": a denoiser callable(x, sigma) on x = x0 + sigma n, sigma [N], with
            (x, sigma, labels) where it has classes, put on the steps of a discrete process.
            A torch module is switched to evaluation, stays on its device and receives its own
            precision, whatever that of the state: x, sigma and one-hot labels in the dtype of its
            parameters. A function receives x in the state's dtype, "improved-diffusion",
            "guided-diffusion" and "ddpm-ip" in float32.
        family: one of those.
        config: in the release's words: noise_schedule, diffusion_steps, timestep_respacing (only
            what `sb.sample` keeps where it is not told), rescale_timesteps, learn_sigma,
            sigma_small, predict_xstart; sigma_table "edm" for the noise levels of EDM's wrapper.
            edm: sigma_min, sigma_max. alpha_bar: noise_schedule, diffusion_steps, sigma_small.
        shape: (C, H, W) of one image.
        num_classes: 0 for an unconditional network.

    Raises:
        UsageError: an unknown family, or a shape that is not (C, H, W).
        InputError: a value in `config` that is not of its kind.
    """
    import torch

    from samplebench.models.discrete import DiscreteModel
    from samplebench.models.edm import EDMModel
    from samplebench.processes.discrete import discrete_process

    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    found = values(shape)
    if len(found) != 3 or not all(type(n) is int and n > 0 for n in found):
        raise UsageError(f"shape={tuple(found)} must be (C, H, W), e.g. (3, 32, 32)")
    size, config = (found[0], found[1], found[2]), plain(config)
    num_classes = scalar(num_classes)
    if type(num_classes) is not int or num_classes < 0:
        raise UsageError(f"num_classes={num_classes!r} must be a whole number, 0 for none")
    device, own = _device(network), _dtype(network)
    module = _module(network)
    if module is not None:
        module.eval()
    if family == "edm":
        return EDMModel(
            network, config, shape=size, num_classes=num_classes, device=device, dtype=own
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
        shape=size,
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
    import torch

    table = torch.from_numpy(sigmas)

    @functools.wraps(denoiser, updated=())
    def network(x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        sigma = table[t.cpu()]
        x = x_t * (1 + sigma.square()).sqrt().to(x_t).reshape(-1, 1, 1, 1)
        if own is not None:
            x, sigma = x.to(own), sigma.to(own)
        return denoiser(x, sigma, y) if conditional else denoiser(x, sigma)

    return network


def _device(network: Any) -> torch.device:
    """Where a network's tensors are; a function says it by an attribute, or is on the CPU."""
    import torch

    module = _module(network)
    if module is not None:
        tensor = next(iter(_tensors(module)), None)
        return torch.device("cpu") if tensor is None else tensor.device
    return torch.device(getattr(network, "device", "cpu"))


def _dtype(network: Any) -> torch.dtype | None:
    """What a network computes in; None for a function, which may take anything.

    Of several the widest: half-precision trunks come with embeddings and norms in float32, and
    narrow their input themselves.
    """
    import torch

    module = _module(network)
    if module is None or getattr(module, "takes_any_dtype", False):
        return None
    kinds = [tensor.dtype for tensor in _tensors(module) if tensor.is_floating_point()]
    return functools.reduce(torch.promote_types, kinds) if kinds else None


def _module(network: Any) -> torch.nn.Module | None:
    """The torch module that a network is, or whose method or partial call it is."""
    import torch

    while isinstance(network, functools.partial):
        network = network.func
    network = getattr(network, "__self__", network)
    return network if isinstance(network, torch.nn.Module) else None


def _tensors(module: torch.nn.Module) -> Iterator[Tensor]:
    """Its parameters; its buffers where it has none."""
    yield from module.parameters()
    if next(module.parameters(), None) is None:
        yield from module.buffers()
