"""SongUNet: which blocks there are, and what its inputs do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.networks.song_unet import SongUNet

BASE = {
    "img_resolution": 8,
    "in_channels": 3,
    "out_channels": 3,
    "model_channels": 8,
    "channel_mult": [2, 3],
    "num_blocks": 2,
    "attn_resolutions": [8],
}
NCSNPP = {
    "embedding_type": "fourier",
    "encoder_type": "residual",
    "channel_mult_noise": 2,
    "resample_filter": [1, 3, 3, 1],
}
SKIP = {"encoder_type": "skip", "decoder_type": "skip"}


@pytest.fixture
def x():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


NOISE = torch.tensor([-0.7])


def test_blocks_of_the_standard_network():
    net = SongUNet(**BASE)
    assert list(net.enc) == [
        *("8x8_conv", "8x8_block0", "8x8_block1"),
        *("4x4_down", "4x4_block0", "4x4_block1"),
    ]
    assert list(net.dec) == [
        *("4x4_in0", "4x4_in1", "4x4_block0", "4x4_block1", "4x4_block2"),
        *("8x8_up", "8x8_block0", "8x8_block1", "8x8_block2", "8x8_aux_norm", "8x8_aux_conv"),
    ]
    # The first convolution ignores the multiplier of its level.
    assert net.enc["8x8_conv"].out_channels == 8


def test_blocks_of_the_auxiliary_encoders_and_decoder():
    skip = SongUNet(**BASE, **SKIP)
    assert [n for n in skip.enc if "aux" in n] == ["4x4_aux_down", "4x4_aux_skip"]
    assert [n for n in skip.dec if "aux" in n] == [
        *("4x4_aux_norm", "4x4_aux_conv", "8x8_aux_up", "8x8_aux_norm", "8x8_aux_conv")
    ]
    residual = SongUNet(**BASE, **NCSNPP)
    assert [n for n in residual.enc if "aux" in n] == ["4x4_aux_residual"]
    assert residual.enc["4x4_aux_residual"].fused_resample


def test_attention_is_at_the_lowest_level_and_in_last_decoder_blocks():
    net = SongUNet(**BASE)
    encoder = {name for name, block in net.enc.items() if getattr(block, "num_heads", 0)}
    decoder = {name for name, block in net.dec.items() if getattr(block, "num_heads", 0)}
    assert encoder == {"8x8_block0", "8x8_block1"}
    assert decoder == {"4x4_in0", "8x8_block2"}


@pytest.mark.parametrize("kind", [{}, NCSNPP, SKIP], ids=["ddpmpp", "ncsnpp", "skip"])
def test_one_noise_level_serves_the_batch(kind, x, filled):
    net = filled(SongUNet(**BASE, **kind))
    found = net(x, NOISE)
    assert found.shape == x.shape
    assert (net(x, NOISE.expand(2)) - found).abs().max() <= 1e-6 * found.abs().max()
    assert (net(x[1:], NOISE) - found[1:]).abs().max() <= 1e-5 * found.abs().max()
    assert (net(x, NOISE + 0.5) - found).abs().max() > 1e-3 * found.abs().max()


def test_classes_and_augmentation_enter_the_embedding(x, filled):
    net = filled(SongUNet(**BASE, label_dim=9, augment_dim=4))
    seen = []
    net.map_layer0.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    label = torch.eye(9)[2:3]
    augment = torch.randn(2, 4)
    plain = net(x, NOISE, label)
    zeros = net(x, NOISE, label, augment_labels=torch.zeros(2, 4))
    assert torch.allclose(zeros, plain, atol=1e-6)
    assert not torch.allclose(net(x, NOISE, label, augment_labels=augment), plain, atol=1e-4)
    net(x, NOISE, torch.zeros(1, 9))
    assert np.allclose(seen[0] - seen[3], 3 * net.map_label.weight[:, 2], atol=1e-6)
    assert np.allclose(seen[2] - seen[0], net.map_augment.weight @ augment[0], atol=1e-6)
    # The bias of the label layer remains for a label of zeros; sines come before cosines.
    frequencies = 1e-4 ** (np.arange(4) / 3)
    angles = -0.7 * frequencies
    expected = np.concatenate([np.sin(angles), np.cos(angles)]) + net.map_label.bias.numpy()
    assert np.allclose(seen[3], expected, atol=1e-6)


@pytest.mark.parametrize("kind", [{}, NCSNPP, SKIP], ids=["ddpmpp", "ncsnpp", "skip"])
def test_half_precision_keeps_the_embedding_in_float32(kind, x, filled):
    net = filled(SongUNet(**BASE, **kind))
    dtypes = []
    net.map_layer1.register_forward_hook(lambda _, __, out: dtypes.append(out.dtype))
    found, expected = net(x.half(), NOISE), net(x, NOISE)
    assert found.dtype == torch.float16 and dtypes == [torch.float32] * 2
    assert (found.float() - expected).abs().max() < 5e-3 * expected.abs().max()


@pytest.mark.parametrize("kind", [{}, NCSNPP, SKIP], ids=["ddpmpp", "ncsnpp", "skip"])
def test_memory_format_changes_nothing_but_rounding(kind, x, filled):
    net = filled(SongUNet(**BASE, **kind))
    expected = net(x, NOISE)
    net = net.to(memory_format=torch.channels_last)
    found = net(x.to(memory_format=torch.channels_last), NOISE)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_dropout_is_the_identity(x, filled):
    net, dropped = (filled(SongUNet(**BASE, dropout=p, label_dropout=p)) for p in (0.0, 0.9))
    assert torch.equal(net(x, NOISE), dropped.train()(x, NOISE))


def test_the_output_can_be_differentiated_by_the_images(x, filled):
    net = filled(SongUNet(**BASE)).double()
    x = x.double().requires_grad_()
    step = 1e-5 * torch.randn_like(x)
    gradient = torch.autograd.grad(net(x, NOISE.double()).square().sum(), x)[0]
    with torch.no_grad():
        change = [net(x + s, NOISE.double()).square().sum() for s in (step, -step)]
    assert float((gradient * step).sum() * 2) == pytest.approx(float(change[0] - change[1]), 1e-4)
