"""The extractor of the 8x8 digits: a small network, evaluated in float64."""

from __future__ import annotations

import hashlib
from importlib import resources

import torch
from safetensors.torch import load
from torch import Tensor

from samplebench.networks.digits_features import DigitsFeatures
from samplebench.networks.trunk import channels_last
from samplebench.registry import extractors

# Bounds the memory of the activations; no result depends on it.
CHUNK = 1024
_WEIGHTS = resources.files("samplebench.embedded") / "digits-extractor.safetensors"


@extractors.register("digits", summary="64 features of a small network trained on the UCI digits")
class DigitsExtractor:
    """Maps 8x8 grey images to the 64 features of `DigitsFeatures` with the embedded weights.

    Attributes:
        name: "digits".
        feature_dim: 64.
        weights_sha256: hash of the weight file, in hex.
    """

    name = "digits"
    feature_dim = DigitsFeatures.feature_dim
    # Of the class, so that it is known before one is made.
    weights_sha256 = hashlib.sha256(_WEIGHTS.read_bytes()).hexdigest()

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        net = DigitsFeatures()
        net.load_state_dict(load(_WEIGHTS.read_bytes()))
        # In float64 the order of summation, which depends on batch and platform, hardly shows.
        self._net = net.to(self._device, torch.float64).eval().requires_grad_(False)
        channels_last(self._net)  # which on a CPU takes half the time

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: uint8 [N, 1, 8, 8] on any device, 0 is background and 255 full ink.

        Returns:
            float64 [N, 64] on the extractor's device.

        Raises:
            ValueError: another dtype or shape.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (1, 8, 8):
            raise ValueError(
                "the 'digits' extractor takes uint8 images [N, 1, 8, 8], "
                f"not {str(images.dtype).removeprefix('torch.')} {list(images.shape)}"
            )
        chunks = images.to(self._device).split(CHUNK)
        return torch.cat([self._net(chunk.double() / 127.5 - 1) for chunk in chunks])
