"""Features of real images by torch-fidelity's functions: distances and shares of two halves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samplebench.embedded import load_digits
from samplebench.features.digits import DigitsExtractor
from samplebench.features.pixels import PixelsExtractor
from samplebench.metrics.frechet import frechet_distance
from samplebench.metrics.inception_score import inception_score
from samplebench.metrics.kernel import kid, kid_subsets
from samplebench.metrics.manifold import precision_recall
from samplebench.metrics.moments import Moments

ROOT = Path(__file__).parents[3]
# Real images of others, which are no part of the repository.
DATA = Path(os.environ.get("SAMPLEBENCH_DATA") or ROOT.parent / "shared" / "data")


def digits():
    """Features [1797, 64] of the digits that ship with the package."""
    images = torch.from_numpy(load_digits()[0])
    return DigitsExtractor()(images.to(torch.uint8)).double().numpy()


def cifar10():
    """Features [4000, 192] of images of CIFAR-10; each file is a row of pixels per image."""
    files = sorted((DATA / "cifar10").glob("batch_*.png"))
    if not files:
        pytest.skip(f"no CIFAR-10 in {DATA}")
    pixels = np.concatenate([np.array(Image.open(file).convert("RGB")) for file in files])
    images = torch.from_numpy(pixels.reshape(-1, 32, 32, 3)).permute(0, 3, 1, 2)
    return PixelsExtractor()(images).numpy()


@pytest.fixture(params=[digits, cifar10], ids=["digits", "cifar10"])
def halves(request):
    """Features of two halves of one set of images."""
    rows = request.param()
    half = len(rows) // 2
    return rows[:half], rows[half : 2 * half]


def only(found: dict, word: str) -> float:
    (value,) = (value for key, value in found.items() if word in key)
    return value


def test_frechet_distance(halves, torch_fidelity):
    fidelity = torch_fidelity("metric_fid")
    theirs = [fidelity.fid_features_to_statistics(torch.from_numpy(rows)) for rows in halves]
    expected = fidelity.fid_statistics_to_metric(*theirs, verbose=False)
    both = [Moments.of(rows) for rows in halves]
    found = frechet_distance(*(part for each in both for part in (each.mean, each.cov)))
    assert found == pytest.approx(only(expected, "frechet"), rel=1e-4)


@pytest.mark.parametrize("subsets", [20, None], ids=["subsets", "all pairs"])
def test_kernel_distance(halves, torch_fidelity, subsets):
    """Of all pairs: one subset that is the whole."""
    real, generated = halves
    size = len(real) if subsets is None else 500
    words = {"kid_subsets": subsets or 1, "kid_subset_size": size, "rng_seed": 2020}
    expected = torch_fidelity("metric_kid").kid_features_to_metric(
        torch.from_numpy(generated), torch.from_numpy(real), verbose=False, **words
    )
    if subsets is None:
        found = kid(real, generated)
    else:
        found, std = kid_subsets(generated, real, subsets=subsets, subset_size=size)
        assert std == pytest.approx(only(expected, "std"), rel=1e-4)
    assert found == pytest.approx(only(expected, "mean"), rel=1e-4, abs=1e-12)


def test_precision_and_recall(halves, torch_fidelity):
    real, generated = halves
    expected = torch_fidelity("metric_prc").prc_features_to_metric(
        torch.from_numpy(generated), torch.from_numpy(real), verbose=False
    )
    found = precision_recall(real, generated)
    assert found[0] == pytest.approx(only(expected, "precision"), rel=1e-4)
    assert found[1] == pytest.approx(only(expected, "recall"), rel=1e-4)


def test_inception_score(halves, torch_fidelity):
    """The features as if they were logits."""
    expected = torch_fidelity("metric_isc").isc_features_to_metric(torch.from_numpy(halves[0]))
    found = inception_score(halves[0])
    assert found == pytest.approx([only(expected, "mean"), only(expected, "std")], rel=1e-4)
