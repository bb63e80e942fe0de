"""DhariwalUNet: which blocks there are, and what its inputs do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.networks.dhariwal_unet import DhariwalUNet

BASE = {
    "img_resolution": 8,
    "in_channels": 3,
    "out_channels": 6,
    "model_channels": 32,
    "channel_mult": [2, 4],
    "num_blocks": 1,
    "attn_resolutions": [8],
}
NOISE = torch.tensor([3.0])


@pytest.fixture
def x():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_blocks_and_widths():
    net = DhariwalUNet(**BASE)
    assert list(net.enc) == ["8x8_conv", "8x8_block0", "4x4_down", "4x4_block0"]
    assert list(net.dec) == [
        *("4x4_in0", "4x4_in1", "4x4_block0", "4x4_block1"),
        *("8x8_up", "8x8_block0", "8x8_block1"),
    ]
    # The multiplier of the finest level counts from the first convolution on.
    assert net.enc["8x8_conv"].out_channels == 64
    assert net.dec["4x4_block0"].in_channels == 128 + 128
    assert net.dec["8x8_block1"].in_channels == 64 + 64


def test_every_block_of_an_attention_resolution_has_it():
    net = DhariwalUNet(**BASE)
    encoder = {n: block.num_heads for n, block in net.enc.items() if n != "8x8_conv"}
    decoder = {n: block.num_heads for n, block in net.dec.items() if block.num_heads}
    assert encoder == {"8x8_block0": 1, "4x4_down": 0, "4x4_block0": 0}
    assert decoder == {"4x4_in0": 2, "8x8_block0": 1, "8x8_block1": 1}


def test_resampling_shortcuts_have_no_weights():
    state = DhariwalUNet(**BASE).state_dict()
    skips = [n for n in state if ".skip." in n and ("_up" in n or "_down" in n)]
    assert skips == ["enc.4x4_down.skip.resample_filter", "dec.8x8_up.skip.resample_filter"]


def test_one_noise_level_serves_the_batch(x, filled):
    net = filled(DhariwalUNet(**BASE))
    found = net(x, NOISE)
    assert found.shape == (2, 6, 8, 8)
    assert (net(x, NOISE.expand(2)) - found).abs().max() <= 1e-6 * found.abs().max()
    assert (net(x[1:], NOISE) - found[1:]).abs().max() <= 1e-5 * found.abs().max()
    assert (net(x, NOISE + 0.5) - found).abs().max() > 1e-3 * found.abs().max()


def test_classes_and_augmentation_enter_the_embedding(x, filled):
    net = filled(DhariwalUNet(**BASE, label_dim=4, augment_dim=5))
    first, last = [], []
    net.map_layer0.register_forward_pre_hook(lambda _, inputs: first.append(inputs[0][0]))
    net.enc["8x8_block0"].register_forward_pre_hook(lambda _, inputs: last.append(inputs[1][0]))
    label, augment = torch.eye(4)[2:3], torch.randn(2, 5)
    net(x, NOISE, label)
    net(x, NOISE, label, augment_labels=augment)
    # Cosines before sines, of frequencies that stop short of 1e-4.
    angles = 3.0 * 1e-4 ** (np.arange(16) / 16)
    assert np.allclose(first[0], np.concatenate([np.cos(angles), np.sin(angles)]), atol=1e-6)
    assert np.allclose(first[1] - first[0], net.map_augment.weight @ augment[0], atol=1e-6)
    # The class is added between the second layer and its activation, unscaled.
    hidden = net.map_layer1(torch.nn.functional.silu(net.map_layer0(first[0][None])))
    expected = torch.nn.functional.silu(hidden[0] + net.map_label.weight[:, 2])
    assert torch.allclose(last[0], expected, atol=1e-6)


def test_half_precision_keeps_the_embedding_in_float32(x, filled):
    net = filled(DhariwalUNet(**BASE))
    dtypes = []
    net.map_layer1.register_forward_hook(lambda _, __, out: dtypes.append(out.dtype))
    found, expected = net(x.half(), NOISE), net(x, NOISE)
    assert found.dtype == torch.float16 and dtypes == [torch.float32] * 2
    assert (found.float() - expected).abs().max() < 5e-3 * expected.abs().max()


def test_memory_format_changes_nothing_but_rounding(x, filled):
    net = filled(DhariwalUNet(**BASE))
    expected = net(x, NOISE)
    net = net.to(memory_format=torch.channels_last)
    found = net(x.to(memory_format=torch.channels_last), NOISE)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
