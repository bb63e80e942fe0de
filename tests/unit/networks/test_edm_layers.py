"""Single layers of EDM's networks against the reference implementation, and their dtypes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from samplebench.networks import edm_layers
from samplebench.networks.edm_layers import (
    EdmConv2d,
    EdmGroupNorm,
    EdmLinear,
    FourierEmbedding,
    PositionalEmbedding,
    UNetBlock,
)

GOLDENS = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens")
LAYERS = GOLDENS / "edm" / "layers"
CASES = json.loads((LAYERS / "config.json").read_text(encoding="utf-8"))["cases"]
# By the reference's name; the others have it here too.
CLASSES = {
    **vars(edm_layers), "Conv2d": EdmConv2d, "GroupNorm": EdmGroupNorm, "Linear": EdmLinear
}  # fmt: skip


@pytest.fixture(scope="module")
def arrays():
    with np.load(LAYERS / "blocks.npz", allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("case", CASES)
def test_layer_is_the_references(case, arrays, agrees):
    layer = CLASSES[CASES[case]["class"]](**CASES[case]["kwargs"])
    state = {
        name.removeprefix(f"{case}/sd/"): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(f"{case}/sd/")
    }
    assert list(layer.state_dict()) == list(state)
    if "conv0.resample_filter" in state:
        assert torch.equal(layer.conv0.resample_filter, state["conv0.resample_filter"])
    layer.load_state_dict(state)
    inputs = [torch.from_numpy(a) for n, a in arrays.items() if n.startswith(f"{case}/in/")]
    with torch.no_grad():
        found = layer(*inputs)
    expected = arrays[f"{case}/out"]
    agrees("edm layers", found, expected, 1e-6 * (1 + np.abs(expected).max()))
    if "num_heads" in CASES[case]:
        assert layer.num_heads == CASES[case]["num_heads"]


@pytest.mark.parametrize("taps", [(1, 1), (1, 3, 3, 1), (2, 6, 6, 2)])
def test_resample_filter_is_the_normalised_outer_product(taps):
    found = EdmConv2d(4, 4, 0, up=True, resample_filter=taps).resample_filter
    expected = np.outer(taps, taps) / sum(taps) ** 2
    assert np.array_equal(found.numpy(), expected[None, None].astype(np.float32))


def test_resampling_follows_the_filter_of_the_file():
    layer = EdmConv2d(2, 2, 0, down=True)
    layer.resample_filter.copy_(torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]]))
    x = torch.randn(1, 2, 4, 4)
    assert torch.equal(layer(x), x[:, :, ::2, ::2])


def test_convolution_without_resampling_has_no_filter():
    assert list(EdmConv2d(3, 5, 3).state_dict()) == ["weight", "bias"]
    assert list(EdmConv2d(3, 3, 0, down=True).state_dict()) == ["resample_filter"]


@pytest.mark.parametrize(("channels", "heads"), [(32, 0), (64, 1), (128, 2), (160, 2)])
def test_narrow_blocks_lose_their_attention(channels, heads):
    block = UNetBlock(channels, channels, 8, attention=True)
    assert block.num_heads == heads
    assert ("qkv.weight" in block.state_dict()) == (heads > 0)


@pytest.mark.parametrize(
    ("kwargs", "shape"),
    [
        ({"down": True}, None),
        ({"down": True, "resample_proj": True}, (16, 16, 1, 1)),
        ({}, "no skip"),
    ],
)
def test_shortcut_has_a_kernel_only_where_asked(kwargs, shape):
    skip = UNetBlock(16, 16, 8, **kwargs).skip
    if shape == "no skip":
        assert skip is None
    else:
        assert (None if skip.weight is None else tuple(skip.weight.shape)) == shape


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (24, 6), (128, 32), (576, 32)])
def test_group_norm_has_at_least_four_channels_per_group(channels, groups):
    assert EdmGroupNorm(channels).num_groups == groups


@pytest.mark.parametrize(
    "build",
    [
        lambda: EdmGroupNorm(3),
        lambda: EdmGroupNorm(13),
        lambda: UNetBlock(200, 200, 8, attention=True),
        lambda: PositionalEmbedding(5, endpoint=True),
        lambda: PositionalEmbedding(2, endpoint=True),
        lambda: FourierEmbedding(7),
    ],
)
def test_widths_that_do_not_divide_are_refused(build):
    with pytest.raises(ValueError, match="channels"):
        build()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_parameters_follow_the_activation_and_stay_float32(dtype, filled):
    block = filled(UNetBlock(16, 24, 8, down=True, attention=True, num_heads=2))
    x, emb = torch.randn(2, 16, 8, 8), torch.randn(2, 8)
    found = block(x.to(dtype), emb)
    assert found.dtype == dtype
    assert {p.dtype for p in block.parameters()} == {torch.float32}
    expected = block(x, emb)
    error = (found.float() - expected).abs().max() / expected.abs().max()
    assert error < {torch.float16: 5e-3, torch.bfloat16: 5e-2, torch.float64: 1e-5}[dtype]


def test_linear_without_bias_stores_none():
    assert list(EdmLinear(3, 2, bias=False).state_dict()) == ["weight"]


def test_attention_is_softmax_of_scaled_products(filled):
    """In float64 against the definition, with q, k, v interleaved below the head."""
    block = filled(UNetBlock(16, 24, 8, attention=True, num_heads=3))
    qkv = torch.randn(2, 72, 3, 5, dtype=torch.float64)
    parts = qkv.numpy().reshape(2, 3, 8, 3, 15)
    q, k, v = parts[:, :, :, 0], parts[:, :, :, 1], parts[:, :, :, 2]
    weights = np.exp(np.einsum("nhci,nhcj->nhij", q, k) / np.sqrt(8))
    weights /= weights.sum(-1, keepdims=True)
    expected = np.einsum("nhij,nhcj->nhci", weights, v).reshape(2, 24, 3, 5)
    assert np.abs(block._attend(qkv).numpy() - expected).max() < 1e-12
