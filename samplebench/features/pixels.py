"""The extractor that needs no weights: an image's own pixels, averaged to 8x8."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from samplebench.features.colour import in_colour
from samplebench.registry import extractors

_SIDE = 8
_RULE = "RGB, grey images three times; average pooling to 8x8; divided by 127.5, minus 1; float64"


@extractors.register("pixels", summary="192 averages of 8x8 fields of colour; needs no weights")
class PixelsExtractor:
    """Maps images to their 8x8 averages: brightness, colour and coarse layout, nothing finer.

    A check that needs no download. It sees a wrong range, a wrong quantization, a missing class or
    samples that have diverged; it does not see what a person sees.

    Attributes:
        name: "pixels".
        feature_dim: 192, three channels of 8x8.
        weights_sha256: hash of the rule's wording, in hex.
    """

    name = "pixels"
    feature_dim = 3 * _SIDE**2
    weights_sha256 = hashlib.sha256(_RULE.encode()).hexdigest()

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: uint8 [N, 1 or 3, H, W] on any device; of fewer than 8 rows or columns each
                counts several times.

        Returns:
            float64 [N, 192] on the extractor's device.

        Raises:
            ValueError: another dtype or shape.
        """
        images = in_colour(images, self.name)
        # On the CPU: Metal has no float64.
        colour = images.to("cpu", torch.float64)
        pooled = adaptive_avg_pool2d(colour, _SIDE) / 127.5 - 1
        return pooled.flatten(1).to(self._device if self._device.type != "mps" else "cpu")
