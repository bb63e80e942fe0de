"""The embedded models: each one's network, objective and release's configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from embedded_models import objectives
from embedded_models.linear_objective import NoiseOnLinear
from samplebench.adapters.openai.flags import unet
from samplebench.adapters.score_sde import config as score_sde_config
from samplebench.networks.ncsnpp import ncsnpp, songunet_arguments
from samplebench.networks.preconditioning import VEPrecond, preconditioner
from samplebench.processes import trained_process
from samplebench.processes.discrete import discrete_process

# Of the random frequencies of ln sigma and ln t. The releases' 16 tells times apart that differ by
# a hundredth: more than a run of minutes learns.
FOURIER_SCALE = 1
SIZE = {"data.image_size": 8, "data.num_channels": 1}
_SCORE_NET = {
    "name": "ncsnpp",
    "resblock_type": "biggan",
    "nonlinearity": "swish",
    "normalization": "GroupNorm",
    "skip_rescale": True,
    "resamp_with_conv": True,
    "conditional": True,
    "progressive": "none",
    "nf": 28,
    "ch_mult": [1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [4],
    "num_scales": 1000,
}
VP = {
    "training.sde": "vpsde",
    "data.centered": True,
    **SIZE,
    "model_config": {
        **_SCORE_NET,
        "embedding_type": "positional",
        "scale_by_sigma": False,
        "progressive_input": "none",
        "fir": False,
        "beta_min": 0.1,
        "beta_max": 20.0,
    },
}
VE = {
    "training.sde": "vesde",
    "data.centered": False,
    **SIZE,
    "model_config": {
        **_SCORE_NET,
        "embedding_type": "fourier",
        "scale_by_sigma": True,
        "progressive_input": "residual",
        "fir": True,
        "fir_kernel": [1, 3, 3, 1],
        "fourier_scale": FOURIER_SCALE,
        "sigma_min": 0.01,
        "sigma_max": 10.0,
    },
}
EDM = {
    "img_resolution": 8,
    "img_channels": 1,
    "label_dim": 0,
    "model_type": "SongUNet",
    "model_channels": 32,
    "channel_mult": [1, 1],
    "num_blocks": 1,
    "attn_resolutions": [4],
}
_OPENAI = {
    "image_size": 8,
    "in_channels": 1,
    "out_channels": 2,
    "model_channels": 32,
    "num_res_blocks": 1,
    "channel_mult": [1, 1],
    "attention_resolutions": [2],
    "use_scale_shift_norm": True,
    "num_classes": 10,
}
_ADM = {"num_head_channels": 16, "resblock_updown": True}
IDDPM = {
    "family": "improved-diffusion",
    "architecture": {**_OPENAI, "num_heads": 2},
    "diffusion": {"learn_sigma": True, "noise_schedule": "cosine", "diffusion_steps": 4000},
    "image_size": 8,
}
_COSINE = {"learn_sigma": True, "noise_schedule": "cosine", "diffusion_steps": 1000}
ADM = {
    "family": "guided-diffusion",
    "architecture": {**_OPENAI, **_ADM},
    "diffusion": _COSINE,
    "image_size": 8,
}
ADM_IP = {
    "family": "ddpm-ip",
    "architecture": {**_OPENAI, **_ADM, "use_new_attention_order": True},
    "diffusion": _COSINE,
    "image_size": 8,
}
_GDDIM = {
    "image_size": 8,
    "nf": 28,
    "ch_mult": [1, 1],
    "num_res_blocks": 1,
    "attn_resolutions": [4],
    "fourier_size": 28,
    "temb_dim": 112,
}
CLD = {"process": "cld", "model_config": {**_GDDIM, "in_channels": 2}}
# The same blur as the release's, in units of the image.
BDM = {"process": "bdm", "sigma_blur_max": 2.5, "model_config": {**_GDDIM, "in_channels": 1}}


@dataclass(frozen=True)
class Settings:
    """How long and how fast.

    Attributes:
        steps: of the optimiser.
        batch: images per step.
        rate: highest learning rate; it rises over the first 2 % and falls as a cosine to 0.
        muon: the rate of the layers that Muon trains over that of the others, which Adam does.
        half_life: of the average of the weights, in steps; shorter at the start.
        seed: of the weights and of all random numbers.
    """

    steps: int = 12_000
    batch: int = 64
    rate: float = 2e-3
    muon: float = 10.0
    half_life: int = 200
    seed: int = 0

    def rate_at(self, step: int) -> float:
        rise = min(1.0, (step + 1) / (0.02 * self.steps))
        return self.rate * rise * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def decay_at(self, step: int) -> float:
        return 0.5 ** (1 / min(self.half_life, max(1.0, step / 20)))


@dataclass(frozen=True)
class Recipe:
    """One model.

    Attributes:
        build: its network, not initialised.
        objective: see objectives.py.
        container: "score-sde", "edm", "openai" or "gddim", whose file is written.
        config: in the words of that release.
        conditional: whether it is trained with labels.
        encode: the images as the objective's posterior wants them.
        settings: of the training.
    """

    build: Callable[[], nn.Module]
    objective: objectives.Objective
    container: str
    config: Mapping[str, Any]
    conditional: bool = False
    encode: Callable[[Tensor], Tensor] = lambda images: images
    settings: Settings = Settings()


def _score_sde(config: Mapping[str, Any], objective: objectives.Objective) -> Recipe:
    name, arguments = score_sde_config.songunet_arguments(config)
    return Recipe(lambda: preconditioner(name, arguments), objective, "score-sde", config)


def _openai(config: Mapping[str, Any], perturbation: float = 0.0) -> Recipe:
    flags = {"family": config["family"], **config["diffusion"]}
    return Recipe(
        lambda: unet(config["family"], config),
        objectives.Hybrid(discrete_process(flags), perturbation),
        "openai",
        config,
        conditional="num_classes" in config["architecture"],
        settings=Settings(steps=14_000),
    )


def _gddim(config: Mapping[str, Any]) -> Recipe:
    arguments = songunet_arguments(config["model_config"])
    law = trained_process(config, arguments["img_resolution"])
    return Recipe(
        lambda: ncsnpp(arguments),
        NoiseOnLinear(law),
        "gddim",
        config,
        encode=lambda images: law.encode(images)[:, 0],
    )


# What still gains after the others' steps.
_LONGER = Settings(steps=30_000)
RECIPES: Mapping[str, Recipe] = {
    "digits-vp": replace(_score_sde(VP, objectives.vp), settings=_LONGER),
    "digits-ve": _score_sde(VE, objectives.ve),
    "digits-edm": Recipe(lambda: preconditioner("EDMPrecond", EDM), objectives.edm, "edm", EDM),
    "digits-adm": _openai(ADM),
    "digits-iddpm": _openai(IDDPM),
    "digits-adm-ip": _openai(ADM_IP, perturbation=0.1),
    "digits-adm-base": _openai(ADM_IP),
    "digits-cld": replace(_gddim(CLD), settings=_LONGER),
    "digits-bdm": _gddim(BDM),
}


def initialise(network: nn.Module, rng: torch.Generator) -> None:
    """Weights with variance 1 / fan-in; what a residual block or the network ends in is zero."""
    for name, parameter in network.named_parameters():
        layer = name.rsplit(".", 1)[0].removeprefix("model.")
        if parameter.ndim == 1:
            norm = name.endswith("weight")
            nn.init.constant_(parameter, 1.0 if norm else 0.0)
        elif layer.endswith(("conv1", "proj", "proj_out", "aux_conv", "out_layers.3", "out.2")):
            nn.init.zeros_(parameter)
        else:
            fan_in = parameter[0].numel()
            nn.init.normal_(parameter, std=fan_in**-0.5, generator=rng)
    if isinstance(network, VEPrecond):
        # Its input is not scaled, and group norms forget how large it is unless a constant of that
        # size stands beside it: the stem's biases cover all noise levels.
        stem = next(p for n, p in network.named_parameters() if n.endswith("_conv.bias"))
        nn.init.uniform_(stem, -1, math.log10(network.sigma_max), generator=rng)
        with torch.no_grad():
            stem.copy_(10**stem)
    for name, buffer in network.named_buffers():
        if name.endswith("map_noise.freqs"):
            nn.init.normal_(buffer, std=FOURIER_SCALE, generator=rng)
