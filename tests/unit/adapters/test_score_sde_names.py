"""score-SDE networks as SongUNet: arguments, the complete name map, and the rules of attention."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from samplebench.adapters.score_sde.config import songunet_arguments
from samplebench.adapters.score_sde.names import entries, names_and_shapes, songunet_state
from samplebench.checkpoints.structure import structure
from samplebench.errors import InputError
from samplebench.networks.preconditioning import preconditioner

COMMON = {
    "name": "ncsnpp",
    "nf": 128,
    "ch_mult": [1, 2, 2, 2],
    "attn_resolutions": [16],
    "resblock_type": "biggan",
    "nonlinearity": "swish",
    "normalization": "GroupNorm",
    "skip_rescale": True,
    "resamp_with_conv": True,
    "conditional": True,
    "progressive": "none",
    "fir_kernel": [1, 3, 3, 1],
    "num_scales": 1000,
    "beta_min": 0.1,
    "beta_max": 20.0,
    "sigma_min": 0.01,
    "sigma_max": 50,
}
VP = {"embedding_type": "positional", "fir": False, "progressive_input": "none"}
VE = {"embedding_type": "fourier", "fir": True, "progressive_input": "residual"}


def release(sde: str, blocks: int, **model: object) -> dict:
    ve = sde == "vesde"
    words = {**COMMON, **(VE if ve else VP), "scale_by_sigma": ve, "num_res_blocks": blocks}
    return {
        "training.sde": sde,
        "data.centered": not ve,
        "data.image_size": 32,
        "model_config": {**words, **model},
    }


# The release's config, then what its file must be: SHA-256 of the map's lines "SongUNet's name,
# score-SDE's names,rule", structure fingerprint of the state dict, trained parameters.
RELEASES = {
    "vp-cifar10-ddpmpp": (
        release("vpsde", 4),
        "0b56dae4e570c9de899c807e800968d3a9c7c493ad9e9f639c292561a46c91e0",
        "36c5b0fa9c42bd100f93683e28b17f89f3cadc26b9eb2f08e0bc5d58fb5b6a26",
        61_804_419,
    ),
    "vp-cifar10-ddpmpp-deep": (
        release("vpsde", 8),
        "f4d7e3d42d96e5f665b45d1e53d88f238cb4661eec2ba9dcffb951825e6a51ca",
        "12bfec99e6ffdd470556bdb65b697e28541140e7cdfb091c3369992320a2658a",
        106_632_579,
    ),
    "ve-cifar10-ncsnpp": (
        release("vesde", 4),
        "0869dc036423955f820a73a25f67e9a4231a702bf1eec9ed366a4eccde1bd2e3",
        "6c490ec2a0290605fd81fa8f29f68b1186a837691e92a81cb7f7198b860c1694",
        62_758_787,
    ),
    "ve-cifar10-ncsnpp-deep": (
        release("vesde", 8),
        "6b5f247b30e38e715c68bc9968052ed1c6de1a1f4f52a1e80064c6dcd0494179",
        "aea0ee7203e11294378e145a6d2b5e581b1eb76eea8b43e6e4fb4265ce810cd8",
        107_586_947,
    ),
}


def complete(kind: str, name: str) -> Path:
    """A complete list, which lies beside the complete goldens."""
    goldens = Path(os.environ.get("SAMPLEBENCH_GOLDENS", "absent"))
    path = goldens.parent / kind / name
    if not path.is_file():
        pytest.skip(f"no {kind}/{name} beside SAMPLEBENCH_GOLDENS; its fingerprint is tested")
    return path


def rows(config: dict) -> list[list[str]]:
    _, arguments = songunet_arguments(config)
    return [[e.name, " ".join(e.sources), e.rule] for e in entries(arguments) if e.sources]


@pytest.mark.parametrize("name", RELEASES)
def test_map_of_each_release(name):
    config, fingerprint, _, _ = RELEASES[name]
    lines = "\n".join(",".join(row) for row in rows(config))
    assert hashlib.sha256(lines.encode()).hexdigest() == fingerprint


@pytest.mark.parametrize("name", RELEASES)
def test_map_line_by_line(name):
    path = complete("spec/mappings", f"mapping-score-sde-{name}-continuous.csv")
    with path.open(encoding="utf-8", newline="") as file:
        assert rows(RELEASES[name][0]) == list(csv.reader(file))[1:]


@pytest.mark.parametrize("name", RELEASES)
def test_structure_of_each_release(name):
    config, _, fingerprint, trained = RELEASES[name]
    found = names_and_shapes(config)
    assert structure(found) == fingerprint
    frozen = ("module.sigmas", "module.all_modules.0.W")
    sizes = [torch.Size(shape).numel() for name, shape in found if name not in frozen]
    assert sum(sizes) == trained


@pytest.mark.parametrize("name", RELEASES)
def test_manifest_of_each_release(name):
    path = complete("manifests", f"score-sde-{name}-continuous.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    found = [[name, list(shape)] for name, shape in names_and_shapes(manifest)]
    assert found == manifest["buffers"] + manifest["parameters"]
    assert len(found) == 1 + manifest["num_parameter_tensors"]
    assert songunet_arguments(manifest) == songunet_arguments(RELEASES[name][0])


@pytest.mark.parametrize("name", RELEASES)
def test_the_mapped_state_is_songunets(name):
    config, _, _, trained = RELEASES[name]
    class_name, arguments = songunet_arguments(config)
    with torch.device("meta"):
        network = preconditioner(class_name, arguments)
        tensors = {n.removeprefix("module."): torch.empty(s) for n, s in names_and_shapes(config)}
    found = songunet_state(tensors, arguments)
    wanted = network.model.state_dict()
    assert [(n, t.shape) for n, t in found.items()] == [(n, t.shape) for n, t in wanted.items()]
    assert sum(p.numel() for p in network.parameters()) == trained


def test_vp_arguments():
    class_name, arguments = songunet_arguments(release("vpsde", 4))
    assert class_name == "VPPrecond"
    assert arguments == {
        "model_type": "SongUNet",
        "img_resolution": 32,
        "img_channels": 3,
        "label_dim": 0,
        "model_channels": 128,
        "channel_mult": [1, 2, 2, 2],
        "num_blocks": 4,
        "attn_resolutions": [16],
        "embedding_type": "positional",
        "channel_mult_noise": 1,
        "encoder_type": "standard",
        "decoder_type": "standard",
        "resample_filter": [1, 1],
        "beta_min": 0.1,
        "beta_d": 19.9,
    }


def test_ve_arguments():
    class_name, arguments = songunet_arguments(release("vesde", 8))
    vp = songunet_arguments(release("vpsde", 8))[1]
    assert class_name == "VEPrecond"
    assert {key: value for key, value in arguments.items() if vp.get(key) != value} == {
        "embedding_type": "fourier",
        "channel_mult_noise": 2,
        "encoder_type": "residual",
        "resample_filter": [1, 3, 3, 1],
        "sigma_min": 0.02,
        "sigma_max": 100,
    }


def test_channels_of_the_images():
    config = release("vpsde", 4)
    assert songunet_arguments(config, 1)[1]["img_channels"] == 1
    config["data.num_channels"] = 4
    assert songunet_arguments(config, 1)[1]["img_channels"] == 4
    shapes = dict(names_and_shapes(config))
    assert shapes["module.all_modules.2.weight"] == (128, 4, 3, 3)


def test_unknown_keys_are_ignored():
    config = release("vpsde", 4, fourier_scale=16, attention_type="ddpm")
    assert songunet_arguments({**config, "seed": 1}) == songunet_arguments(release("vpsde", 4))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "ddpm"),
        ("resblock_type", "ddpm"),
        ("nonlinearity", "elu"),
        ("normalization", "InstanceNorm"),
        ("skip_rescale", False),
        ("resamp_with_conv", False),
        ("conditional", False),
        ("progressive", "output_skip"),
        ("progressive_input", "input_skip"),
        ("scale_by_sigma", True),
        ("embedding_type", "fourier"),
        ("fir", "yes"),
        ("nf", "128"),
        ("nf", 10**6),
        ("ch_mult", 2),
        ("num_res_blocks", 0),
        ("attn_resolutions", ["16"]),
        ("beta_max", None),
    ],
)
def test_other_values_are_refused_by_key(key, value):
    with pytest.raises(
        InputError, match=rf"^model_config\.{key} (is )?{value!r}".replace("[", ".")
    ):
        songunet_arguments(release("vpsde", 4, **{key: value}))


@pytest.mark.parametrize(
    ("sde", "key", "value"),
    [
        ("vpsde", "training.sde", "subvpsde"),
        ("vpsde", "data.centered", False),
        ("vesde", "data.centered", True),
        ("vesde", "data.centered", 0),
        ("vpsde", "data.image_size", 0),
    ],
)
def test_other_processes_are_refused_by_key(sde, key, value):
    with pytest.raises(InputError, match=rf"^{key} (is )?{value!r}"):
        songunet_arguments({**release(sde, 4), key: value})


def test_missing_keys_are_named():
    config = release("vesde", 4)
    for key in ("training.sde", "data.centered", "data.image_size", "model_config"):
        rest = {k: v for k, v in config.items() if k != key}
        with pytest.raises(InputError, match=f"lacks '{key}"):
            songunet_arguments(rest)
    unused = {"num_scales", "beta_min", "beta_max"}
    for key in config["model_config"].keys() - unused:
        rest = {k: v for k, v in config["model_config"].items() if k != key}
        with pytest.raises(InputError, match=rf"lacks 'model_config\.{key}'"):
            songunet_arguments({**config, "model_config": rest})


@pytest.fixture
def small():
    """(arguments, tensors) of a small VE network with random weights."""
    config = release("vesde", 1, nf=8, ch_mult=[1, 2], attn_resolutions=[4])
    config["data.image_size"] = 8
    generator = torch.Generator().manual_seed(0)
    shapes = names_and_shapes(config)
    tensors = {n.removeprefix("module."): torch.randn(s, generator=generator) for n, s in shapes}
    return songunet_arguments(config)[1], tensors


def test_attention_becomes_the_same_products(small):
    """NIN's kernels are [in, out]; the rows of q, k and v take turns."""
    arguments, tensors = small
    state = songunet_state(tensors, arguments)
    x = torch.randn(5, 16)
    block = "enc.4x4_block0"
    nins = next(e.sources for e in entries(arguments) if e.name == f"{block}.qkv.weight")
    qkv = x @ state[f"{block}.qkv.weight"][:, :, 0, 0].T + state[f"{block}.qkv.bias"]
    for i, name in enumerate(nins):
        bias = tensors[name.replace(".W", ".b")]
        torch.testing.assert_close(qkv[:, i::3], x @ tensors[name] + bias)
    last = nins[0].replace("NIN_0.W", "NIN_3")
    proj = state[f"{block}.proj.weight"]
    assert proj.shape == (16, 16, 1, 1)
    torch.testing.assert_close(x @ proj[:, :, 0, 0].T, x @ tensors[f"{last}.W"])


def test_other_tensors_are_not_copied(small):
    arguments, tensors = small
    state = songunet_state(tensors, arguments)
    for entry in entries(arguments):
        if entry.rule == "copy" and entry.sources:
            assert state[entry.name] is tensors[entry.sources[0]]


def test_the_filters_are_songunets(small):
    arguments, tensors = small
    state = songunet_state(tensors, arguments)
    network = preconditioner("VEPrecond", arguments)
    filters = {n: t for n, t in network.model.named_buffers() if n.endswith("resample_filter")}
    assert len(filters) == 5
    for name, tensor in filters.items():
        assert torch.equal(state[name], tensor)


def test_the_table_of_noise_levels_is_not_needed(small):
    arguments, tensors = small
    without = {name: tensor for name, tensor in tensors.items() if name != "sigmas"}
    assert songunet_state(without, arguments).keys() == songunet_state(tensors, arguments).keys()


def test_weights_of_another_network_are_refused(small):
    arguments, tensors = small
    some = "all_modules.4.Conv_0.weight"
    with pytest.raises(InputError, match=f"{some} is missing; does the model_config belong"):
        songunet_state({n: t for n, t in tensors.items() if n != some}, arguments)
    with pytest.raises(InputError, match=r"'all_modules\.99\.\\nx' has no place"):
        songunet_state({**tensors, "all_modules.99.\nx": torch.zeros(1)}, arguments)
    with pytest.raises(InputError, match=rf"{some} has shape \[8, 8, 1, 1\].*\[8, 8, 3, 3\]"):
        songunet_state({**tensors, some: torch.zeros(8, 8, 1, 1)}, arguments)
