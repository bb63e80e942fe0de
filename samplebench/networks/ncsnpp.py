"""gDDIM's NCSN++ as the SongUNet that is the same function.

Source: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", appendix H; Zhang, Tao & Chen 2023, "gDDIM", whose networks receive log(999 t).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from samplebench.errors import InputError
from samplebench.networks.edm_arguments import RULES
from samplebench.networks.edm_layers import FourierEmbedding
from samplebench.networks.song_unet import SongUNet

# The release's word -> SongUNet's.
_WORDS = {
    "image_size": "img_resolution",
    "in_channels": "img_channels",
    "nf": "model_channels",
    "ch_mult": "channel_mult",
    "num_res_blocks": "num_blocks",
    "attn_resolutions": "attn_resolutions",
}
# Widths that SongUNet derives from nf; the releases' are these multiples of it.
_MULTIPLES = {"fourier_size": 1, "temb_dim": 4}
_TIME_SCALE = 999


def songunet_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """SongUNet's arguments, with img_channels for its in_channels and out_channels.

    Args:
        config: the release's model_config: image_size, in_channels, nf, ch_mult, num_res_blocks,
            attn_resolutions, fourier_size and temb_dim; other keys are ignored.

    Raises:
        InputError: a missing or impossible value.
    """
    for key in (*_WORDS, *_MULTIPLES):
        if key not in config:
            raise InputError(f"gddim: model_config lacks '{key}'")
    for key, ours in _WORDS.items():
        if not RULES[ours].test(config[key]):
            shown = reprlib.repr(config[key])
            raise InputError(f"gddim: {key} is {shown}; it must be {RULES[ours].words}")
    for key, multiple in _MULTIPLES.items():
        if config[key] != multiple * config["nf"]:
            shown = reprlib.repr(config[key])
            raise InputError(
                f"gddim: {key} is {shown}; with nf {config['nf']} it must be "
                f"{multiple * config['nf']}, as in the releases"
            )
    halvings = len(config["ch_mult"]) - 1
    if config["image_size"] % 2**halvings:
        raise InputError(
            f"gddim: image_size {config['image_size']} cannot be halved {halvings} times, once "
            "per level of ch_mult after the first"
        )
    return {ours: config[key] for key, ours in _WORDS.items()} | {
        "embedding_type": "fourier",
        "channel_mult_noise": 2,  # a sine and a cosine of each of the frequencies
        "encoder_type": "residual",
        "decoder_type": "standard",
        "resample_filter": [1, 3, 3, 1],
    }


def ncsnpp(arguments: Mapping[str, Any]) -> SongUNet:
    """The network of `songunet_arguments`, without weights.

    Raises:
        InputError: widths that do not fit together.
    """
    others = {key: value for key, value in arguments.items() if key != "img_channels"}
    channels = arguments["img_channels"]
    try:
        network = SongUNet(in_channels=channels, out_channels=channels, **others)
    except ValueError as error:
        raise InputError(f"gddim: the model_config makes no network: {error}") from None
    network.map_noise = _LateFourier(arguments["channel_mult_noise"] * arguments["model_channels"])
    return network


class _LateFourier(FourierEmbedding):
    """The same sinusoids, 2 pi multiplied last, as where these networks were trained.

    The angles reach 1e3: the other order of the roundings moves the output by 1e-4.
    """

    def forward(self, x: Tensor) -> Tensor:
        angles = x.outer(self.freqs.to(x.dtype)) * 2 * math.pi
        return torch.cat([angles.cos(), angles.sin()], dim=1)


def noise_label(t: float) -> Tensor:
    """log(999 t), what the network receives at time t in (0, 1]: float32 [1] on the CPU."""
    # Rounded at t, the product and the logarithm, as where these networks were trained.
    return (torch.tensor([t], dtype=torch.float32) * _TIME_SCALE).log()
