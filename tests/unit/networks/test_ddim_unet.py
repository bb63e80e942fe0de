"""DdimUNet: its tensors are the release's, and the code base's rules hold.

No output of the reference is at hand: the rules are checked one by one against formulas.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from samplebench.checkpoints.catalog import checkpoint
from samplebench.checkpoints.structure import structure
from samplebench.errors import InputError
from samplebench.networks.ddim_unet import (
    DdimAttention,
    DdimDownsample,
    DdimGroupNorm,
    ResnetBlock,
    ddim_unet,
    timestep_embedding,
)
from samplebench.networks.openai_layers import Upsample

FOLDER = os.environ.get("SAMPLEBENCH_MANIFESTS")
if FOLDER is None and "SAMPLEBENCH_GOLDENS" in os.environ:
    FOLDER = str(Path(os.environ["SAMPLEBENCH_GOLDENS"]).parent / "manifests")
MANIFEST = Path(FOLDER or "absent") / "ddim_ip_cifar10.json"
TINY = {
    "image_size": 16,
    "ch": 32,
    "num_res_blocks": 1,
    "ch_mult": [1, 2],
    "attn_resolutions": [8],
}
T = torch.tensor([3, 700])


@pytest.fixture(scope="module")
def released():
    with torch.device("meta"):
        return ddim_unet(checkpoint("ddim-ip-cifar10").config)


@pytest.fixture
def tiny(filled):
    return filled(ddim_unet(TINY))


@pytest.fixture
def x():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_structure_and_size_are_the_releases(released):
    entry = checkpoint("ddim-ip-cifar10")
    tensors = released.state_dict()
    assert structure((name, t.shape) for name, t in tensors.items()) == entry.structure
    assert sum(p.numel() for p in released.parameters()) == entry.parameters
    assert len(tensors) == 328


@pytest.mark.skipif(
    not MANIFEST.is_file(), reason="no complete name list: set SAMPLEBENCH_MANIFESTS"
)
def test_names_shapes_and_order_are_the_releases(released):
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    found = [[name, list(t.shape)] for name, t in released.state_dict().items()]
    assert found == manifest["parameters"]


def test_embedding_is_sines_then_cosines_down_to_a_ten_thousandth():
    found = timestep_embedding(torch.tensor([0, 7, 999]), 8)
    for row, t in zip(found, (0, 7, 999), strict=True):
        angles = [t * 10000 ** (-k / 3) for k in range(4)]
        wanted = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        assert torch.allclose(row, torch.tensor(wanted), atol=1e-4)
    assert found[2, 3].item() == pytest.approx(math.sin(0.0999), rel=1e-5)


def test_time_mlp(tiny):
    first, second = tiny.temb.dense
    sinusoids = timestep_embedding(T, 32)
    hidden = first(sinusoids)
    assert torch.allclose(tiny.temb(sinusoids), second(hidden * hidden.sigmoid()), atol=1e-5)


def test_norm_has_32_groups_and_a_small_epsilon():
    x = 1e-3 * torch.randn(1, 64, 4, 4, generator=torch.Generator().manual_seed(2))
    grouped = x.reshape(1, 32, -1)
    mean, variance = grouped.mean(2, True), grouped.var(2, unbiased=False, keepdim=True)
    wanted = ((grouped - mean) / (variance + 1e-6).sqrt()).reshape(x.shape)
    assert torch.allclose(DdimGroupNorm(64)(x), wanted, atol=1e-5)


def test_residual_block_adds_the_embedding_between_the_convolutions(filled):
    block = filled(ResnetBlock(32, 64, 16))
    generator = torch.Generator().manual_seed(3)
    x, temb = torch.randn(2, 32, 4, 4, generator=generator), torch.randn(2, 16, generator=generator)
    h = block.conv1(F.silu(block.norm1(x)))
    h = h + block.temb_proj(F.silu(temb))[..., None, None]
    wanted = F.conv2d(x, block.nin_shortcut.weight, block.nin_shortcut.bias)
    wanted = wanted + block.conv2(F.silu(block.norm2(h)))
    assert torch.allclose(block(x, temb), wanted, atol=1e-5)


def test_attention_has_one_head_and_a_softmax_over_the_keys(filled):
    block = filled(DdimAttention(32))
    x = torch.randn(2, 32, 3, 4, generator=torch.Generator().manual_seed(4))
    h = block.norm(x)
    q, k, v = (p(h).flatten(2) for p in (block.q, block.k, block.v))
    weights = (torch.einsum("nci,ncj->nij", q, k) * 32**-0.5).softmax(2)
    wanted = torch.einsum("nij,ncj->nci", weights, v).reshape(x.shape)
    assert torch.allclose(block(x), x + block.proj_out(wanted), atol=1e-5)


def test_halving_pads_right_and_below(filled):
    down = filled(DdimDownsample(1))
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    padded = torch.zeros(1, 1, 5, 5)
    padded[..., :4, :4] = x
    wanted = (padded[0, 0, 2:5, 2:5] * down.conv.weight[0, 0]).sum() + down.conv.bias[0]
    found = down(x)
    assert found.shape == (1, 1, 2, 2)
    assert found[0, 0, 1, 1].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_doubling_repeats_pixels_before_the_convolution(filled):
    up = filled(Upsample(2))
    x = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(5))
    wanted = up.conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.equal(up(x), wanted)


def test_order_of_levels_skips_and_concatenation(tiny, x):
    """The whole network, written out for two levels of one block."""
    temb = tiny.temb(timestep_embedding(T, 32))
    fine, coarse, (low, high) = tiny.down[0], tiny.down[1], tiny.up
    s0 = tiny.conv_in(x)
    s1 = fine.block[0](s0, temb)
    s2 = fine.downsample(s1)
    s3 = coarse.attn[0](coarse.block[0](s2, temb))
    h = tiny.mid.block_1(s3, temb)
    h = tiny.mid.block_2(tiny.mid.attn_1(h), temb)
    h = high.attn[0](high.block[0](torch.cat([h, s3], 1), temb))
    h = high.upsample(high.attn[1](high.block[1](torch.cat([h, s2], 1), temb)))
    h = low.block[0](torch.cat([h, s1], 1), temb)
    h = low.block[1](torch.cat([h, s0], 1), temb)
    wanted = tiny.conv_out(F.silu(tiny.norm_out(h)))
    assert len(fine.attn) == len(low.attn) == 0
    assert torch.allclose(tiny(x, T), wanted, atol=1e-5 * wanted.abs().max().item())


def test_time_matters_and_each_image_has_its_own(tiny, x):
    found = tiny(x, T)
    assert found.shape == x.shape and found.dtype == x.dtype and found.isfinite().all()
    assert not torch.allclose(tiny(x, T.roll(1)), found, rtol=0.01)
    assert torch.allclose(tiny(x[1:], T[1:]), found[1:], rtol=1e-4, atol=1e-4)
    assert torch.equal(tiny(x, T.float()), found)


def test_it_has_no_classes(tiny, x):
    with pytest.raises(ValueError, match="labels for an unconditional network"):
        tiny(x, T, torch.tensor([0, 1]))


def test_it_compiles_as_one_graph(tiny, x):
    expected = tiny(x, T)
    compiled = torch.compile(tiny, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x, T), expected)


def test_building_draws_no_numbers():
    before = torch.get_rng_state()
    ddim_unet(TINY)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ch": 48}, "ch is 48; it must be a multiple of 32"),
        ({"ch": "32"}, "ch is '32'; it must be a whole number from 1 to 1024"),
        ({"ch": 2**40}, "ch is 1099511627776"),
        ({"num_res_blocks": True}, "num_res_blocks is True"),
        ({"num_res_blocks": [2]}, "num_res_blocks is \\[2\\]"),
        ({"ch_mult": []}, "ch_mult has no entry"),
        ({"ch_mult": [1, 0]}, "ch_mult is \\[1, 0\\]; it must be a list"),
        ({"ch_mult": 2}, "ch_mult is 2; it must be a list"),
        ({"ch_mult": [1] * 9}, "a list of up to 8 whole numbers"),
        ({"image_size": 15}, "image_size 15 cannot be halved 1 times"),
        ({"attn_resolutions": [0.5]}, "attn_resolutions is \\[0.5\\]"),
    ],
)
def test_an_impossible_config_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        ddim_unet({**TINY, **changes})


@pytest.mark.parametrize("key", TINY)
def test_a_missing_key_is_named(key):
    with pytest.raises(InputError, match=f"lacks '{key}'"):
        ddim_unet({name: value for name, value in TINY.items() if name != key})
