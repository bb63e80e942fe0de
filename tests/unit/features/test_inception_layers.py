"""The three layers of Inception: each is what it says, and one pass gives them all."""

from __future__ import annotations

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import relu

from samplebench.features import inception_network
from samplebench.features.inception import InceptionExtractor, InceptionLogits, InceptionSpatial
from samplebench.features.inception_network import InceptionNetwork, inception_class
from samplebench.features.shared import Shared
from samplebench.image_sets import read
from samplebench.registry import extractors, metrics
from samplebench.results.store import Store
from samplebench.scoring.images import score_images
from samplebench.scoring.measure import measures, ready
from tests.unit.bench.folders import again, sweep, values_of

LAYERS = {"inception": 2048, "inception-logits": 1008, "inception-spatial": 2023}
DRAW = torch.Generator().manual_seed(0)
IMAGES = torch.randint(256, (3, 3, 32, 32), generator=DRAW, dtype=torch.uint8)


@pytest.fixture(scope="module")
def layers(weights):
    return InceptionExtractor(), InceptionLogits(), InceptionSpatial()


@pytest.fixture
def passes(monkeypatch):
    """The sizes of the batches that the network has seen."""
    seen, whole = [], InceptionNetwork._pass

    def counted(self, batch):
        seen.append(len(batch))
        return whole(self, batch)

    monkeypatch.setattr(InceptionNetwork, "_pass", counted)
    return seen


@pytest.fixture
def real(tmp_path, monkeypatch):
    """Two grey images, and a metric on each layer by its extractor's name."""
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("samplebench.scoring.made._made", {})
    # Two batches: what is remembered of the second is no help with the first.
    monkeypatch.setattr("samplebench.image_sets.image_set._BATCH", 1)
    monkeypatch.setattr(inception_network, "BATCH", 1)
    monkeypatch.setattr("samplebench.report.plots.write_figures", lambda view, out: [])
    for name in LAYERS:

        def distance(moments, reference):
            return float(np.square(moments.mean - reference.mean).sum())

        entry = metrics.made(f"m-{name}", distance, extractor=name, better="lower")
        monkeypatch.setitem(metrics._entries, entry.name, entry)
    np.save(tmp_path / "real.npy", IMAGES[:2, :1, :8, :8].numpy())
    return str(tmp_path / "real.npy")


METRICS = [f"m-{name}" for name in LAYERS]


def test_what_they_declare():
    facts = [(e.name, e.obj.feature_dim) for e in extractors if e.name in LAYERS]
    assert dict(facts) == LAYERS
    assert len({extractors.get(name).weights_sha256 for name in LAYERS}) == 1


def test_the_pool_has_the_bits_of_a_network_that_gives_nothing_else(layers, weights):
    alone = inception_class()("own", ["2048"], feature_extractor_weights_path=str(weights))
    # In the order that a CPU's convolutions work in; the other one differs by rounding.
    alone = alone.eval().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        (expected,) = alone(IMAGES[:2])
    assert torch.equal(layers[0](IMAGES[:2]), expected.double())


def test_logits_have_no_bias(layers, tensors):
    pool, logits, _ = (layer(IMAGES) for layer in layers)
    expected = pool @ tensors["fc.weight"].double().T
    assert tensors["fc.bias"].abs().max() > 0.1
    assert (logits - expected).abs().max() < 1e-4 * expected.abs().max()


def test_positions_run_over_rows_then_columns_then_channels(layers, weights):
    """Against the branch's own tensors, on the input that its block is given."""
    net, given = layers[2]._network.net, []
    hook = net.Mixed_6d.register_forward_pre_hook(lambda _, words: given.append(words[0]))
    found = layers[2](IMAGES.flip(3)[:2]).reshape(2, 17, 17, 7)
    hook.remove()
    branch = net.Mixed_6d.branch1x1
    with torch.inference_mode():
        expected = relu(branch.bn(branch.conv(given[0])))
    assert expected.shape == (2, 192, 17, 17) and (expected == 0).any()
    for channel in range(7):
        assert torch.equal(found[..., channel], expected[:, channel].double())


def test_one_pass_serves_all_three(layers, passes):
    images = IMAGES.flip(2)
    first = [layer(images) for layer in layers]
    assert passes == [2, 1]
    # By what they are: as a copy, on any stride, and after other images.
    strided = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert torch.equal(layers[1](strided.clone()), first[1]) and passes == [2, 1]
    layers[0](IMAGES)
    assert passes == [2, 1, 2, 1]
    assert torch.equal(layers[2](images), first[2]) and passes == [2, 1, 2, 1, 2, 1]


def test_images_that_changed_in_place_are_other_images(layers):
    """Also where only the array behind the tensor was written to."""
    array = IMAGES.numpy().copy()
    images = torch.from_numpy(array)
    first = layers[0](images)
    array[:] = 255 - array
    assert torch.equal(layers[0](images), layers[0](torch.from_numpy(array.copy())))
    assert not torch.equal(layers[0](images), first)


def test_what_is_remembered_is_bounded(layers):
    network = layers[0]._network
    layers[0](IMAGES)
    assert len(network._last) == 2
    layers[1](IMAGES[:1])
    assert len(network._last) == 1


def test_the_network_goes_with_its_extractors(weights, monkeypatch):
    monkeypatch.setattr(inception_network, "_networks", Shared())
    extractor = InceptionExtractor()
    extractor(IMAGES[:1])
    # Alone it remembers nothing.
    assert extractor._network._last == {}
    assert InceptionLogits()._network is extractor._network
    del extractor
    gc.collect()
    assert len(inception_network._networks.there) == 0


def test_the_reference_and_the_images_of_a_score_are_passed_once(weights, passes, real, tmp_path):
    here = ready(measures(METRICS, [real]), offline=True, quiet=True)
    assert passes == [1, 1]
    np.save(tmp_path / "other.npy", IMAGES[:2, 1:2, :8, :8].numpy())
    found = score_images(read(Path(tmp_path / "other.npy")), here, device="cpu", quiet=True)
    assert passes == [1, 1, 1, 1] and all(each.value["value"] > 0 for each in found)
    for measure, dim in zip(here, LAYERS.values(), strict=True):
        assert measure.reference.mean.shape == (dim,)
    # Each was cached by itself.
    assert len(list((tmp_path / "cache" / "references").iterdir())) == 3


def test_images_beside_statistics_are_passed_once(weights, passes, real, tmp_path, monkeypatch):
    """Features that metrics on them need, of OpenAI's files."""
    names = ("inception", "inception-spatial")
    for name in names:
        entry = metrics.made(f"f-{name}", max, extractor=name, statistic="features", builtin=True)
        monkeypatch.setitem(metrics._entries, entry.name, entry)
    statistics = {"mu": np.zeros(2048), "sigma": np.eye(2048)}
    statistics |= {"mu_s": np.zeros(2023), "sigma_s": np.eye(2023)}
    path = tmp_path / "VIRTUAL_toy.npz"
    np.savez(path, arr_0=IMAGES[:2].permute(0, 2, 3, 1).numpy(), **statistics)
    wanted = measures([f"{kind}-{name}" for name in names for kind in "mf"], [str(path)])
    found = ready(wanted, offline=True, quiet=True)
    assert passes == [1, 1] and len(found) == 4
    kept = {each.metric.name: each.reference for each in found}
    assert kept["f-inception-spatial"].rows.shape == (2, 2023)
    assert kept["m-inception-spatial"].mean.shape == (2023,)
    assert kept["f-inception"].rows.shape == (2, 2048)


def test_a_run_and_its_kept_images_are_passed_once(weights, passes, real, tmp_path):
    one = {"sampler": "euler", "nfe": 2, "num_samples": 2, "batch_size": 1}
    ready(measures(METRICS, [real]), offline=True, quiet=True)
    out = tmp_path / "run"
    done = sweep(out, **one, metric=METRICS, reference=real, keep="images")
    # The reference, then two blocks.
    assert passes == [1, 1, 1, 1] and len(done.values) == 3
    kept = [path for path in (out / "cells").iterdir() if "images" not in path.name]
    for path in (*kept, *(out / "scores").iterdir()):
        if path.suffix == ".npz" or path.parent.name == "scores":
            path.unlink()
    passes.clear()
    found, evaluations = again(out, *METRICS, reference=[real])
    assert (passes, evaluations, found.lacking) == ([1, 1], 0, {})
    assert values_of(Store(out), found.rows) == done.values


def test_threads_do_not_mix_their_images(layers):
    """Nor what the hook sees: each gets the layers of its own images."""
    mine = IMAGES[:2].split(1)
    expected = [layers[2](images) for images in mine]
    layers[2]._network._last = {}
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(layers[2], mine))
    assert all(map(torch.equal, found, expected))


def test_two_threads_load_one_network():
    both, loads = threading.Barrier(2), []
    shared = Shared[InceptionNetwork]()

    def load():
        loads.append(1)
        time.sleep(0.05)
        return torch.nn.Identity()

    def on(_):
        both.wait()
        return shared.on(torch.device("cpu"), "ab", load)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(on, range(2))
    assert first is second and len(loads) == 1
