"""The Inception extractor against torch-fidelity's own, on random weights of the real size."""

from __future__ import annotations

import importlib.util
import pickle
import sys

import pytest
import torch

from samplebench.errors import EnvironmentError_, InputError
from samplebench.features import inception_network, inception_weights
from samplebench.features.inception import InceptionExtractor
from samplebench.features.inception_network import inception_class
from tests.unit.features.conftest import UNITS, published

DRAW = torch.Generator().manual_seed(0)
IMAGES = torch.randint(256, (3, 3, 32, 32), generator=DRAW, dtype=torch.uint8)


@pytest.fixture(scope="module")
def extractor(weights):
    return InceptionExtractor()


def test_features_are_those_of_torch_fidelity(extractor, weights):
    own = inception_class()("own", ["2048"], feature_extractor_weights_path=str(weights))
    with torch.no_grad():
        (expected,) = own(IMAGES)
    found = extractor(IMAGES)
    assert found.dtype == torch.float64 and found.shape == expected.shape == (3, 2048)
    assert expected.std() > 0.01
    assert (found - expected).abs().max() < 1e-4


def test_grey_images_are_three_equal_channels(extractor):
    grey = IMAGES[:2, :1]
    assert torch.equal(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)))


def test_features_do_not_depend_on_the_batch(extractor):
    whole = extractor(IMAGES)
    assert torch.equal(extractor(IMAGES.clone()), whole)
    for size in (1, 2):
        parts = torch.cat([extractor(part) for part in IMAGES.split(size)])
        assert (parts - whole).abs().max() < 1e-6 * whole.abs().max()
    strided = IMAGES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(extractor(strided), whole)


def test_the_network_sees_full_batches_only(extractor, monkeypatch):
    seen = []
    hook = extractor._network.net.register_forward_pre_hook(
        lambda _, words: seen.append(len(words[0]))
    )
    extractor(IMAGES)
    hook.remove()
    assert seen == [2, 2]


def test_no_images(extractor):
    assert extractor(IMAGES[:0]).shape == (0, 2048)


@pytest.mark.parametrize("wrong", [IMAGES.float(), IMAGES[0], IMAGES[:, :2], IMAGES.bool()])
def test_what_it_takes(extractor, wrong):
    with pytest.raises(ValueError, match=r"takes uint8 images \[N, 1 or 3, H, W\], not"):
        extractor(wrong)


def test_hash_and_width_are_known_before_the_file_is_here():
    assert InceptionExtractor.feature_dim == 2048
    assert InceptionExtractor.weights_sha256.startswith("6726825d")
    assert len(InceptionExtractor.weights_sha256) == 64


@pytest.mark.slow
def test_the_real_batch(weights, monkeypatch):
    monkeypatch.setattr(inception_network, "BATCH", 64)
    found = InceptionExtractor()(IMAGES[:3])
    monkeypatch.setattr(inception_network, "BATCH", 2)
    expected = InceptionExtractor()(IMAGES[:3])
    assert (found - expected).abs().max() < 1e-4


def test_the_import_leaves_nothing_behind():
    before = set(sys.modules)
    assert inception_class().__name__ == "FeatureExtractorInceptionV3"
    assert not [name for name in set(sys.modules) - before if name.startswith("torch_fidelity")]


def test_without_torch_fidelity(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentError_, match=r"need torch-fidelity.*pip install"):
        InceptionExtractor.fetch(offline=True, quiet=True)


def test_offline_without_the_file(monkeypatch):
    monkeypatch.delenv("SAMPLEBENCH_INCEPTION", raising=False)
    with pytest.raises(EnvironmentError_, match=r"not in the cache.*SAMPLEBENCH_INCEPTION="):
        InceptionExtractor.fetch(offline=True, quiet=True)


def test_the_cache_is_where_it_is_looked_for(tmp_path, monkeypatch, weights):
    monkeypatch.delenv("SAMPLEBENCH_INCEPTION")
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    path = tmp_path / "inception" / inception_weights.WEIGHTS.file_name
    path.parent.mkdir()
    path.hardlink_to(weights)
    assert InceptionExtractor.fetch(offline=True, quiet=True) == path


def test_another_file_is_refused(tmp_path, monkeypatch, weights):
    """Same size, one bit of one weight changed."""
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "changed.pth"
    path.write_bytes(data)
    monkeypatch.setenv("SAMPLEBENCH_INCEPTION", str(path))
    with pytest.raises(InputError, match="another file"):
        InceptionExtractor()


class Payload:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_hostile_file_is_refused_even_with_the_right_hash(tmp_path, monkeypatch, form):
    path = tmp_path / "hostile.pth"
    if form == "torch":
        torch.save({"fc.bias": torch.zeros(1008), "x": Payload()}, path)
    else:
        path.write_bytes(pickle.dumps(Payload()))
    monkeypatch.setattr(inception_weights, "WEIGHTS", published(path))
    monkeypatch.setenv("SAMPLEBENCH_INCEPTION", str(path))
    with pytest.raises(InputError, match=r"hostile\.pth"):
        InceptionExtractor()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {**t, "more": torch.zeros(1)}, "473 tensors that are not those"),
        (lambda t: {k: v for k, v in t.items() if k != "fc.bias"}, "471 tensors that are not"),
        (lambda t: {**t, "fc.bias": torch.zeros(1000)}, "472 tensors that are not those"),
        (lambda t: {**t, "fc.bias": torch.zeros(1008).int()}, "holds whole numbers"),
        (lambda t: {**t, "fc.bias": 0.5}, "does not hold named tensors"),
        (lambda t: list(t.values())[:2], "does not hold named tensors"),
    ],
    ids=["one more", "one less", "another shape", "whole numbers", "a number", "a list"],
)
def test_other_contents_are_refused(tmp_path, tensors, change, message):
    path = tmp_path / "other.pth"
    torch.save(change(tensors), path)
    with pytest.raises(InputError, match=message):
        inception_weights.read_weights(path)


def test_half_precision_and_counters_are_read_too(tmp_path, tensors):
    path = tmp_path / "half.pth"
    half = {name: value.half() for name, value in tensors.items()}
    counters = {f"{unit}.bn.num_batches_tracked": torch.tensor(0) for unit in UNITS}
    torch.save(half | counters, path)
    found = inception_weights.read_weights(path)
    assert found.keys() == tensors.keys()
    assert all(value.dtype == torch.float32 for value in found.values())
    assert torch.equal(found["fc.weight"], tensors["fc.weight"].half().float())
