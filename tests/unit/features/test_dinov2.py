"""DINOv2's extractors against a transformer that is written out here, on random weights."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import conv2d, gelu, interpolate, layer_norm

from samplebench.checkpoints.structure import structure
from samplebench.errors import EnvironmentError_, InputError
from samplebench.extras import absent_where_broken
from samplebench.features import dinov2, dinov2_network, dinov2_weights
from samplebench.features.dinov2 import Dinov2Extractor, Dinov2PilExtractor
from samplebench.registry import extractors
from tests.unit.download.server import serving
from tests.unit.features.random_dinov2 import random_dinov2, shapes_of

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
WIDTH, BLOCKS = 128, 2
RELEASED = dinov2_weights.STRUCTURE
DRAW = torch.Generator().manual_seed(0)
IMAGES = torch.randint(256, (3, 3, 32, 32), generator=DRAW, dtype=torch.uint8)
# Smooth ones, as photographs are: the resize rules differ at edges.
SMOOTH = interpolate(IMAGES.float(), size=(64, 48), mode="bilinear").to(torch.uint8)


@pytest.fixture(scope="module")
def tensors():
    return random_dinov2(WIDTH, BLOCKS)


@pytest.fixture(scope="module")
def small(tmp_path_factory, tensors):
    """A file of two blocks in the place of the released one; its path."""
    path = tmp_path_factory.mktemp("dinov2") / "small.pth"
    torch.save(tensors, path)
    patch = pytest.MonkeyPatch()
    patch.setattr(dinov2_weights, "WEIGHTS", published(path))
    patch.setattr(dinov2_weights, "STRUCTURE", of(tensors))
    patch.setattr(dinov2._Sized, "feature_dim", WIDTH)
    patch.setattr(dinov2, "BATCH", 2)
    patch.setenv("SAMPLEBENCH_DINOV2", str(path))
    yield path
    patch.undo()


@pytest.fixture(scope="module", params=[Dinov2Extractor, Dinov2PilExtractor])
def extractor(request, small):
    return request.param()


def of(tensors):
    return structure((name, value.shape) for name, value in tensors.items())


def published(path):
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return replace(dinov2_weights.WEIGHTS, size=path.stat().st_size, sha256=digest)


def cubic(x, a=-0.75):
    """Keys' kernel."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    return np.where(x <= 1, near, np.where(x < 2, a * (((x - 5) * x + 8) * x - 4), 0))


def moved(embedding):
    """16x16 of 37x37 positions: sampled at (i + 1/2) / factor - 1/2, factor (16 + 0.1) / 37."""
    at = (np.arange(16) + 0.5) * 37 / 16.1 - 0.5
    weights = np.zeros((16, 37))
    for row, place in enumerate(at):
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            weights[row, np.clip(tap, 0, 36)] += cubic(place - tap)
    grid = embedding[0, 1:].double().numpy().reshape(37, 37, -1)
    patches = np.einsum("ai,bj,ijd->abd", weights, weights, grid).reshape(256, -1)
    return torch.from_numpy(np.concatenate([embedding[0, :1].double().numpy(), patches]))


def transformer(tensors, images):
    """The class token of a vision transformer (Dosovitskiy et al. 2021) with layer scale.

    Args:
        images: float64 [N, 3, 224, 224].
    """
    t = {name: value.double() for name, value in tensors.items()}
    width = t["cls_token"].shape[-1]

    def norm(x, name):
        return layer_norm(x, (width,), t[f"{name}.weight"], t[f"{name}.bias"], eps=1e-6)

    def linear(x, name):
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    patches = conv2d(images, t["patch_embed.proj.weight"], t["patch_embed.proj.bias"], stride=14)
    x = patches.flatten(2).transpose(1, 2)
    x = torch.cat([t["cls_token"].expand(len(x), -1, -1), x], 1) + moved(tensors["pos_embed"])
    for i in range(BLOCKS):
        at = f"blocks.{i}"
        heads = linear(norm(x, f"{at}.norm1"), f"{at}.attn.qkv")
        q, k, v = heads.unflatten(2, (3, width // 64, 64)).permute(2, 0, 3, 1, 4)
        shares = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(64), dim=-1)
        mixed = (shares @ v).transpose(1, 2).flatten(2)
        x = x + t[f"{at}.ls1.gamma"] * linear(mixed, f"{at}.attn.proj")
        hidden = gelu(linear(norm(x, f"{at}.norm2"), f"{at}.mlp.fc1"))
        x = x + t[f"{at}.ls2.gamma"] * linear(hidden, f"{at}.mlp.fc2")
    return norm(x, "norm")[:, 0]


@needs_library
def test_features_are_those_of_a_transformer_written_out(extractor, tensors):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    sized = extractor.sized(SMOOTH).double() / 255
    normalized = torch.stack([(sized[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    expected = transformer(tensors, normalized)
    found = extractor(SMOOTH)
    assert found.dtype == torch.float64 and found.shape == expected.shape == (3, WIDTH)
    assert expected.std() > 0.3 and (expected[0] - expected[1]).abs().max() > 0.01
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_positions_are_moved_as_the_original_code_does(tensors):
    found, embedding = dinov2_network.positions(tensors["pos_embed"]), tensors["pos_embed"]
    assert found.shape == (1, 257, WIDTH)
    # Torch takes the places in float32.
    assert (found[0] - moved(embedding)).abs().max() < 1e-5 * embedding.abs().max()
    # Not what a plain resize to 16x16 gives.
    grid = embedding[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    plain = interpolate(grid, size=(16, 16), mode="bicubic").permute(0, 2, 3, 1).flatten(1, 2)
    assert (found[:, 1:] - plain).abs().max() > 0.1


def test_edm2_resizes_without_clipping_or_rounding():
    sharp = (IMAGES > 127).to(torch.uint8) * 255
    found = Dinov2Extractor.sized(sharp)
    same = interpolate(sharp.float(), (224, 224), mode="bicubic", antialias=True)
    assert torch.equal(found, same)
    assert found.min() < 0 and found.max() > 255 and (found % 1 != 0).any()


@pytest.mark.parametrize("shape", [(300, 260), (64, 48), (224, 224), (8, 8)])
def test_both_rules_are_pils_filter(shape):
    """On floats PIL neither rounds nor clips; it makes larger and smaller alike."""
    draw = np.random.default_rng(0)
    image = draw.integers(256, size=(*shape, 3), dtype=np.uint8)
    given = torch.from_numpy(image).permute(2, 0, 1)[None]
    channels = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    size, bicubic = (224, 224), Image.Resampling.BICUBIC
    expected = np.stack([np.asarray(each.resize(size, bicubic)) for each in channels])
    assert np.abs(Dinov2Extractor.sized(given)[0].numpy() - expected).max() < 0.01
    whole = np.asarray(Image.fromarray(image).resize(size, bicubic)).transpose(2, 0, 1)
    found = Dinov2PilExtractor.sized(given)[0].numpy()
    assert np.array_equal(found, whole) and found.dtype == np.float32


def test_the_rules_agree_where_nothing_is_clipped():
    """But for PIL's rounding after each of two passes."""
    soft = SMOOTH // 4 + 96
    apart = Dinov2Extractor.sized(soft) - Dinov2PilExtractor.sized(soft)
    assert 0.3 < apart.abs().max() < 1.3


@needs_library
def test_grey_images_are_three_equal_channels(extractor):
    grey = IMAGES[:2, :1]
    assert torch.equal(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)))


@needs_library
def test_features_do_not_depend_on_the_batch(extractor):
    whole, before = extractor(IMAGES), IMAGES.clone()
    assert torch.equal(extractor(IMAGES.clone()), whole) and torch.equal(IMAGES, before)
    for size in (1, 2):
        parts = torch.cat([extractor(part) for part in IMAGES.split(size)])
        assert (parts - whole).abs().max() < 1e-6 * whole.abs().max()
    strided = IMAGES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(extractor(strided), whole)
    assert extractor(IMAGES[:0]).shape == (0, WIDTH)


@needs_library
def test_both_rules_share_a_network_and_draw_nothing(small):
    state = torch.get_rng_state()
    first, second = Dinov2Extractor(), Dinov2PilExtractor()
    assert first._network is second._network
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first(SMOOTH), second(SMOOTH))


@needs_library
@pytest.mark.parametrize("wrong", [IMAGES.float(), IMAGES[0], IMAGES[:, :2], IMAGES.bool()])
def test_what_it_takes(extractor, wrong):
    with pytest.raises(ValueError, match=r"takes uint8 images \[N, 1 or 3, H, W\], not"):
        extractor(wrong)


def test_hash_width_and_structure_are_known_before_the_file_is_here():
    for name in ("dinov2", "dinov2-pil"):
        entry = extractors.entry(name)
        assert entry.obj.name == name and len(entry.summary) < 100
        assert entry.obj.weights_sha256.startswith("d5383ea8")


def test_the_structure_fits_the_size_of_the_file():
    """Of the shapes alone: no network of that size is made."""
    shapes = shapes_of()
    assert structure(shapes.items()) == RELEASED and len(shapes) == 343
    rest = 1_217_586_395 - 4 * sum(math.prod(shape) for shape in shapes.values())
    # What the archive itself takes: names, padding, and the directory.
    assert 250 * len(shapes) < rest < 400 * len(shapes)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentError_, match=r"need transformers.*pip install 'samplebench\[di"):
        Dinov2Extractor.fetch(offline=True, quiet=True)


@needs_library
def test_a_library_of_other_parts(tensors):
    extra = {**tensors, "blocks.0.more.weight": torch.zeros(3)}
    with pytest.raises(EnvironmentError_, match="has a DINOv2 of other parts"):
        dinov2_network.network(extra)


@needs_library
def test_offline_without_the_file(monkeypatch, tmp_path):
    monkeypatch.delenv("SAMPLEBENCH_DINOV2", raising=False)
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentError_, match=r"not in the cache.*SAMPLEBENCH_DINOV2="):
        Dinov2Extractor.fetch(offline=True, quiet=True)


def test_another_file_is_refused(tmp_path, monkeypatch, small):
    """Same size, one bit of one weight changed."""
    data = bytearray(small.read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "changed.pth"
    path.write_bytes(data)
    monkeypatch.setenv("SAMPLEBENCH_DINOV2", str(path))
    with pytest.raises(InputError, match="another file"):
        dinov2_weights.weights_file()


def test_the_variant_with_registers_is_refused(tmp_path, monkeypatch, tensors):
    path = tmp_path / "dinov2_vitl14_reg4_pretrain.pth"
    torch.save({**tensors, "register_tokens": torch.zeros(1, 4, WIDTH)}, path)
    monkeypatch.setenv("SAMPLEBENCH_DINOV2", str(path))
    with pytest.raises(InputError, match=r"reg4.*register tokens, which gives other features; use"):
        dinov2_weights.weights_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {**t, "more": torch.zeros(1)}, "36 tensors that are not those of DINOv2"),
        (lambda t: {k: v for k, v in t.items() if k != "norm.bias"}, "34 tensors that are not"),
        (lambda t: {**t, "norm.bias": torch.zeros(1)}, "35 tensors that are not those"),
        (lambda t: {**t, "norm.bias": torch.zeros(WIDTH).int()}, "holds whole numbers"),
        (lambda t: {**t, "norm.bias": 0.5}, "does not hold named tensors"),
    ],
    ids=["one more", "one less", "another shape", "whole numbers", "a number"],
)
def test_other_contents_are_refused(tmp_path, small, tensors, change, message):
    path = tmp_path / "other.pth"
    torch.save(change(tensors), path)
    with pytest.raises(InputError, match=message):
        dinov2_weights.read_weights(path)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A package that fails while it is imported, as one that was built for another torch."""
    (tmp_path / "brokenvision").mkdir()
    (tmp_path / "brokenvision" / "__init__.py").write_text("raise RuntimeError('no operator nms')")
    monkeypatch.syspath_prepend(tmp_path)
    yield "brokenvision"
    sys.modules.pop("brokenvision", None)


def test_a_broken_package_counts_as_absent(broken):
    with absent_where_broken(broken):
        assert importlib.util.find_spec(broken) is None
        with pytest.raises(ImportError):
            importlib.import_module(broken)
    assert importlib.util.find_spec(broken) is not None and broken not in sys.modules
    with absent_where_broken("json"), absent_where_broken("nowhere_at_all"):
        assert importlib.util.find_spec("json") is not None


@needs_library
@pytest.mark.slow
def test_the_real_size_from_a_server(tmp_path, monkeypatch):
    """1.2 GB, fetched, verified, loaded, and run on a batch."""
    monkeypatch.delenv("SAMPLEBENCH_DINOV2", raising=False)
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAMPLEBENCH_OFFLINE", raising=False)
    path = tmp_path / "large.pth"
    torch.save(random_dinov2(), path)
    with serving() as server:
        url = server.put("/dinov2_vitl14_pretrain.pth", path.read_bytes())
        monkeypatch.setattr(dinov2_weights, "WEIGHTS", replace(published(path), url=url))
        here = Dinov2Extractor.fetch(offline=False, quiet=True)
        server.files.clear()
    path.unlink()
    assert here.name == "dinov2_vitl14_pretrain.pth"
    found = Dinov2Extractor()(IMAGES)
    assert found.shape == (3, 1024) and found.isfinite().all()
    assert len(found.unique(dim=0)) == 3
    # pytest keeps the folders of its last runs.
    here.unlink()
