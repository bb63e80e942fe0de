"""The 2015-12-05 Inception as torch-fidelity ports it: loaded once, three layers from one pass."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor
from torch.nn.functional import pad

from samplebench.errors import EnvironmentError_
from samplebench.features import inception_weights
from samplebench.features.shared import Shared
from samplebench.files.temporary import scratch

# Features depend a little on the size of the batch: it is always this one, filled up with zeros.
BATCH = 64
# Of Mixed_6d.branch1x1; guided-diffusion's sFID takes so many of its 192 channels.
CHANNELS = 7
_PACKAGE = "torch_fidelity"


class Layers(NamedTuple):
    """What one pass gives, float32 on the CPU.

    Attributes:
        pool: [N, 2048].
        logits: [N, 1008], without bias.
        spatial: [N, 2023], 17 x 17 positions of 7 channels, the channel running fastest.
    """

    pool: Tensor
    logits: Tensor
    spatial: Tensor


class InceptionNetwork:
    """The network on a device, and what it said of the last images.

    Extractors of its layers are called one after the other on the same images. Where several are
    there, the outputs of the last images, 20 kB for each, are kept by the images' content, so that
    the first one runs the network and the others find them.

    Attributes:
        readers: the extractors that are there.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        """Args:
        path: of the verified weights.
        device: to run on.
        """
        made = inception_class()
        tensors = inception_weights.read_weights(path)
        self._device = device
        with scratch("Inception's weights") as folder:
            copy, packed = folder / "checked.pth", io.BytesIO()
            # Through memory: torch's own writer does not say that a disk is full.
            torch.save(tensors, packed)
            copy.write_bytes(packed.getbuffer())
            net = made(
                "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(copy)
            )
        # The order that a CPU's convolutions work in: as they are, they take half as long again.
        order = torch.channels_last if device.type == "cpu" else torch.contiguous_format
        self.net = net.to(device, memory_format=order).eval().requires_grad_(False)
        self._spatial = spatial = list[Tensor]()
        # Not a method: the network would keep itself alive.
        self.net.Mixed_6d.branch1x1.register_forward_hook(
            lambda _, __, output: spatial.append(
                output[:, :CHANNELS].permute(0, 2, 3, 1).flatten(1)
            )
        )
        self._last = dict[str, Layers]()
        # What the hook is given, and what is remembered, is of one call.
        self._one_at_a_time = threading.Lock()
        self.readers: WeakSet[Any] = WeakSet()

    @torch.inference_mode()
    def layers(self, images: Tensor) -> list[Layers]:
        """Of uint8 images [N, 1 or 3, H, W], N > 0, batch by batch; one thread at a time."""
        with self._one_at_a_time:
            return self._layers(images.split(BATCH))

    def _layers(self, batches: Sequence[Tensor]) -> list[Layers]:
        if len(self.readers) < 2:
            self._last = {}
            return [self._pass(batch) for batch in batches]
        keys = [_content(batch) for batch in batches]
        self._last = {key: found for key, found in self._last.items() if key in keys}
        for key, batch in zip(keys, batches, strict=True):
            if key not in self._last:
                self._last[key] = self._pass(batch)
        return [self._last[key] for key in keys]

    def _pass(self, batch: Tensor) -> Layers:
        """The layers of at most BATCH images."""
        # Memory format picks the convolution's algorithm, and with it the last bits: one for all.
        colour = batch.to(self._device).expand(-1, 3, -1, -1).contiguous()
        filled = pad(colour, (0, 0, 0, 0, 0, 0, 0, BATCH - len(batch)))
        try:
            outputs = (*self.net(filled), *self._spatial)
        finally:
            self._spatial.clear()
        return Layers(*(output[: len(batch)].cpu() for output in outputs))


_networks = Shared[InceptionNetwork]()


def network_on(device: torch.device) -> InceptionNetwork:
    """The network of this process on a device.

    Raises:
        EnvironmentError_: torch-fidelity is not installed, or the weights cannot be fetched.
        InputError: the weights are not the released ones.
    """
    path, weights = inception_weights.weights_file(), inception_weights.WEIGHTS
    return _networks.on(device, weights.sha256, lambda: InceptionNetwork(path, device))


def _content(batch: Tensor) -> str:
    """A hash of images: the tensor itself may be another one, or hold other images by now."""
    digest = hashlib.sha256(str(list(batch.shape)).encode())
    digest.update(batch.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def inception_class() -> Any:
    """torch-fidelity's network class, imported without the package around it.

    The package imports torchvision, which the network does not need and which fails to import
    where it was built for another torch (a CPU-only one, often).

    Raises:
        EnvironmentError_: torch-fidelity is not installed.
    """
    spec = package_spec()
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


def package_spec() -> Any:
    """Where torch-fidelity is.

    Raises:
        EnvironmentError_: it is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise EnvironmentError_(
            "inception features need torch-fidelity, which is not installed: pip install "
            "'samplebench[fid]', or without torchvision pip install --no-deps torch-fidelity"
        )
    return spec
