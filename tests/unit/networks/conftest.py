"""Small networks of every kind, with random weights."""

from __future__ import annotations

import pytest
import torch

_SONG = {
    "img_resolution": 8,
    "img_channels": 3,
    "model_channels": 8,
    "channel_mult": [1, 2],
    "num_blocks": 1,
    "attn_resolutions": [4],
    "model_type": "SongUNet",
}
_NCSNPP = {
    "embedding_type": "fourier",
    "encoder_type": "residual",
    "channel_mult_noise": 2,
    "resample_filter": [1, 3, 3, 1],
}
# Class name and constructor arguments; between them every preconditioner and every kind of network.
TINY = {
    "vp-ddpmpp": ("VPPrecond", _SONG),
    "ve-ncsnpp": ("VEPrecond", {**_SONG, **_NCSNPP}),
    "iddpm-adm": (
        "iDDPMPrecond",
        {**_SONG, "model_type": "DhariwalUNet", "model_channels": 32, "label_dim": 4},
    ),
    "edm-skip": (
        "EDMPrecond",
        {**_SONG, "encoder_type": "skip", "decoder_type": "skip", "label_dim": 4, "augment_dim": 9},
    ),
}


@pytest.fixture(params=TINY)
def tiny(request):
    """(class name, constructor arguments) of each small network in turn."""
    return TINY[request.param]


@pytest.fixture
def filled():
    """Gives a network random weights; the same ones every time."""

    def fill(network: torch.nn.Module) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(0, 0.1, generator=generator)
            for name, buffer in network.named_buffers():
                if name.endswith("freqs"):
                    buffer.normal_(generator=generator)
        return network.requires_grad_(False)

    return fill
