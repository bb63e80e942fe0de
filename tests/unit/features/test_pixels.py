"""What the extractors that ship with the package compute, by hand."""

from __future__ import annotations

import pytest
import torch

from samplebench.registry import extractors


@pytest.fixture
def pixels():
    return extractors.get("pixels")(device="cpu")


def test_pixels_are_averages_of_fields(pixels):
    images = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    fields = images.double().reshape(3, 3, 8, 4, 8, 4).mean((3, 5)) / 127.5 - 1
    assert (pixels(images) - fields.flatten(1)).abs().max() < 1e-12


def test_pixels_of_small_images_are_themselves_in_three_channels(pixels):
    images = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    one = images.double().flatten(1) / 127.5 - 1
    assert torch.equal(pixels(images), one.repeat(1, 3))


def test_digits_takes_8x8_images_only():
    with pytest.raises(ValueError, match=r"takes uint8 images \[N, 1, 8, 8\], not uint8 \[2, 1, 7"):
        extractors.get("digits")()(torch.zeros(2, 1, 7, 7, dtype=torch.uint8))
