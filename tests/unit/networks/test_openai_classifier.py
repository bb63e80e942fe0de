"""EncoderUNetModel: the reference's logits and their gradient, which guidance follows."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from samplebench.adapters.openai.flags import classifier
from samplebench.checkpoints.openai_file import read
from samplebench.errors import InputError

FLAGS = {"image_size": 64, "classifier_width": 64, "classifier_depth": 1}

ARCHITECTURE = {
    "image_size": 8,
    "in_channels": 3,
    "model_channels": 32,
    "out_channels": 4,
    "num_res_blocks": 1,
    "attention_resolutions": [2],
    "channel_mult": [1, 1],
    "num_head_channels": 16,
}


@pytest.fixture
def case(goldens):
    folder = goldens / "adm" / "adm_classifier_attnpool"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with np.load(folder / "io.npz") as archive:
        io = {name: torch.tensor(archive[name]) for name in archive if "probe" not in name}
    with torch.device("meta"):
        network = classifier(config)
    tensors = read(folder / "model.pt")
    assert list(tensors) == list(network.state_dict())
    network.load_state_dict(tensors, assign=True)
    return network.requires_grad_(False), config["suggested_tolerance"], io


def test_logits_are_the_references(case, agrees):
    network, tolerance, io = case
    found = network(io["x"], io["timesteps"])
    agrees("openai networks", found, io["logits"], tolerance["atol"])


def test_gradient_of_the_log_probability_is_the_references(case, agrees):
    network, tolerance, io = case
    x = io["x"].clone().requires_grad_(True)
    chosen = network(x, io["timesteps"]).log_softmax(1)[range(4), io["y"]]
    (gradient,) = torch.autograd.grad(chosen.sum(), x)
    agrees("openai networks", chosen.detach(), io["log_prob_y"], tolerance["atol"])
    agrees("openai networks", gradient, io["grad_log_prob_y"], tolerance["atol"])


def test_float16_trunk_is_the_references(case, agrees):
    network, tolerance, io = case
    network.convert(torch.float16)
    assert network.out[2].qkv_proj.weight.dtype == torch.float32
    found = network(io["x"], io["timesteps"])
    assert found.dtype == torch.float32
    agrees("openai networks float16", found, io["logits_fp16_torso"], tolerance["fp16_torso_atol"])


def test_compiles_as_one_graph(filled):
    network = filled(classifier({"architecture": ARCHITECTURE}))
    x, t = torch.randn(1, 3, 8, 8), torch.tensor([500])
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x, t), network(x, t))


def test_pool_order_is_new_whatever_the_trunk_has():
    assert not classifier(FLAGS).middle_block[1].new_order


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({**FLAGS, "classifier_pool": "spatial"}, "classifier_pool is 'spatial'"),
        ({**FLAGS, "image_size": 32}, "image_size 32"),
        ({**FLAGS, "classifier_depth": "two"}, "classifier_depth is 'two'"),
        ({**FLAGS, "classifier_width": 48}, "multiple of 32"),
        ({"architecture": {"image_size": 16}}, "lacks 'in_channels'"),
    ],
)
def test_what_cannot_be_built_is_named(config, words):
    with pytest.raises(InputError, match=r"^classifier: ") as refusal:
        classifier(config)
    assert words in str(refusal.value) and "\n" not in str(refusal.value)
