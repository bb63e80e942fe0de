"""What holds for every extractor of features."""

from __future__ import annotations

import re

import pytest
import torch

from samplebench.checkpoints.catalog import catalog
from samplebench.errors import SamplebenchError
from samplebench.protocols import protocol


@pytest.fixture(scope="module")
def made():
    """`made(entry)`: the extractor on the CPU, and 150 random images of a shape it is used on."""
    cache = {}

    def make(entry):
        if entry.name not in cache:
            shapes = [
                model.shape
                for model in catalog().values()
                if protocol(model.protocol).extractor == entry.name
            ]
            draw = torch.Generator().manual_seed(0)
            images = torch.randint(
                256, (150, *(shapes or [(3, 32, 32)])[0]), generator=draw, dtype=torch.uint8
            )
            cache[entry.name] = entry.obj(device="cpu"), images
        return cache[entry.name]

    return make


def test_declares_what_it_is(extractor, made):
    extract, images = made(extractor)
    assert extract.name == extractor.name
    assert re.fullmatch("[0-9a-f]{64}", extract.weights_sha256)
    # Known before it is made: a score without a reference has it of the class alone.
    assert extract.weights_sha256 == extractor.obj.weights_sha256
    assert extract.feature_dim == extractor.obj.feature_dim > 0
    features = extract(images[:5])
    assert features.shape == (5, extract.feature_dim)
    assert features.is_floating_point()
    assert features.isfinite().all()
    assert not features.requires_grad


def test_an_image_has_its_features_in_any_batch(extractor, made):
    extract, images = made(extractor)
    whole = extract(images)
    scale = whole.abs().max()
    for size in (1, 7, 64):
        parts = torch.cat([extract(part) for part in images.split(size)])
        assert (parts - whole).abs().max() <= 1e-12 * scale, size
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    assert (extract(images[order]) - whole[order]).abs().max() <= 1e-12 * scale


def test_equal_batches_give_equal_bits(extractor, made):
    extract, images = made(extractor)
    first = extract(images[:64])
    extract(images[64:])
    assert torch.equal(extract(images[:64].clone()), first)
    assert torch.equal(extractor.obj(device="cpu")(images[:64]), first)
    # Images come permuted from a file or a device: their layout in memory means nothing.
    strided = images[:64].permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert (extract(strided) - first).abs().max() <= 1e-12 * first.abs().max()


def test_images_are_told_apart_and_left_alone(extractor, made):
    extract, images = made(extractor)
    before = images.clone()
    features = extract(images)
    assert torch.equal(images, before)
    assert len(features.unique(dim=0)) == len(images.unique(dim=0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_only_uint8_is_accepted(extractor, made, dtype):
    extract, images = made(extractor)
    with pytest.raises((ValueError, SamplebenchError), match="uint8"):
        extract(images[:3].to(dtype))


def test_other_shapes_are_refused(extractor, made):
    extract, images = made(extractor)
    for wrong in (images[0], images[:2].repeat(1, 2, 1, 1)):
        with pytest.raises((ValueError, SamplebenchError)):
            extract(wrong)
