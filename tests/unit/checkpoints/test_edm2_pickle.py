"""EDM2's network pickles: what is written is read, what genuine files do not hold is refused."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.bench.loaded import Bench
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.checkpoints.edm_families import EDM, EDM2
from samplebench.checkpoints.edm_pickle import is_of, read
from samplebench.cli import main
from samplebench.errors import InputError, UsageError
from samplebench.loading.source import format_of

HERE = Path(__file__).parent


def sibling(module: str):
    """A helper beside this file."""
    spec = importlib.util.spec_from_file_location(module, HERE / f"{module}.py")
    found = sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


op = sibling("opcodes")
writer = sibling("edm2_writer")

TINY = {"model_channels": 8, "channel_mult": [1, 2], "num_blocks": 1, "attn_resolutions": [4]}
TINY |= {"channels_per_head": 8, "img_resolution": 8, "img_channels": 3, "label_dim": 4}


@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("flavour", ["torch-1.12", "torch-2"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_is_written_is_read_bit_for_bit(tmp_path, protocol, flavour, numpy):
    tensors = writer.random_state(TINY)
    path = tmp_path / "network.pkl"
    words = {"protocol": protocol, "flavour": flavour, "numpy": numpy, "latent": True}
    writer.write(path, tensors, TINY, **words)
    found = read(path, EDM2)
    assert (found.class_name, found.init_kwargs) == ("Precond", TINY)
    assert list(found.keys) == ["encoder", "dataset_kwargs", "loss_fn", "ema"]
    assert len(found.sources) == 3
    assert list(found.tensors) == list(tensors)
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == torch.float16
        assert torch.equal(found.tensors[name], tensor), name
    assert found.tensors["unet.out_gain"].shape == ()


def test_a_file_without_encoder(tmp_path):
    path = tmp_path / "network.pkl"
    path.write_bytes(op.pickled({"ema": op.module("Precond")}))
    assert read(path, EDM2).keys == ("ema",)


def test_families_are_told_apart_by_content(tmp_path):
    ours, theirs = tmp_path / "a.pkl", tmp_path / "b.pkl"
    writer.write(ours, writer.random_state(TINY), TINY)
    theirs.write_bytes(op.file())
    assert (is_of(ours, EDM2), is_of(ours, EDM)) == (True, False)
    assert (is_of(theirs, EDM2), is_of(theirs, EDM)) == (False, True)
    assert (format_of(ours), format_of(theirs)) == ("edm2", "edm")
    # What nobody recognises goes to the first, which says why it is refused.
    for name, content in (("c.pkl", ours.read_bytes()[:1000]), ("d.pkl", b"<html>")):
        (tmp_path / name).write_bytes(content)
        assert format_of(tmp_path / name) == "edm"
    assert format_of(tmp_path / "none.pkl") == "edm"
    assert format_of(tmp_path / "x.pth") == "score-sde"
    assert format_of(tmp_path / "x.bin") is None


# What a file may not hold. Arrays are in no EDM file at all.

NDARRAY = op.name("numpy:ndarray")
RECONSTRUCT = op.name("numpy.core.multiarray:_reconstruct")


def dtype(code="f4", order="<"):
    state = (3, order, None, None, None, -1, -1, 0)
    return op.build(op.call(op.DTYPE, code, False, True), state)


F4, F8 = dtype(), dtype("f8")
DATA = bytes(16)


def array(state=(1, (4,), F4, False, DATA), arguments=(NDARRAY, (0,), b"b")):
    made = op.call(RECONSTRUCT, *arguments)
    return made if state is None else op.build(made, state)


def encoder(scale) -> bytes:
    """A file whose encoder holds this."""
    made = op.call(op.OBJECT, op.meta("StabilityVAEEncoder", {"scale": scale}))
    return op.pickled({"encoder": made, "ema": op.module("Precond")})


ARRAYS = {
    "version": (array((2, (4,), F4, False, DATA)), "another version or order"),
    "version-is-a-flag": (array((True, (4,), F4, False, DATA)), "a bool for a int"),
    "fortran": (array((1, (4,), F4, True, DATA)), "another version or order"),
    "fortran-is-a-number": (array((1, (4,), F4, 0, DATA)), "an int for a bool"),
    "short": (array((1, (4,), F4, False, DATA[1:])), "4 numbers with 15 bytes"),
    "long": (array((1, (4,), F4, False, DATA + b"x")), "4 numbers with 17 bytes"),
    "wide": (array((1, (4,), F8, False, DATA)), "4 numbers with 16 bytes"),
    "huge": (array((1, (1 << 40, 1 << 21), F4, False, DATA)), "numbers with 16 bytes"),
    "negative": (array((1, (-4,), F4, False, DATA)), "with an invalid shape"),
    "many-axes": (array((1, (1,) * 5, F4, False, DATA[:4])), "with an invalid shape"),
    "shape-of-flags": (array((1, (True,), F4, False, DATA[:4])), "with an invalid shape"),
    "shape-is-a-list": (array((1, [4], F4, False, DATA)), "a list for a tuple"),
    "integers": (array((1, (4,), dtype("i4"), False, DATA)), "of type i4"),
    "half": (array((1, (4,), dtype("f2"), False, DATA[:8])), "of type f2"),
    "objects": (array((1, (4,), dtype("O8"), False, DATA)), "O8 is not the type"),
    "big-endian": (array((1, (4,), dtype(order=">"), False, DATA)), "unusual state"),
    "dtype-incomplete": (
        array((1, (4,), op.call(op.DTYPE, "f4", False, True), False, DATA)),
        "of type f4",
    ),
    "dtype-is-a-text": (array((1, (4,), "f4", False, DATA)), "a str for a Dtype"),
    "data-is-a-text": (array((1, (4,), F4, False, "x" * 16)), "a str for a Blob"),
    "data-is-a-long-text": (
        array((1, (25000,), F4, False, "x" * 100_000)),
        "25000 numbers with 100000 bytes",
    ),
    "data-is-a-list": (array((1, (4,), F4, False, [1.0] * 4)), "a list for a Blob"),
    "state-is-a-dict": (array({"shape": (4,)}), "a dict, not a tuple"),
    "state-is-short": (array((1, (4,))), "2 arguments, not 5"),
    "state-with-slots": (array((None, {"shape": 4})), "2 arguments, not 5"),
    "second-state": (op.build(array(), (1, (4,), F4, False, DATA)), "a second state"),
    "other-class": (array(arguments=(op.DTYPE, (0,), b"b")), "other arguments"),
    "other-shape": (array(arguments=(NDARRAY, (1 << 40,), b"b")), "other arguments"),
    "other-code": (array(arguments=(NDARRAY, (0,), b"O")), "other arguments"),
    "longer-code": (array(arguments=(NDARRAY, (0,), b"bb")), "other arguments"),
    "three-arguments": (array(arguments=(NDARRAY, (0,))), "2 arguments, not 3"),
    "called": (op.call(NDARRAY, (4,)), "numpy.ndarray is called"),
    "instantiated": (op.new(NDARRAY), "numpy.ndarray is instantiated"),
    "built": (op.build(NDARRAY, {}), "is given a state"),
    "reconstruct-by-new": (op.new(RECONSTRUCT), "is instantiated"),
}
NEW = op.new(op.name("dnnlib.util:EasyDict"))
OTHERS = {
    "easydict-with-a-state": (encoder(op.build(NEW, {"x": 1})), "a dict is given a state"),
    "easydict-called": (encoder(op.call(op.name("dnnlib.util:EasyDict"), {})), "is called"),
    "array-among-tensors": (
        op.pickled({"ema": op.module("Precond", parameters={"weight": array()})}),
        "weight among the _parameters is a NumpyArray",
    ),
    "array-among-arguments": (
        op.pickled({"ema": op.module("Precond", _init_kwargs={"a": array()})}),
        "a NumpyArray among",
    ),
    "layer-of-edm": (
        op.pickled({"ema": op.module("Precond", modules={"unet": op.module("SongUNet")})}),
        "class SongUNet is not part of an EDM2 checkpoint",
    ),
    "unknown-class": (
        op.pickled({"ema": op.module("Precond", modules={"unet": op.module("Unpickler")})}),
        "class Unpickler is not part of an EDM2 checkpoint",
    ),
    "encoder-among-modules": (
        op.pickled({"ema": op.module("Precond", modules={"a": op.module("StandardRGBEncoder")})}),
        "is of class StandardRGBEncoder",
    ),
    "no-denoiser": (op.pickled({"ema": op.module("UNet")}), "'ema' is not one of Precond"),
    "no-network": (op.pickled({"encoder": op.module("UNet")}), "no network called 'ema'"),
    "frombuffer": (encoder(op.call(op.name("numpy:frombuffer"), b"x")), "numpy.frombuffer"),
    "core-others": (
        encoder(op.call(op.name("numpy.core.multiarray:fromfile"), "x")),
        "numpy.core.multiarray.fromfile is not part",
    ),
}


@pytest.mark.parametrize("name", [*ARRAYS, *OTHERS])
def test_hostile(name, tmp_path):
    made, said = ARRAYS.get(name) or OTHERS[name]
    path = tmp_path / f"{name}.pkl"
    path.write_bytes(made if isinstance(made, bytes) else encoder(made))
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read(path, EDM2)
    message = str(caught.value)
    assert message.startswith(path.name) and message.endswith("; refused")
    assert message.isascii() and len(message) < 300


def test_the_array_they_alter_is_itself_accepted(tmp_path):
    path = tmp_path / "network.pkl"
    path.write_bytes(encoder(array()))
    assert read(path, EDM2).keys == ("encoder", "ema")
    # In a file of EDM there is none.
    edm = op.pickled({"encoder": array(), "ema": op.NETWORK})
    path.write_bytes(edm)
    with pytest.raises(InputError, match=r"_reconstruct is not part of an EDM checkpoint; refused"):
        read(path)


def test_statistics_of_all_writers(tmp_path):
    from samplebench.references.pickled import gaussian

    draw = np.random.default_rng(0)
    moments = {"mu": draw.normal(size=5), "sigma": np.cov(draw.normal(size=(5, 20)))}
    for protocol in (3, 4, 5):
        for numpy in (1, 2):
            path = tmp_path / f"{protocol}{numpy}.pkl"
            writer.dump(path, {"num_images": 20, "fid": moments}, protocol, numpy)
            count, mean, cov = gaussian(path, "fid")
            assert count == 20
            assert np.array_equal(mean, moments["mu"]) and np.array_equal(cov, moments["sigma"])


@pytest.mark.parametrize("latent", [False, True])
def test_a_network_of_latents_is_sampled_from_but_not_run(tmp_path, latent):
    path = tmp_path / "network.pkl"
    writer.write(path, writer.random_state(TINY), TINY, latent=latent)
    model = sb.load(path, format="edm2", device="cpu")
    assert model.latents is latent
    assert sb.sample(model, "heun", steps=2, seeds=range(2)).shape == (2, 3, 8, 8)
    checkpoint = Checkpoint("own", "edm2", str(path), model.shape, num_classes=4, protocol="edm2")
    if latent:
        with pytest.raises(UsageError, match="own produces latents"):
            Bench.of(checkpoint, (), 4, model.device, None)
    else:
        assert Bench.of(checkpoint, (), 4, model.device, None).gflop > 0


def test_doctor_finds_the_format(tmp_path, capsys):
    path = tmp_path / "network.pkl"
    writer.write(path, writer.random_state(TINY), TINY)
    assert main(["doctor", str(path), "--device", "cpu", "--quiet", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["denoises"] is False and found["images"] == "3x8x8"


# ru_maxrss would count what the parent process had before.
MEASURE = """
import re, sys
from pathlib import Path
import torch
import samplebench as sb
import samplebench.adapters.edm2, samplebench.models.preconditioned
import samplebench.networks.edm2_denoiser, samplebench.checkpoints.edm_pickle

def memory(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(field + r":\\s+(\\d+) kB", status)[1]) * 1024

before = memory("VmRSS")
model = sb.load(Path(sys.argv[1]), format="edm2", device="cpu")
parameters = list(model.network.state_dict().values())
print(sum(t.numel() * t.element_size() for t in parameters), memory("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures")
@pytest.mark.slow
def test_a_full_size_file_needs_little_more_memory_than_its_weights(tmp_path, record_property):
    """EDM2-XS: 125 million parameters in float16."""
    arguments = {"model_channels": 128, "img_resolution": 64, "img_channels": 3, "label_dim": 1000}
    path = tmp_path / "network.pkl"
    written = [sys.executable, HERE / "edm2_writer.py", json.dumps(arguments), path]
    subprocess.run(written, check=True)
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, path], check=True, capture_output=True, text=True
    )
    weights, peak = map(int, measured.stdout.split())
    record_property("memory", peak / weights)
    print(f"{weights} bytes of weights, peak {peak / weights:.2f} of them")
    assert weights >= 2 * 124_710_949
    assert peak <= 1.5 * weights
