"""The extractor of FID: the 2015-12-05 Inception, as torch-fidelity ports it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from samplebench.errors import EnvironmentError_
from samplebench.features import inception_weights
from samplebench.registry import extractors

# Features depend a little on the size of the batch: it is always this one, filled up with zeros.
BATCH = 64
_PACKAGE = "torch_fidelity"


@extractors.register("inception", summary="2048 pooled features of the 2015-12-05 Inception: FID's")
class InceptionExtractor:
    """Maps images to the 2048 pooled features of the Inception that FID is defined on.

    Bilinear resize to 299x299 on TensorFlow 1's grid and (x - 128) / 128, both inside the network
    (Heusel et al. 2017; the port is torch-fidelity's). Evaluated in float32.

    Attributes:
        name: "inception".
        feature_dim: 2048.
        weights_sha256: of the released file, in hex; known before it is fetched.
    """

    name = "inception"
    feature_dim = 2048
    weights_sha256 = inception_weights.WEIGHTS.sha256

    def __init__(self, device: str | torch.device = "cpu") -> None:
        made = inception_class()
        tensors = inception_weights.read_weights(inception_weights.weights_file())
        self._device = torch.device(device)
        if self._device.type == "cuda":
            # float32 is to mean float32 here too, where no model has been loaded before.
            torch.backends.cudnn.allow_tf32 = False
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "checked.pth"
            torch.save(tensors, copy)
            net = made(self.name, [str(self.feature_dim)], feature_extractor_weights_path=str(copy))
        self._net = net.to(self._device).eval().requires_grad_(False)

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
        _package_spec()
        return inception_weights.weights_file(offline=offline, quiet=quiet)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Features of images.

        Args:
            images: uint8 [N, 1 or 3, H, W] on any device; grey ones count as three equal channels.

        Returns:
            float64 [N, 2048] on the CPU: what moments are accumulated in, and Metal lacks.

        Raises:
            ValueError: another dtype or shape.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                "the 'inception' extractor takes uint8 images [N, 1 or 3, H, W], "
                f"not {str(images.dtype).removeprefix('torch.')} {list(images.shape)}"
            )
        if not len(images):
            return torch.zeros(0, self.feature_dim, dtype=torch.float64)
        # Memory format picks the convolution's algorithm, and with it the last bits.
        colour = images.to(self._device).expand(-1, 3, -1, -1).contiguous()
        return torch.cat([self._features(batch) for batch in colour.split(BATCH)])

    def _features(self, batch: Tensor) -> Tensor:
        """Features of at most BATCH images, float64 on the CPU."""
        filled = pad(batch, (0, 0, 0, 0, 0, 0, 0, BATCH - len(batch)))
        (features,) = self._net(filled)
        return features[: len(batch)].to("cpu", torch.float64)


def inception_class() -> Any:
    """torch-fidelity's network class, imported without the package around it.

    The package imports torchvision, which the network does not need and which fails to import
    where it was built for another torch (a CPU-only one, often).

    Raises:
        EnvironmentError_: torch-fidelity is not installed.
    """
    spec = _package_spec()
    module = f"{_PACKAGE}.feature_extractor_inceptionv3"
    if _PACKAGE in sys.modules:
        return importlib.import_module(module).FeatureExtractorInceptionV3
    # A package whose own __init__ has not run still knows where its modules are.
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(module).FeatureExtractorInceptionV3
    finally:
        # Whoever imports the package next gets it whole.
        for name in [key for key in sys.modules if key.split(".")[0] == _PACKAGE]:
            del sys.modules[name]


def _package_spec() -> Any:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise EnvironmentError_(
            "inception features need torch-fidelity, which is not installed: pip install "
            "'samplebench[fid]', or without torchvision pip install --no-deps torch-fidelity"
        )
    return spec
