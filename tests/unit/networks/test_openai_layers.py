"""OpenAI's layers against their formulas, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from samplebench.networks.openai_layers import (
    Downsample,
    GroupNorm,
    ResBlock,
    Upsample,
    attend,
    timestep_embedding,
)

HEADS, WIDTH, PLACES = 2, 3, 5


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("new_order", [False, True])
def test_attention_channel_by_channel(new_order):
    channels = HEADS * WIDTH
    qkv = random(2, 3 * channels, PLACES).double()

    def channel(head: int, which: int, i: int) -> torch.Tensor:
        place = which * channels + head * WIDTH if new_order else (3 * head + which) * WIDTH
        return qkv[:, place + i]

    expected = torch.zeros(2, channels, PLACES, dtype=torch.float64)
    for head in range(HEADS):
        q, k, v = (
            torch.stack([channel(head, which, i) for i in range(WIDTH)], 1) for which in range(3)
        )
        weights = torch.softmax(torch.einsum("nit,nis->nts", q, k) / WIDTH**0.5, dim=2)
        expected[:, head * WIDTH : (head + 1) * WIDTH] = torch.einsum("nts,nis->nit", weights, v)
    assert torch.allclose(attend(qkv, HEADS, new_order), expected, atol=1e-12)


@pytest.mark.parametrize("dim", [8, 9])
def test_time_embedding_has_cosines_first(dim):
    t = np.array([0, 0.25, 3999.0])
    angles = t[:, None] * 1e-4 ** (np.arange(4) / 4)
    zeros = np.zeros((3, dim % 2))
    expected = np.concatenate([np.cos(angles), np.sin(angles), zeros], axis=1)
    found = timestep_embedding(torch.tensor(t), dim)
    assert found.dtype == torch.float32
    assert np.allclose(found, expected, atol=5e-4)
    assert torch.equal(
        timestep_embedding(torch.tensor([7]), 8)[0, 4:].sin() != 0, torch.ones(4) > 0
    )


def block(filled, **options) -> ResBlock:
    return filled(ResBlock(64, 16, options.pop("out", 64), **options))


@pytest.mark.parametrize("scale_shift", [False, True])
def test_residual_block(filled, scale_shift):
    layer = block(filled, out=96, use_scale_shift_norm=scale_shift)
    x, emb = random(2, 64, 4, 4), random(2, 16)
    norm, _, conv = layer.in_layers
    h = conv(F.silu(F.group_norm(x, 32, norm.weight, norm.bias, 1e-5)))
    params = (F.silu(emb) @ layer.emb_layers[1].weight.T + layer.emb_layers[1].bias)[
        ..., None, None
    ]
    norm, conv = layer.out_layers[0], layer.out_layers[3]
    if scale_shift:
        h = F.group_norm(h, 32, norm.weight, norm.bias, 1e-5)
        h = h * (1 + params[:, :96]) + params[:, 96:]
    else:
        h = F.group_norm(h + params, 32, norm.weight, norm.bias, 1e-5)
    expected = layer.skip_connection(x) + conv(F.silu(h))
    assert torch.allclose(layer(x, emb), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("direction", "size"), [("up", 8), ("down", 2)])
def test_resampling_comes_before_the_first_convolution(filled, direction, size):
    layer = block(filled, **{direction: True})
    seen = []
    layer.in_layers[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = random(1, 64, 4, 4)
    found = layer(x, random(1, 16))
    activated = F.silu(layer.in_layers[0](x))
    if direction == "up":
        expected = activated.repeat_interleave(2, 2).repeat_interleave(2, 3)
    else:
        expected = activated.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    assert torch.allclose(seen[0], expected, atol=1e-6)
    assert found.shape == (1, 64, size, size)
    assert not list(layer.skip_connection.parameters())


def test_resampling_with_convolutions(filled):
    down, up, x = filled(Downsample(2)), filled(Upsample(2)), random(1, 2, 4, 4)
    # Symmetric padding: the first result is centred on the first pixel.
    corner = F.conv2d(F.pad(x, (1, 1, 1, 1))[:, :, :3, :3], down.op.weight, down.op.bias)
    assert down(x).shape == (1, 2, 2, 2) and torch.allclose(down(x)[..., :1, :1], corner, atol=1e-6)
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = F.conv2d(large, up.conv.weight, up.conv.bias, padding=1)
    assert torch.allclose(up(x), expected, atol=1e-6)


def test_norm_is_taken_in_float32():
    layer = GroupNorm(32)
    with torch.no_grad():
        layer.weight.fill_(1)
        layer.bias.zero_()
    # In float16 the squares would overflow.
    x = 1000 * random(1, 32, 4, 4)
    found = layer(x.half())
    assert found.dtype == torch.float16
    assert torch.allclose(found.float(), layer(x), atol=2e-3)


@pytest.mark.parametrize("channels", [16, 48])
def test_widths_that_32_does_not_divide_are_refused(channels):
    with pytest.raises(ValueError, match="multiple of 32"):
        GroupNorm(channels)
