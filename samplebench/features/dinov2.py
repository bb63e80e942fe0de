"""The extractors of FD-DINOv2: one network, images resized as EDM2 does or as dgm-eval does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from samplebench.features import dinov2_weights
from samplebench.features.colour import in_colour
from samplebench.features.dinov2_network import SIDE, check_installed, class_token, network_on
from samplebench.registry import extractors

# Features depend a little on the size of the batch: it is always this one, filled up with zeros.
BATCH = 16
# Of ImageNet, in units of the whole range.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Sized:
    """Maps images to the 1024 features of DINOv2 ViT-L/14 (Oquab et al. 2024).

    The class token after the last normalization, of the image at 224x224 pixels, less ImageNet's
    mean, divided by its deviation. Evaluated in float32; resized on the CPU, on any device alike.

    Attributes:
        name: of network and resize rule.
        feature_dim: 1024.
        weights_sha256: of the released file, in hex; known before it is fetched.
    """

    name: ClassVar[str]
    feature_dim = 1024
    weights_sha256 = dinov2_weights.WEIGHTS.sha256

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        self._network = network_on(self._device)

    @classmethod
    def fetch(cls, *, offline: bool, quiet: bool) -> Path:
        """Brings what the extractor needs: its weights, in a verified file.

        Args:
            offline: open no connection.
            quiet: nothing on stderr.

        Raises:
            EnvironmentError_: transformers is not installed, or the file cannot be fetched.
            InputError: the file is not the released one.
        """
        check_installed()
        return dinov2_weights.weights_file(offline=offline, quiet=quiet)

    @staticmethod
    def sized(images: Tensor) -> Tensor:
        """uint8 [N, 3, H, W] on the CPU to float32 [N, 3, 224, 224], 0 to 255."""
        raise NotImplementedError

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: uint8 [N, 1 or 3, H, W] on any device; grey ones count as three equal channels.

        Returns:
            float64 [N, 1024] on the CPU: what moments are accumulated in, and Metal lacks.

        Raises:
            ValueError: another dtype or shape.
        """
        images = in_colour(images, self.name)
        if not len(images):
            return torch.zeros(0, self.feature_dim, dtype=torch.float64)
        colour = images.cpu().contiguous()
        return torch.cat([self._features(batch) for batch in colour.split(BATCH)]).double()

    def _features(self, batch: Tensor) -> Tensor:
        """Features of at most BATCH images, float32 on the CPU."""
        mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (_MEAN, _STD))
        # Memory format picks the convolution's algorithm, and with it the last bits.
        ready = ((self.sized(batch) / 255 - mean) / std).contiguous()
        filled = pad(ready, (0, 0, 0, 0, 0, 0, 0, BATCH - len(batch)))
        return class_token(self._network, filled.to(self._device))[: len(batch)].cpu()


@extractors.register(
    "dinov2", summary="1024 features of DINOv2 ViT-L/14, images resized as EDM2 does: FD-DINOv2's"
)
class Dinov2Extractor(_Sized):
    """Resized in float32 by antialiased bicubic interpolation, neither clipped nor rounded.

    Karras et al. 2024 (EDM2) by default.
    """

    name = "dinov2"

    @staticmethod
    def sized(images: Tensor) -> Tensor:
        return interpolate(images.float(), size=(SIDE, SIDE), mode="bicubic", antialias=True)


@extractors.register(
    "dinov2-pil", summary="the same, images resized by PIL to whole numbers as dgm-eval does"
)
class Dinov2PilExtractor(_Sized):
    """Resized by PIL's bicubic filter on uint8, both sides to 224 pixels (Stein et al. 2023)."""

    name = "dinov2-pil"

    @staticmethod
    def sized(images: Tensor) -> Tensor:
        pixels = images.permute(0, 2, 3, 1).numpy()
        pictures = [
            np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            for image in pixels
        ]
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
