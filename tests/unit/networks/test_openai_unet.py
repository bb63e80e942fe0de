"""UNetModel: the reference's outputs, in float32 and with a float16 trunk, and how it is built."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch

from samplebench.adapters.openai.flags import unet
from samplebench.checkpoints.openai_file import read
from samplebench.networks.dhariwal_unet import DhariwalUNet
from samplebench.networks.openai_layers import AttentionBlock, ResBlock

CASES = (
    "adm_classcond_updown_new",
    "adm_convresample_fracmult",
    "adm_legacy_heads",
    "iddpm_classcond_legacy",
    "iddpm_uncond_ss",
)
ARCHITECTURE = {
    "image_size": 16,
    "in_channels": 3,
    "model_channels": 32,
    "out_channels": 6,
    "num_res_blocks": 1,
    "attention_resolutions": [2],
    "channel_mult": [1, 2],
    "num_heads": 2,
}


@cache
def golden_case(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with np.load(folder / "io.npz") as archive:
        io = {name: torch.tensor(archive[name]) for name in archive if "probe" not in name}
    return config, io


@pytest.fixture(params=CASES)
def case(request, goldens):
    folder = goldens / "adm" / request.param
    if not folder.is_dir():
        pytest.skip("a case that is not in the repository: set SAMPLEBENCH_GOLDENS")
    config, io = golden_case(folder)
    with torch.device("meta"):
        # An iDDPM network has no image size of its own.
        network = unet(config["family"], {"image_size": io["x"].shape[-1], **config})
    tensors = read(folder / "model.pt")
    assert list(tensors) == list(network.state_dict())
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    network.load_state_dict(tensors, assign=True)
    return network.requires_grad_(False), config, io


def build(family: str = "guided-diffusion", **changes) -> torch.nn.Module:
    return unet(family, {"architecture": {**ARCHITECTURE, **changes}})


def layers(blocks, kind) -> list[list[int]]:
    """The places of the layers of one kind, block by block."""
    return [[i for i, layer in enumerate(block) if isinstance(layer, kind)] for block in blocks]


@pytest.fixture
def x():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


T = torch.tensor([3.0, 700.25])


def test_output_is_the_references(case, agrees):
    network, config, io = case
    found = network(io["x"], io["timesteps"], io.get("y"))
    agrees("openai networks", found, io["output"], config["suggested_tolerance"]["atol"])


def test_float16_trunk_is_the_references(case, agrees):
    network, config, io = case
    network.convert(torch.float16)
    found = network(io["x"], io["timesteps"], io.get("y"))
    assert found.dtype == torch.float32
    tolerance = config["suggested_tolerance"]["fp16_torso_atol"]
    agrees("openai networks float16", found, io["output_fp16_torso"], tolerance)


def test_time_and_class_matter(case):
    network, config, io = case
    x, t, y = io["x"], io["timesteps"], io.get("y")
    seen = config["sensitivity_max_abs_diff"]
    later = (network(x, t.roll(1), y) - io["output"]).abs().max()
    assert later > 0.2 * seen["timesteps_changed"]
    if y is not None:
        assert (network(x, t, y.roll(1)) - io["output"]).abs().max() > 0.2 * seen["labels_rolled"]


def test_what_float16_covers():
    network = build(num_classes=3)
    network.convert(torch.float16)
    for name, parameter in network.named_parameters():
        inside = name.startswith(("input_blocks", "middle_block", "output_blocks"))
        norm = any(part in name for part in ("in_layers.0", "out_layers.0", ".norm."))
        half = inside and not norm and "emb_layers" not in name
        assert parameter.dtype == (torch.float16 if half else torch.float32), name


def test_blocks_and_their_layers():
    network = build(resblock_updown=True, num_res_blocks=2)
    assert layers(network.input_blocks, ResBlock) == [[], [0], [0], [0], [0], [0]]
    assert layers(network.input_blocks, AttentionBlock) == [[], [], [], [], [1], [1]]
    # The last block of the lower level attends before it doubles the resolution.
    assert layers(network.output_blocks, ResBlock) == [[0], [0], [0, 2], [0], [0], [0]]
    assert layers(network.output_blocks, AttentionBlock) == [[1], [1], [1], [], [], []]
    assert layers([network.middle_block], AttentionBlock) == [[1]]


def test_heads_by_number_or_width():
    def heads(**changes) -> tuple[list[int], list[int], int]:
        network = build(attention_resolutions=[1, 2], **changes)
        down = [block[1].num_heads for block in network.input_blocks if len(block) > 1]
        up = [block[1].num_heads for block in network.output_blocks]
        return down, up, network.middle_block[1].num_heads

    assert heads() == ([2, 2], [2, 2, 2, 2], 2)
    assert heads(num_heads_upsample=4) == ([2, 2], [4, 4, 4, 4], 2)
    by_width = ([2, 4], [4, 4, 2, 2], 4)
    assert heads(num_head_channels=16, num_heads_upsample=8) == by_width


def test_fractions_of_a_channel_are_dropped():
    network = build(model_channels=43, channel_mult=[0.75, 1.5], num_heads=1)
    assert network.input_blocks[0][0].weight.shape == (32, 3, 3, 3)
    assert network.middle_block[1].qkv.weight.shape == (192, 64, 1)
    assert network.out[2].weight.shape == (6, 32, 3, 3)


def test_one_time_serves_the_batch(x, filled):
    network = filled(build())
    expected = network(x, T[:1].expand(2))
    assert (network(x, T[:1]) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(("classes", "labels"), [(None, [1, 2]), (3, None)])
def test_labels_where_there_are_classes_and_only_there(x, filled, classes, labels):
    network = filled(build(num_classes=classes))
    labels = None if labels is None else torch.tensor(labels)
    with pytest.raises(ValueError, match="labels for"):
        network(x, T, labels)


@pytest.mark.parametrize(
    ("use_scale_shift_norm", "resblock_updown"),
    [
        (False, False),
        (True, True),
        pytest.param(False, True, marks=pytest.mark.slow),
        pytest.param(True, False, marks=pytest.mark.slow),
    ],
)
def test_everything_compiles_as_one_graph(x, filled, resblock_updown, use_scale_shift_norm):
    options = {"resblock_updown": resblock_updown, "use_scale_shift_norm": use_scale_shift_norm}
    network = filled(build(num_classes=3, **options))
    labels = torch.tensor([0, 2])
    expected = network(x, T, labels)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x, T, labels), expected)


def test_float64_throughout(x, filled):
    network = filled(build())
    expected = network(x, T)
    found = network.double()(x.double(), T)
    assert found.dtype == torch.float64
    assert 0 < (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_building_draws_no_numbers():
    before = torch.get_rng_state()
    build(num_classes=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_memory_format_changes_nothing_but_rounding(x, filled):
    network = filled(build())
    expected = network(x, T)
    network = network.to(memory_format=torch.channels_last)
    found = network(x.to(memory_format=torch.channels_last), T)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_adm_is_edms_network_under_other_names(filled):
    """Two implementations of one architecture, wherever all widths are 128 or more."""
    sizes = {"model_channels": 128, "channel_mult": [1, 2], "in_channels": 3, "out_channels": 3}
    edm = DhariwalUNet(8, label_dim=4, num_blocks=1, attn_resolutions=[8, 4], **sizes)
    options = {"num_head_channels": 64, "use_scale_shift_norm": True, "resblock_updown": True}
    attention = {"attention_resolutions": [1, 2], "use_new_attention_order": True}
    adm = filled(build(image_size=8, num_classes=4, **sizes, **options, **attention))
    theirs = [(n, p) for n, p in edm.state_dict().items() if "resample_filter" not in n]
    state = edm.state_dict()
    for (name, there), (mine, here) in zip(theirs, adm.state_dict().items(), strict=True):
        if "qkv" in mine:
            # (q k v, head, channel) to (head, channel, q k v).
            here = here.unflatten(0, (3, -1, 64)).movedim(0, 2).flatten(0, 2)
        state[name] = here.T if mine == "label_emb.weight" else here.reshape(there.shape)
    edm.load_state_dict(state)
    x, y = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2)), torch.tensor([3, 1])
    expected = edm.requires_grad_(False)(x, T, torch.eye(4)[y])
    assert (adm(x, T, y) - expected).abs().max() < 1e-4 * expected.abs().max()
