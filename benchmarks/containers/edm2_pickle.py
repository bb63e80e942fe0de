"""Writes network pickles as EDM2's training loop does; the objects are laid out as EDM's are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from containers import edm_pickle


class EasyDict(dict):
    """Pickled by its name alone."""


EasyDict.__module__ = "dnnlib.util"


@contextmanager
def _importable() -> Iterator[None]:
    """The pickler looks a class up where it says to be."""
    made = {name: ModuleType(name) for name in ("dnnlib", "dnnlib.util")}
    made["dnnlib.util"].EasyDict = EasyDict  # type: ignore[attr-defined]
    assert not made.keys() & sys.modules.keys()
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def _class_name(tree: Mapping[str, Any]) -> str:
    if "out_conv" in tree:
        return "UNet"
    if "freqs" in tree:
        return "MPFourier"
    return "MPConv" if "weight" in tree else "Block"


class _Writer(edm_pickle.Writer):
    buffers = ("freqs", "phases")

    def named(self, key: str, tree: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        name = _class_name(tree)
        attributes: dict[str, Any] = {"_init_args": (), "_init_kwargs": {}}
        if name == "Block":
            attributes |= {"conv_skip": None, "clip_act": 256, "resample_filter": [1, 1]}
        return name, attributes


RECONSTRUCT = {
    1: edm_pickle.Name("numpy.core.multiarray", "_reconstruct"),
    2: edm_pickle.Name("numpy._core.multiarray", "_reconstruct"),
}


class _Pickler(edm_pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray):
            state = (1, obj.shape, obj.dtype, False, obj.tobytes())
            return RECONSTRUCT[self.numpy], (np.ndarray, (0,), b"b"), state
        return super().reducer_override(obj)


def dump(path: Path, content: Any, protocol: int = 4, numpy: int = 1) -> None:
    """Pickles objects as the reference's environment does."""
    with path.open("wb") as file, _importable():
        _Pickler(file, protocol, numpy).dump(content)


def write(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    init_kwargs: Mapping[str, Any],
    *,
    source: str,
    protocol: int = 4,
    flavour: str = "torch-2",
    numpy: int = 1,
    latent: bool = False,
) -> None:
    """Writes a state dict as a network pickle, of latents with the encoder that makes them.

    Args:
        source, protocol, flavour, numpy: as of EDM's.
    """
    tree: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = tensor
    plain: dict[str, Any] = {"_init_args": (), "_init_kwargs": {}}
    state = _Writer(flavour, source).state(tree) | {"_init_args": ()}
    state |= {"_init_kwargs": EasyDict(init_kwargs)}
    encoder: dict[str, Any] = {
        "vae_name": "stabilityai/sd-vae-ft-mse",
        "batch_size": 8,
        "_vae": None,
    }
    encoder |= {name: np.linspace(0, 1, 4, dtype=np.float32) for name in ("scale", "bias")}
    made = "StabilityVAEEncoder" if latent else "StandardRGBEncoder"
    content = EasyDict(
        encoder=edm_pickle.Persistent(
            made, {**(encoder if latent else {}), **plain}, "# encoder\n"
        ),
        dataset_kwargs=EasyDict(class_name="training.dataset.ImageFolderDataset"),
        loss_fn=edm_pickle.Persistent("EDM2Loss", {"P_mean": -0.8, **plain}, "# loss\n"),
        ema=edm_pickle.Persistent("Precond", state, source),
    )
    dump(path, content, protocol, numpy)


def random_state(
    init_kwargs: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> dict[str, torch.Tensor]:
    """Weights that no activation overflows with, as the released files store theirs."""
    from samplebench.networks.edm2_denoiser import edm2_denoiser

    with torch.device("meta"):
        network = edm2_denoiser(init_kwargs)
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(t.shape, generator=generator).to(dtype)
        for name, t in network.state_dict().items()
    }
