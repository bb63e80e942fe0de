"""score-SDE's training states: the averaged weights find their names, and D is the reference's."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.adapters.score_sde.config import songunet_arguments
from samplebench.adapters.score_sde.names import names_and_shapes, songunet_state
from samplebench.checkpoints.score_sde_file import read
from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.checkpoints.torch_pickle import NUMPY_NUMBERS, TENSORS
from samplebench.errors import InputError
from samplebench.networks.preconditioning import preconditioner

FILES = {"score-sde-vp": "checkpoint_8.pth", "score-sde-ve": "checkpoint_24.pth"}


class Golden:
    def __init__(self, folder) -> None:
        self.name = folder.name
        self.path = folder / FILES[folder.name]
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        with np.load(folder / "io.npz") as archive:
            self.io = dict(archive)

    def network(self, raw: bool = False) -> torch.nn.Module:
        class_name, arguments = songunet_arguments(self.config)
        with torch.device("meta"):
            network = preconditioner(class_name, arguments)
        model = read(self.path).model
        if raw:  # as last trained
            trained = self.state()["model"]
            model = {name: trained[f"module.{name}"] for name in model}
        state = songunet_state(model, arguments)
        network.model.load_state_dict(state, assign=True)
        return network.eval().requires_grad_(False)

    def state(self) -> dict:
        return read_torch_file(self.path, allowed={**TENSORS, **NUMPY_NUMBERS})


@pytest.fixture(params=FILES)
def case(request, goldens):
    return Golden(goldens / "edm" / request.param)


@pytest.fixture
def vp(goldens):
    return Golden(goldens / "edm" / "score-sde-vp")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("raw", "key"), [(False, "D"), (True, "D_raw_weights")])
def test_denoised_images(case, agrees, raw, key, dtype):
    network = case.network(raw)
    for i, sigma in enumerate(case.io["sigma"]):
        found = network(torch.tensor(case.io["x"][i], dtype=dtype), torch.tensor(sigma).to(dtype))
        tolerance = case.config["suggested_tolerance_per_sigma"][i]
        family = f"score-sde {str(dtype)[6:]}"
        agrees(family, found, case.io[key][i], tolerance)
        other = case.io["D" if raw else "D_raw_weights"][i]
        assert np.abs(found.numpy() - other).max() > 100 * tolerance


def test_score_in_the_references_own_units(case, agrees):
    unet, io = case.network().model, case.io
    for i, (sigma, t) in enumerate(zip(io["sigma"], io["t"], strict=True)):
        x, t = torch.tensor(io["x"][i]), torch.tensor(t, dtype=torch.float32)
        if case.name == "score-sde-vp":
            mean = -(t**2) * 19.9 / 4 - t * 0.1 / 2
            noisy = (torch.tensor(io["x"][i]).double() / np.sqrt(1 + sigma**2)).float()
            score = -unet(noisy, (999 * t)[None], None) / (1 - torch.exp(2 * mean)).sqrt()
        else:
            score = unet(x, torch.tensor([sigma / 2]).log().float(), None) / (sigma / 2)
        expected = io["score_native"][i]
        agrees("score-sde scores", score, expected, 1e-5 * np.abs(expected).max())


def test_what_the_file_says(case):
    file, config = read(case.path), case.config
    assert file.step == config["step"]
    assert file.ema_decay == config["ema_decay"]
    assert file.num_channels == 3
    assert len(file.model) == len(file.names_and_shapes) == config["num_model_entries"]
    assert all(tensor.device.type == "cpu" for tensor in file.model.values())
    # The small goldens differ from the releases in the config only.
    assert file.names_and_shapes == names_and_shapes(config)
    assert [f"module.{name}" for name in file.model] == [name for name, _ in file.names_and_shapes]


def test_arguments_are_those_the_golden_states(case):
    class_name, arguments = songunet_arguments(case.config)
    stated = dict(case.config["equivalent_songunet_init_kwargs"])
    assert stated.pop("dropout") == 0.1  # has no effect
    assert class_name == case.config["equivalent_precond"]
    assert stated.items() == {k: v for k, v in arguments.items() if k in stated}.items()


def test_what_has_no_average_comes_from_the_model(case):
    file, state = read(case.path), case.state()
    for name in ("sigmas", "all_modules.0.W"):
        if f"module.{name}" in state["model"]:
            assert torch.equal(file.model[name], state["model"][f"module.{name}"])
    average = state["ema"]["shadow_params"]
    trained = [n for n in file.model if n not in ("sigmas", "all_modules.0.W")]
    assert len(trained) == len(average) == case.config["num_shadow_params"]
    for name, tensor in zip(trained, average, strict=True):
        assert torch.equal(file.model[name], tensor)


def drop(container, key) -> None:
    del container[key]


def changed(vp, tmp_path, change):
    """The VP golden, altered and saved anew; `change` may return another content."""
    state = vp.state()
    path = tmp_path / "checkpoint_8.pth"
    torch.save(change(state) or state, path)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda state: drop(state["model"], "module.sigmas"),
        lambda state: state["model"].update(
            {"module.sigmas": state["model"]["module.sigmas"].float()}
        ),
        lambda state: drop(state, "optimizer"),
    ],
    ids=["no-sigmas", "float32-sigmas", "no-optimizer"],
)
def test_harmless_differences_are_tolerated(vp, tmp_path, change):
    model = read(changed(vp, tmp_path, change)).model
    whole = read(vp.path).model
    assert whole.keys() - model.keys() <= {"sigmas"}
    assert all(torch.equal(t, whole[name]) for name, t in model.items() if name != "sigmas")


SHADOW = "shadow_params"
REFUSED = {
    "list": (lambda s: [s], "its content is not a dictionary"),
    "state-dict": (lambda s: s["model"], "its content lacks 'model' and has module.sigmas"),
    "no-step": (lambda s: drop(s, "step"), "its content lacks 'step'"),
    "no-average": (lambda s: drop(s["ema"], SHADOW), f"ema lacks '{SHADOW}'"),
    "one-less": (lambda s: drop(s["ema"][SHADOW], -1), "151 averaged tensors, the model 152"),
    "one-more": (lambda s: s["ema"][SHADOW].append(torch.zeros(1)), "153 averaged tensors"),
    "with-buffer": (
        lambda s: s["ema"][SHADOW].insert(0, s["model"]["module.sigmas"]),
        "153 averaged tensors",
    ),
    "shifted": (
        lambda s: s["ema"][SHADOW].append(s["ema"][SHADOW].pop(0)),
        "the average of module.all_modules.0.weight has shape (32,), not (32, 8)",
    ),
    "numbers": (lambda s: s["ema"].update({SHADOW: [1.0] * 152}), "has shape None"),
    "by-name": (lambda s: s["ema"].update({SHADOW: {"a": 1}}), "no list of averaged tensors"),
    "no-module": (
        lambda s: s["model"].update({"all_modules.99.bias": torch.zeros(2)}),
        "'all_modules.99.bias' of model does not begin with 'module.'",
    ),
    "number-as-name": (lambda s: s["model"].update({7: torch.zeros(2)}), "'7' of model"),
    "text": (lambda s: s["model"].update({"module.x": "x"}), "not a tensor of real numbers"),
    "counts": (
        lambda s: s["model"].update({"module.x": torch.zeros(2, dtype=torch.int64)}),
        "not a tensor of real numbers",
    ),
    "no-model": (lambda s: s.update(model=OrderedDict()), "model has no convolution"),
    "step-of-text": (lambda s: s.update(step="3"), "step is not a number"),
    "step-below-zero": (lambda s: s.update(step=-3), "step is not a number"),
    "no-decay": (lambda s: s["ema"].update(decay=float("nan")), "ema.decay is not a number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_contradict_themselves_are_refused(vp, tmp_path, name):
    change, message = REFUSED[name]
    path = changed(vp, tmp_path, change)
    with pytest.raises(InputError, match=re.escape(message)) as refusal:
        read(path)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_a_full_checkpoint_takes_little_more_memory_than_its_network(tmp_path, vp):
    """62 million parameters with optimizer: 1 GB, of which a quarter is the network."""
    code = """
import json, sys
from pathlib import Path
import torch
from samplebench.checkpoints.score_sde_file import read
from samplebench.networks.preconditioning import preconditioner
from samplebench.adapters.score_sde.config import songunet_arguments
from samplebench.adapters.score_sde.names import songunet_state
def peak():
    # Unlike ru_maxrss, this does not begin with the parent's.
    lines = open("/proc/self/status", encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
def load(path, config):
    class_name, arguments = songunet_arguments(config)
    with torch.device("meta"):
        network = preconditioner(class_name, arguments)
    network.model.load_state_dict(songunet_state(read(Path(path)).model, arguments), assign=True)
    network.requires_grad_(False)
    return sum(float(t.sum()) * 0 + t.numel() * 4 for t in network.parameters())
small, large = json.loads(sys.argv[1])
load(*small)  # imports what is needed
before = peak()
size = load(*large)
print((peak() - before) / size)
"""
    full = {"nf": 128, "ch_mult": [1, 2, 2, 2], "num_res_blocks": 4, "attn_resolutions": [16]}
    config = {**vp.config, "data.image_size": 32, "model_config": vp.config["model_config"] | full}
    shapes = names_and_shapes(config)
    model = OrderedDict((name, torch.ones(shape)) for name, shape in shapes)
    average = [torch.ones(shape) for name, shape in shapes if name != "module.sigmas"]
    moments = {
        i: {"step": 1, "exp_avg": torch.ones(t.shape), "exp_avg_sq": torch.ones(t.shape)}
        for i, t in enumerate(average)
    }
    group = {"lr": np.float64(2e-4), "params": list(range(len(average)))}
    state = {
        "optimizer": {"state": moments, "param_groups": [group]},
        "model": model,
        "ema": {"decay": 0.9999, "num_updates": 1, "shadow_params": average},
        "step": 1,
    }
    path = tmp_path / "checkpoint_8.pth"
    torch.save(state, path)
    pairs = [(str(vp.path), vp.config), (str(path), config)]
    command = [sys.executable, "-c", code, json.dumps(pairs)]
    run = subprocess.run(command, capture_output=True, text=True)
    path.unlink()
    assert not run.stderr
    assert float(run.stdout) < 1.2


def renamed(state, prefix):
    model = {prefix + n.removeprefix("module."): t for n, t in state["model"].items()}
    return {**state, "model": model}


DRESSES = {
    "prefixless": lambda s: renamed(s, ""),
    "compiled": lambda s: renamed(s, "module._orig_mod."),
    "named": lambda s: renamed(s, "score_model.module."),
    "wrapped": lambda s: {"state": s},
}


@pytest.mark.parametrize("name", DRESSES)
def test_a_training_state_in_another_dress(vp, tmp_path, name):
    found, plain = read(changed(vp, tmp_path, DRESSES[name])), read(vp.path)
    assert found.names_and_shapes == plain.names_and_shapes
    assert all(torch.equal(tensor, plain.model[n]) for n, tensor in found.model.items())


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["model"],
        lambda s: {"state_dict": renamed(s, "net.")["model"], "epoch": 3},
        lambda s: {"ema": renamed(s, "")["model"]},
    ],
    ids=["alone", "in-state-dict", "in-ema"],
)
def test_weights_alone_are_a_model(vp, tmp_path, change):
    load = functools.partial(sb.load, format="score-sde", config=vp.config, device="cpu")
    found, plain = load(changed(vp, tmp_path, change)), load(vp.path)
    assert found.provenance["structure"] == plain.provenance["structure"]
    assert "ema_decay" not in found.provenance


NAMED = {
    "optimizer": (lambda s: s["optimizer"], "holds an optimizer's state"),
    "raw-and-average": (lambda s: {"model": s["model"], "ema": s["ema"]}, "lacks 'step'"),
    "two-models": (
        lambda s: {"a": s["model"], "b": dict(s["model"])},
        "2 times: ['a'] under 'module.', ['b']",
    ),
    "other-names": (lambda s: {"model": {"module.w": torch.ones(2)}}, "['model'] under 'module.'"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_there_instead_is_named(vp, tmp_path, name):
    change, message = NAMED[name]
    path = changed(vp, tmp_path, change)
    with pytest.raises(InputError, match=re.escape(message)):
        sb.load(path, format="score-sde", config=vp.config, device="cpu")
