"""Quantization rules and the contact sheet."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from samplebench.errors import UsageError
from samplebench.images import contact_sheet, to_uint8

RULES = ("edm", "openai", "score-sde")


def levels(dtype=torch.float64):
    """The 256 grey levels as images in [-1, 1]."""
    return torch.arange(256, dtype=dtype) / 127.5 - 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_edm_keeps_all_256_levels(dtype):
    assert to_uint8(levels(dtype), "edm").tolist() == list(range(256))


@pytest.mark.parametrize("rule", ["openai", "score-sde"])
def test_truncation_loses_twenty_levels(rule):
    assert int((to_uint8(levels(), rule) != torch.arange(256)).sum()) == 20


@pytest.mark.parametrize(("rule", "expected"), [("edm", 128), ("openai", 127), ("score-sde", 127)])
def test_grey_between_two_levels(rule, expected):
    assert to_uint8(torch.zeros(1, dtype=torch.float64), rule).item() == expected


@pytest.mark.parametrize("rule", RULES)
def test_values_outside_are_clipped(rule):
    x = torch.tensor([-math.inf, -7.0, -1.0, 1.0, 1.02, 300.0, math.inf], dtype=torch.float64)
    assert to_uint8(x, rule).tolist() == [0, 0, 0, 255, 255, 255, 255]


@pytest.mark.parametrize("rule", RULES)
def test_shape_and_dtype(rule):
    found = to_uint8(torch.zeros(2, 3, 4, 5), rule)
    assert found.shape == (2, 3, 4, 5) and found.dtype == torch.uint8


def test_unknown_rule():
    with pytest.raises(UsageError, match="unknown quantization rule 'open-ai'; did you mean"):
        to_uint8(torch.zeros(1), "open-ai")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n", "columns", "rows"), [(1, 8, 1), (8, 8, 1), (9, 8, 2), (5, 2, 3)])
@pytest.mark.parametrize(("h", "w", "gap"), [(2, 3, 1), (8, 8, 1), (32, 32, 2), (64, 40, 2)])
def test_contact_sheet(n, columns, rows, channels, h, w, gap):
    images = np.random.default_rng(0).integers(1, 256, (n, h, w, channels), dtype=np.uint8)
    sheet = contact_sheet(images, columns)
    tall, wide = rows * h + (rows - 1) * gap, columns * w + (columns - 1) * gap
    assert sheet.shape == (tall, wide, channels) and sheet.dtype == np.uint8
    between = np.ones(sheet.shape, dtype=bool)
    for i in range(rows * columns):
        r, c = divmod(i, columns)
        top, left = r * (h + gap), c * (w + gap)
        tile = sheet[top : top + h, left : left + w]
        assert np.array_equal(tile, images[i] if i < n else np.zeros_like(tile))
        between[top : top + h, left : left + w] = False
    # One grey, far from black and from white.
    shades = set(sheet[between].tolist())
    assert len(shades) == (rows * columns > 1) and all(64 <= shade <= 192 for shade in shades)
