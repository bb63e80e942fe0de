"""The extractors of Inception's layers: for FID, for Inception score, and for sFID."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from samplebench.features import inception_weights
from samplebench.features.colour import in_colour
from samplebench.features.inception_network import Layers, network_on, package_spec
from samplebench.registry import extractors


class _Layer:
    """Maps images to one layer of the Inception that FID is defined on.

    Bilinear resize to 299x299 on TensorFlow 1's grid and (x - 128) / 128, both inside the network
    (Heusel et al. 2017; the port is torch-fidelity's). Evaluated in float32. The extractors of its
    layers share the network, and one pass where they are given the same images.

    Attributes:
        name: of the layer.
        feature_dim: D.
        weights_sha256: of the released file, in hex; known before it is fetched.
        numerics: 2 since a CPU's convolutions work with the channels last.
    """

    name: ClassVar[str]
    feature_dim: ClassVar[int]
    weights_sha256 = inception_weights.WEIGHTS.sha256
    numerics = 2

    def __init__(self, device: str | torch.device = "cpu") -> None:
        self._network = network_on(torch.device(device))
        self._network.readers.add(self)

    @classmethod
    def fetch(cls, *, offline: bool, quiet: bool) -> Path:
        """Brings what the extractor needs: its weights, in a verified file.

        Args:
            offline: open no connection.
            quiet: nothing on stderr.

        Raises:
            EnvironmentError_: torch-fidelity is not installed, or the file cannot be fetched.
            InputError: the file is not the released one.
        """
        package_spec()
        return inception_weights.weights_file(offline=offline, quiet=quiet)

    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: uint8 [N, 1 or 3, H, W] on any device; grey ones count as three equal channels.

        Returns:
            float64 [N, D] on the CPU: what moments are accumulated in, and Metal lacks.

        Raises:
            ValueError: another dtype or shape.
        """
        images = in_colour(images, self.name)
        if not len(images):
            return torch.zeros(0, self.feature_dim, dtype=torch.float64)
        return torch.cat([self._of(layers) for layers in self._network.layers(images)]).double()

    def _of(self, layers: Layers) -> Tensor:
        """The layer, float32 [n, D]."""
        raise NotImplementedError


@extractors.register("inception", summary="2048 pooled features of the 2015-12-05 Inception: FID's")
class InceptionExtractor(_Layer):
    """The 2048 pooled features."""

    name = "inception"
    feature_dim = 2048

    def _of(self, layers: Layers) -> Tensor:
        return layers.pool


@extractors.register(
    "inception-logits", summary="the same network's 1008 logits without bias: Inception score's"
)
class InceptionLogits(_Layer):
    """The 1008 logits without bias, which Inception score is made of (Salimans et al. 2016).

    torch-fidelity calls them logits_unbiased.
    """

    name = "inception-logits"
    feature_dim = 1008

    def _of(self, layers: Layers) -> Tensor:
        return layers.logits


@extractors.register(
    "inception-spatial", summary="the same network's 7 channels at 17x17 positions: sFID's"
)
class InceptionSpatial(_Layer):
    """The first 7 channels of Mixed_6d.branch1x1 after its ReLU, at 17x17 positions.

    In the order (row, column, channel) of guided-diffusion's mu_s and sigma_s (Nash et al. 2021).
    """

    name = "inception-spatial"
    feature_dim = 2023

    def _of(self, layers: Layers) -> Tensor:
        return layers.spatial
