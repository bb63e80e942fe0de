"""The four forms of reference statistics, from files in the form in which they were released."""

from __future__ import annotations

import json

import numpy as np
import pytest

from samplebench.errors import InputError
from samplebench.reference_files import read


@pytest.fixture(scope="module")
def rows():
    """Activations [300, 2048], float32 and not negative, as pooled features are."""
    return np.random.default_rng(0).gamma(1.0, 0.4, (300, 2048)).astype(np.float32)


@pytest.fixture(scope="module")
def gaussian(rows):
    return rows.mean(axis=0, dtype=np.float64), np.cov(rows.T.astype(np.float64))


def test_edm(tmp_path, gaussian):
    np.savez(tmp_path / "edm.npz", mu=gaussian[0], sigma=gaussian[1])
    found = read(tmp_path / "edm.npz")
    assert np.array_equal(found.mean, gaussian[0]) and np.array_equal(found.cov, gaussian[1])
    assert (found.extractor, found.num_images, found.weights_sha256) == ("inception", None, "")


def test_openai_is_never_recomputed_from_its_images(tmp_path, gaussian):
    """arr_0 is not even looked at: here it is no array that could be read."""
    np.savez(
        tmp_path / "VIRTUAL_toy.npz",
        arr_0=np.array([object()]),
        mu=gaussian[0],
        sigma=gaussian[1],
        mu_s=np.zeros(2023),
        sigma_s=np.zeros((2, 2)),
    )
    found = read(tmp_path / "VIRTUAL_toy.npz")
    assert np.array_equal(found.mean, gaussian[0]) and np.array_equal(found.cov, gaussian[1])
    assert found.num_images is None


@pytest.mark.parametrize("count", [300, 2])
def test_activations(tmp_path, rows, count, monkeypatch):
    monkeypatch.setattr("samplebench.reference_files._ROWS", 128)
    np.savez(tmp_path / "stats.npz", pool_3=rows[:count], logits=np.zeros((count, 1008)))
    found, kept = read(tmp_path / "stats.npz"), rows[:count].astype(np.float64)
    assert found.mean == pytest.approx(kept.mean(0), rel=1e-12)
    assert np.abs(found.cov - np.cov(kept.T)).max() < 1e-12
    assert (found.num_images, found.extractor) == (count, "inception")


def test_float32_statistics_become_float64(tmp_path, gaussian):
    mean, cov = (array.astype(np.float32) for array in gaussian)
    np.savez(tmp_path / "edm.npz", mu=mean, sigma=cov)
    found = read(tmp_path / "edm.npz")
    assert found.mean.dtype == found.cov.dtype == np.float64
    assert np.array_equal(found.cov, cov)


def test_ours(tmp_path):
    facts = {"num_images": 7, "extractor": "toy", "weights_sha256": "ab", "made_from": "7 toys"}
    np.savez(tmp_path / "own.npz", mu=np.zeros(3), sigma=np.eye(3), facts=json.dumps(facts))
    found = read(tmp_path / "own.npz")
    assert (found.num_images, found.extractor, found.made_from) == (7, "toy", "7 toys")
    assert found.mean.shape == (3,)


WIDE, COV = np.zeros(2048), np.eye(2048)
ARRAYS = {
    "another width": ({"mu": np.zeros(192), "sigma": np.eye(192)}, "mu has 2048 numbers"),
    "no covariance": ({"mu": WIDE}, "sigma"),
    "another covariance": ({"mu": WIDE, "sigma": np.eye(3)}, "sigma of"),
    "not finite": ({"mu": WIDE + np.nan, "sigma": COV}, "not all finite"),
    "not symmetric": ({"mu": WIDE, "sigma": np.triu(COV + 1)}, "is no covariance"),
    "negative": ({"mu": WIDE, "sigma": -COV}, "is no covariance"),
    "whole numbers": ({"mu": WIDE.astype(int), "sigma": COV}, "int64, not floating-point"),
    "one activation": ({"pool_3": np.zeros((1, 2048))}, "pool_3 is"),
    "narrow activations": ({"pool_3": np.zeros((9, 64))}, "mu has 2048 numbers"),
    "images": ({"arr_0": np.zeros((2, 8, 8, 3), np.uint8)}, "pool_3"),
    "objects": ({"mu": np.array([object()]), "sigma": COV}, "allow_pickle"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_what_is_no_reference_is_refused(tmp_path, case):
    arrays, message = ARRAYS[case]
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(InputError, match=f"is not a reference of samplebench or.*{message}"):
        read(tmp_path / "wrong.npz")


def test_a_bare_array_and_a_damaged_archive(tmp_path, gaussian):
    np.save(tmp_path / "bare.npy", gaussian[0])
    np.savez_compressed(tmp_path / "cut.npz", mu=gaussian[0], sigma=gaussian[1])
    data = bytearray((tmp_path / "cut.npz").read_bytes())
    data[5000:9000] = bytes(4000)
    (tmp_path / "cut.npz").write_bytes(data)
    for name in ("bare.npy", "cut.npz"):
        with pytest.raises(InputError, match="is not a reference of samplebench"):
            read(tmp_path / name)
