"""Files of other formats given as a checkpoint are named, and what is no file is not opened."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import struct

import msgpack
import numpy as np
import pytest
import torch
from PIL import Image

import samplebench as sb
from samplebench.checkpoints.catalog import checkpoint
from samplebench.errors import InputError

FORMATS = ("openai", "ddim", "score-sde", "edm", "gddim")
CIFAR = {"image_size": 8, "ch": 32, "num_res_blocks": 1, "ch_mult": [1], "attn_resolutions": []}


def saved(save, *words, **options) -> bytes:
    file = io.BytesIO()
    save(file, *words, **options)
    return file.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def scripted() -> bytes:
    return saved(
        lambda file, module: torch.jit.save(module, file), torch.jit.script(torch.nn.ReLU())
    )


INDEX = {"metadata": {"total_size": 4}, "weight_map": {"w": "model-00001-of-00002.safetensors"}}
FILES = {
    "npz": (lambda: saved(np.savez, w=np.ones(3)), "a NumPy archive (.npz)", "a zip archive"),
    "compressed-npz": (lambda: saved(np.savez_compressed, w=np.ones(3)), "a NumPy archive", ""),
    "npy": (lambda: saved(np.save, np.ones(3)), "a numpy array", "a numpy array"),
    "safetensors": (safetensors, "a safetensors file", "a safetensors file"),
    "index": (lambda: json.dumps(INDEX).encode(), "a checkpoint in parts", "in parts"),
    "json": (lambda: b'\xef\xbb\xbf {"image_size": 8}', "a JSON file", "a JSON file"),
    "gzip": (lambda: gzip.compress(b"x"), "a gzip archive", "a gzip archive"),
    "bzip2": (lambda: bz2.compress(b"x"), "a bzip2 archive", "a bzip2 archive"),
    "xz": (lambda: lzma.compress(b"x"), "an xz archive", "an xz archive"),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(600), "an HDF5 file", "an HDF5 file"),
    "pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a pointer of Git LFS",
        "a pointer of Git LFS",
    ),
    "image": (lambda: saved(Image.new("RGB", (2, 2)).save, "PNG"), "an image", "an image"),
    "flax": (lambda: msgpack.packb({"params": 1, "step": 2}), "as Flax writes it", "Flax"),
    "web-page": (lambda: b"\xef\xbb\xbf\n<html>", "a web page", "a web page"),
    "torchscript": (scripted, "TorchScript", "a zip archive"),
    "torch": (lambda: saved(lambda f, x: torch.save(x, f), {"w": torch.ones(1)}), None, "a zip"),
}


def read(format, path):
    config = {"ddim": CIFAR, "openai": checkpoint("digits-adm").config, "edm": {}}.get(format)
    if format in ("score-sde", "gddim"):
        # Their readers, as the config comes first in their adapters.
        from samplebench.checkpoints import flax_msgpack, score_sde_file

        return (score_sde_file if format == "score-sde" else flax_msgpack).read(path)
    return sb.load(path, format=format, config=config, device="cpu")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_format_is_named(tmp_path, refused, format, name):
    build, by_torch, by_others = FILES[name]
    said = by_torch if format in ("openai", "ddim", "score-sde") else by_others
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(build())
    if said is None:
        return
    if name == "flax" and format == "gddim":
        said = "lacks 'params_ema' and has params, step"
    message = refused(lambda: read(format, path), InputError, path.name, said)
    assert message.isprintable()


@pytest.fixture(params=["pipe", "folder", "device", "socket"])
def no_file(request, tmp_path):
    import socket

    path = tmp_path / "x"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        here = os.getcwd()
        os.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("x")
        os.chdir(here)
    return path, request.param


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_no_file_is_not_opened(no_file, refused, format):
    path, kind = no_file
    refused(lambda: sb.load(path, format=format), InputError, path, f"is a {kind}, not a file")
    refused(lambda: read(format, path), InputError, f"is a {kind}, not a file")


def test_a_folder_of_diffusers(tmp_path, refused):
    (tmp_path / "model_index.json").write_text("{}")
    refused(lambda: sb.load(tmp_path, format="openai"), InputError, "a folder of diffusers")


def test_a_config_that_is_no_file(tmp_path, refused):
    path = tmp_path / "w.pt"
    path.write_bytes(b"x")
    load = lambda: sb.load(path, format="openai", config=tmp_path)  # noqa: E731
    refused(load, InputError, "cannot be read (Is a directory)")
    load = lambda: sb.load("x" * 300 + ".pt", format="openai")  # noqa: E731
    refused(load, InputError, "cannot be read")
