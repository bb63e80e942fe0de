"""Genuine network pickles: every name, shape, value and constructor argument, in every protocol."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickletools
import subprocess
import sys
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from samplebench.checkpoints.edm_pickle import read
from samplebench.checkpoints.edm_records import Records
from samplebench.networks.preconditioning import preconditioner

HERE = Path(__file__).parent
GOLDENS = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or HERE.parents[1] / "goldens")
CASES = sorted(path.parent for path in (GOLDENS / "edm").glob("*/network.pkl"))

SONG = {
    "model_type": "SongUNet",
    "embedding_type": "fourier",
    "encoder_type": "residual",
    "channel_mult_noise": 2,
    "resample_filter": [1, 3, 3, 1],
    "model_channels": 8,
    "channel_mult": [1, 2],
    "num_blocks": 1,
    "attn_resolutions": [4],
    "img_resolution": 8,
    "img_channels": 3,
    "label_dim": 4,
}
ADM = {"model_type": "DhariwalUNet", "model_channels": 8, "channel_mult": [1, 2], "num_blocks": 1}
ADM |= {"attn_resolutions": [4], "img_resolution": 8, "img_channels": 3, "label_dim": 4}
# baseline-cifar10-32x32-uncond-vp: 61.8 million parameters.
FULL_SIZE = {"model_type": "SongUNet", "model_channels": 128, "channel_mult": [1, 2, 2, 2]}
FULL_SIZE |= {"img_resolution": 32, "img_channels": 3, "label_dim": 0}


@pytest.fixture(scope="module")
def genuine():
    """The writer of genuine files."""
    spec = importlib.util.spec_from_file_location("genuine", HERE / "genuine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_state(class_name, init_kwargs):
    with torch.device("meta"):
        expected = preconditioner(class_name, init_kwargs).state_dict()
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(t.shape, generator=generator) for name, t in expected.items()}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_golden_file_holds_the_network_its_arguments_describe(case):
    config = json.loads((case / "config.json").read_text())
    found = read(case / "network.pkl")
    assert found.class_name == config["class_name"]
    assert found.init_kwargs == config["init_kwargs"]
    assert list(found.keys) == config["top_level_keys"]
    assert found.sources == (sha256(b"# source removed").hexdigest(),)
    assert len(found.tensors) == config["num_nested_storages"]
    with torch.device("meta"):
        network = preconditioner(found.class_name, found.init_kwargs)
    expected = [(name, t.shape) for name, t in network.state_dict().items()]
    assert [(name, t.shape) for name, t in found.tensors.items()] == expected
    parameters = dict(network.named_parameters())
    total = sum(t.numel() for name, t in found.tensors.items() if name in parameters)
    assert total == config["num_parameters"]
    allowed = {".".join(key) for key in Records(0).table()}
    assert set(config["globals"]) <= allowed


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_golden_files_values_are_those_torch_reads(case):
    data = (case / "network.pkl").read_bytes()
    # Tensors are written in the order of the state dict, each with its own storage.
    streams = [arg for op, arg, _ in pickletools.genops(data) if op.name == "BINBYTES"]
    found = list(read(case / "network.pkl").tensors.values())
    assert len(streams) == len(found)
    for stream, tensor in zip(streams, found, strict=True):
        storage = torch.load(io.BytesIO(stream), weights_only=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's, of its own storage class
            expected = torch.empty(0).set_(storage.untyped())
        assert torch.equal(tensor.flatten(), expected)


@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("flavour", ["torch-1.12", "torch-2"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_is_written_is_read_bit_for_bit(genuine, tmp_path, protocol, flavour, numpy):
    tensors = random_state("EDMPrecond", SONG)
    path = tmp_path / "network.pkl"
    genuine.write(
        path, tensors, "EDMPrecond", SONG, protocol=protocol, flavour=flavour, numpy=numpy
    )
    assert path.read_bytes()[:2] == bytes([0x80, protocol])
    found = read(path)
    assert found.init_kwargs == SONG
    assert list(found.tensors) == list(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(found.tensors[name], tensor), name
    texts = ("", "# loss\n", "# augment\n")
    expected = [sha256((text + genuine.SOURCE).encode()).hexdigest() for text in texts]
    assert list(found.sources) == expected


@pytest.mark.parametrize("class_name", ["VPPrecond", "VEPrecond", "iDDPMPrecond", "EDMPrecond"])
def test_every_preconditioner_takes_the_tensors_over(genuine, tmp_path, class_name):
    path = tmp_path / "network.pkl"
    tensors = random_state(class_name, ADM)
    genuine.write(path, tensors, class_name, ADM)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(path)
        with torch.device("meta"):
            network = preconditioner(found.class_name, found.init_kwargs)
        network.load_state_dict(found.tensors, assign=True)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name
        # Memory of its own, aligned as torch's is: results do not depend on the file's layout.
        assert tensor.data_ptr() % 16 == 0
    with torch.no_grad():
        next(network.parameters()).add_(1)


def test_offset_and_stride_are_honoured(genuine, tmp_path):
    base = torch.arange(24, dtype=torch.float32)
    tensors = {
        "model.map_layer0.weight": base.reshape(4, 6)[1:, ::2].t(),
        "model.map_layer0.bias": base[5:8],
        "model.map_layer1.bias": base.double()[3:5],
        "model.out_norm.weight": torch.tensor(2.5).half(),
        "model.out_norm.bias": torch.zeros(0, 3),
    }
    path = tmp_path / "network.pkl"
    genuine.write(path, tensors, "EDMPrecond", ADM)
    found = read(path).tensors
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].stride() == tensor.stride() and torch.equal(found[name], tensor)


def test_other_number_types_are_read(genuine, tmp_path):
    dtypes = (torch.float16, torch.bfloat16, torch.float64, torch.int64)
    dtypes += (torch.int32, torch.int16, torch.int8, torch.uint8)
    tensors = {f"model.{str(t)[6:]}.freqs": torch.arange(5).to(t) for t in dtypes}
    path = tmp_path / "network.pkl"
    genuine.write(path, tensors, "EDMPrecond", ADM)
    found = read(path).tensors
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


def test_numpy_numbers_among_the_arguments_become_pythons(genuine, tmp_path):
    numbers = {"a": np.float64(0.1), "b": np.int32(-7), "c": np.bool_(True), "d": np.uint8(200)}
    path = tmp_path / "network.pkl"
    genuine.write(path, {"model.map_layer0.bias": torch.ones(2)}, "EDMPrecond", numbers, numpy=2)
    found = read(path).init_kwargs
    assert found == {"a": 0.1, "b": -7, "c": True, "d": 200}
    assert [type(value) for value in found.values()] == [float, int, bool, int]


# ru_maxrss would count what the parent process had before.
MEASURE = """
import re, sys
from pathlib import Path
import torch
from samplebench.checkpoints.edm_pickle import read

def memory(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(field + r":\\s+(\\d+) kB", status)[1]) * 1024

before = memory("VmRSS")
found = read(Path(sys.argv[1]))
print(sum(t.numel() for t in found.tensors.values()), memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures")
@pytest.mark.slow
def test_a_full_size_file_needs_little_more_memory_than_its_size(tmp_path, record_property):
    path = tmp_path / "network.pkl"
    write = [sys.executable, HERE / "genuine.py", "VPPrecond", json.dumps(FULL_SIZE), path]
    subprocess.run(write, check=True)
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, path], check=True, capture_output=True, text=True
    )
    numbers, peak = map(int, measured.stdout.split())
    ratio = peak / path.stat().st_size
    record_property("memory", ratio)
    print(f"{numbers} numbers, {path.stat().st_size} bytes, peak {ratio:.2f} of the file")
    assert 61.8e6 < numbers < 61.9e6
    assert ratio <= 1.2
