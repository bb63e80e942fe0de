"""The network's weights as training code wraps them: found, or what is there is named."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.checkpoints.catalog import checkpoint
from samplebench.checkpoints.dress import undressed
from samplebench.checkpoints.local import local_file
from samplebench.checkpoints.openai_file import read
from samplebench.errors import InputError

STATE = OrderedDict(
    [
        ("time_embed.0.weight", torch.ones(2, 3)),
        ("time_embed.0.bias", torch.ones(2)),
        ("out.2.weight", torch.ones(3, 2, 1, 1)),
    ]
)
FILE = Path("f.pt")


def under(prefix, state=STATE):
    return {prefix + name: tensor for name, tensor in state.items()}


COMPILED = {
    "time_embed._orig_mod.0.weight": STATE["time_embed.0.weight"],
    "time_embed._checkpoint_wrapped_module.0.bias": STATE["time_embed.0.bias"],
    "_fsdp_wrapped_module.out.2.weight": STATE["out.2.weight"],
}
OTHER = {"conv_in.weight": torch.ones(2)}
TRAINER = {"step": 7, "epoch": 1, "args": {"lr": 1e-4, "betas": [0.9, 0.99]}, "best": np.float64(3)}
FOUND = {
    "bare": STATE,
    "module": under("module."),
    "compiled": under("_orig_mod."),
    "both": under("module._orig_mod."),
    "model": under("model."),
    "net": under("net."),
    "average": under("ema_model."),
    "average of a wrapped one": under("ema_model.module."),
    "denoiser": under("denoise_fn."),
    "diffusion": under("model.diffusion_model."),
    "inner words": COMPILED,
    "in state_dict": {"state_dict": STATE},
    "in model": {"model": STATE, **TRAINER},
    "in ema": {"ema": STATE, **TRAINER},
    "in model_state_dict": {"model_state_dict": STATE, "loss": 0.5},
    "in net": {"net": STATE},
    "in network": {"network": STATE},
    "in params": {"params": STATE},
    "in a word of nobody's": {"anything": STATE},
    "nested": {"checkpoint": {"model": under("module."), "step": 3}},
    "lightning": {"state_dict": under("model."), "pytorch-lightning_version": "2.1"},
    "with optimizer": {
        "model": STATE,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1.0}]},
    },
    "beside another network": {"unet": STATE, "vae": OTHER},
    "counter": {"n_averaged": torch.tensor(7), **under("module.")},
    "the same twice": {"model": STATE, "state_dict": STATE},
    "decay beside": {"model": STATE, "ema_decay": 0.999, "ema": {"decay": 0.999}},
    "average with a decay": {"ema": {"decay": 0.999, "shadow": STATE}},
}


@pytest.mark.parametrize("dress", FOUND)
def test_the_network_is_found(dress):
    found = undressed(FILE, FOUND[dress], STATE.keys())
    assert found.keys() == STATE.keys()
    assert all(found[name] is STATE[name] for name in STATE)


def copies():
    return {name: tensor.clone() for name, tensor in STATE.items()}


SCHEDULER = torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.ones(1)]), 3).state_dict()
NAMED = {
    "optimizer": ({"state": {}, "param_groups": []}, ["an optimizer's state"]),
    "scheduler": (SCHEDULER, ["learning rate scheduler"]),
    "scaler": (
        {"scale": 1.0, "growth_factor": 2.0, "growth_interval": 5, "backoff_factor": 0.5},
        ["gradient scaler"],
    ),
    "raw and average": ({"model": STATE, "ema": copies()}, ["2 times", "['model']", "['ema']"]),
    "both in one": (
        {**under("online_model."), **under("ema_model.")},
        ["2 times", "'online_model.'", "'ema_model.'"],
    ),
    "average without names": (
        {"model": STATE, "ema": {"shadow_params": [torch.ones(2)]}},
        ["['model'] is the network", "['ema']['shadow_params']"],
    ),
    "average of other names": ({"model": STATE, "model_ema": OTHER}, ["average", "['model_ema']"]),
    "buffers beside": (
        {**under("model."), "betas": torch.ones(9)},
        ["under 'model.'", "beside it are betas"],
    ),
    "prefix of nobody's": (under("teacher_net7."), ["'teacher_net7.'", "save"]),
    "another network": ({"model": OTHER}, ["['model'] has 1 tensors (conv_in.weight)", "expected"]),
    "another prefixed": (under("module.", OTHER), ["'module.'", "conv_in.weight", "time_embed"]),
    "one less": (
        {"model": dict(list(STATE.items())[1:])},
        ["['model'] has 2 tensors", "expected are 3 tensors"],
    ),
    "latents": (torch.ones(4, 4), ["it holds a Tensor"]),
    "a list": ([3], ["a list of 1"]),
    "numbers": ({"step": 3}, ["it holds step and no state dict"]),
    "lightning without weights": ({"pytorch-lightning_version": "2"}, ["Lightning"]),
    "nothing": ({}, ["nothing"]),
    "line breaks": ({"a\n\x1b[2Jb": OTHER}, [r"a\n\x1b[2Jb"]),
}


@pytest.mark.parametrize("dress", NAMED)
def test_what_is_there_is_named(dress, refused):
    content, words = NAMED[dress]
    message = refused(lambda: undressed(FILE, content, STATE.keys()), InputError, FILE, *words)
    assert message.isprintable()


def test_endless_content_ends(refused):
    ring: dict = {"w": torch.ones(1)}
    ring["model"] = [ring, {"a": ring}]
    wide = [torch.ones(1)]
    for _ in range(100):
        wide = [wide] * 100
    for content in (ring["model"], wide):
        refused(
            lambda content=content: undressed(FILE, content, STATE.keys()), InputError, "expected"
        )


# In every family, from a file.

DIGITS = checkpoint("digits-adm")


@pytest.fixture(scope="module")
def digits():
    return torch.load(local_file(DIGITS), weights_only=True)


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_a_wrapped_file_is_the_model_of_the_plain_one(tmp_path, digits, zipped):
    path = tmp_path / "wrapped.pt"
    wrapped = {"model": under("module._orig_mod.", digits), **TRAINER}
    torch.save(wrapped, path, _use_new_zipfile_serialization=zipped)
    found = sb.load(path, format="openai", config=DIGITS.config, device="cpu")
    plain = sb.load("digits-adm", device="cpu")
    assert found.provenance["structure"] == plain.provenance["structure"]
    weights = plain.network.state_dict()
    assert all(torch.equal(t, weights[n]) for n, t in found.network.state_dict().items())


BESIDE = {
    **{f"numpy {t}": np.dtype(t).type(1) for t in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split()},
    "options": argparse.Namespace(lr=1e-4, name="x", betas=(0.9, 0.99)),
    "mask": torch.ones(3, dtype=torch.bool),
    "state of a generator": torch.get_rng_state(),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
@pytest.mark.parametrize("what", BESIDE)
def test_what_trainers_save_beside_it(tmp_path, what, zipped):
    path = tmp_path / "w.pt"
    content = {"model": STATE, "beside": BESIDE[what]}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = read(path, STATE.keys())
    assert all(torch.equal(found[name], tensor) for name, tensor in STATE.items())


@pytest.mark.parametrize(
    "value", [Path("."), torch.nn.ReLU(), torch.float32, np.dtype("c8").type(1)]
)
def test_other_objects_beside_it_are_named(tmp_path, value, refused):
    torch.save({"model": STATE, "beside": value}, tmp_path / "w.pt")
    refused(lambda: read(tmp_path / "w.pt", STATE.keys()), InputError, "refused")


def test_weights_of_another_precision(tmp_path, digits, refused):
    """What float32 holds is read; what it does not hold, or is no weight, is named."""
    path = tmp_path / "w.pt"
    load = lambda: sb.load(path, format="openai", config=DIGITS.config, device="cpu")  # noqa: E731
    x = torch.randn(2, *DIGITS.shape, dtype=torch.float64)
    for kind in (torch.bfloat16, torch.float16, torch.float64):
        narrow = {n: t.to(kind).float() for n, t in digits.items()}
        torch.save(narrow, path)
        wanted = load()(x, 0.5, torch.tensor([0, 1]))
        torch.save({n: t.to(kind) for n, t in narrow.items()}, path)
        assert torch.equal(load()(x, 0.5, torch.tensor([0, 1])), wanted)
    torch.save({n: t.double() + 1e-12 for n, t in digits.items()}, path)
    refused(load, InputError, "is float64, with digits that float32 does not have")
    torch.save({n: t.to(torch.complex64) for n, t in digits.items()}, path)
    refused(load, InputError, "ComplexFloatStorage is not part of such a checkpoint")


def test_numbers_of_numpy_and_torch_in_a_config(digits, tmp_path):
    path = tmp_path / "w.pt"
    torch.save(digits, path)

    def dressed(value):
        if isinstance(value, list):
            return np.array(value) if value and type(value[0]) is int else value
        if type(value) is bool:
            return np.bool_(value)
        if type(value) is int:
            return torch.tensor(value) if value % 2 else np.int64(value)
        if isinstance(value, dict):
            return {key: dressed(item) for key, item in value.items()}
        return value

    config = {key: dressed(value) for key, value in DIGITS.config.items()}
    model = sb.load(path, format="openai", config=config, device="cpu")
    assert model.provenance["config"] == dict(DIGITS.config)
    kinds = (dict, list, tuple, str, int, float, bool)
    assert all(type(value) in kinds for value in model.provenance["config"].values())


def test_a_config_with_a_byte_order_mark(tmp_path, digits):
    import json

    torch.save(digits, tmp_path / "w.pt")
    words = tmp_path / "config.json"
    words.write_text("\ufeff" + json.dumps(dict(DIGITS.config)), encoding="utf-8")
    assert sb.load(tmp_path / "w.pt", format="openai", config=words, device="cpu").shape
