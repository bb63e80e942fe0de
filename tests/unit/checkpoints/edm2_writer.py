"""Network pickles in EDM2's container whose embedded source must not run.

As a script: `edm2_writer.py INIT_KWARGS_JSON OUT`, all weights drawn from a normal distribution and
stored in float16.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

_spec = importlib.util.spec_from_file_location("genuine", Path(__file__).with_name("genuine.py"))
_genuine = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_genuine)
_edm, SOURCE = _genuine._writer, _genuine.SOURCE


class EasyDict(dict):
    """Pickled by its name alone."""


EasyDict.__module__ = "dnnlib.util"


@contextmanager
def _importable():
    """The pickler looks a class up where it says to be."""
    made = {name: ModuleType(name) for name in ("dnnlib", "dnnlib.util")}
    made["dnnlib.util"].EasyDict = EasyDict
    assert not made.keys() & sys.modules.keys()
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def _class_name(key, tree):
    if "out_conv" in tree:
        return "UNet"
    if "freqs" in tree:
        return "MPFourier"
    return "MPConv" if "weight" in tree else "Block"


class _Writer(_edm.Writer):
    buffers = ("freqs", "phases")

    def named(self, key, tree):
        name = _class_name(key, tree)
        attributes = {"_init_args": (), "_init_kwargs": {}}
        if name == "Block":
            attributes |= {"conv_skip": None, "clip_act": 256, "resample_filter": [1, 1]}
        return name, attributes


RECONSTRUCT = {
    1: _edm.Name("numpy.core.multiarray", "_reconstruct"),
    2: _edm.Name("numpy._core.multiarray", "_reconstruct"),
}


class _Pickler(_edm.Pickler):
    def reducer_override(self, obj):
        if isinstance(obj, np.ndarray):
            state = (1, obj.shape, obj.dtype, False, obj.tobytes())
            return RECONSTRUCT[self.numpy], (np.ndarray, (0,), b"b"), state
        return super().reducer_override(obj)


def dump(path, content, protocol=4, numpy=1):
    """Pickles objects as the reference's environment does."""
    with path.open("wb") as file, _importable():
        _Pickler(file, protocol, numpy).dump(content)


def write(
    path,
    tensors,
    init_kwargs,
    *,
    protocol=4,
    flavour="torch-2",
    numpy=1,
    latent=False,
    source=SOURCE,
):
    """Writes a state dict as a network pickle, of latents with the encoder that makes them."""
    tree = {}
    for name, tensor in tensors.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = tensor
    plain = {"_init_args": (), "_init_kwargs": {}}
    state = _Writer(flavour, source).state(tree) | {"_init_args": ()}
    state |= {"_init_kwargs": EasyDict(init_kwargs)}
    encoder = {"vae_name": "stabilityai/sd-vae-ft-mse", "batch_size": 8, "_vae": None}
    encoder |= {name: np.linspace(0, 1, 4, dtype=np.float32) for name in ("scale", "bias")}
    made = "StabilityVAEEncoder" if latent else "StandardRGBEncoder"
    content = EasyDict(
        encoder=_edm.Persistent(made, {**(encoder if latent else {}), **plain}, "# encoder\n"),
        dataset_kwargs=EasyDict(class_name="training.dataset.ImageFolderDataset"),
        loss_fn=_edm.Persistent("EDM2Loss", {"P_mean": -0.8, **plain}, "# loss\n"),
        ema=_edm.Persistent("Precond", state, source),
    )
    dump(path, content, protocol, numpy)


def random_state(init_kwargs, dtype=torch.float16):
    """Weights that no activation overflows with."""
    from samplebench.networks.edm2_denoiser import edm2_denoiser

    with torch.device("meta"):
        network = edm2_denoiser(init_kwargs)
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(t.shape, generator=generator).to(dtype)
        for name, t in network.state_dict().items()
    }


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    write(Path(sys.argv[2]), random_state(arguments), arguments)
