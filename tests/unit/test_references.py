"""Reference statistics: saved, loaded, described, and told from other files."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest

from samplebench import references
from samplebench.errors import InputError, UsageError
from samplebench.features.digits import DigitsExtractor
from samplebench.metrics.moments import Moments

TOY = SimpleNamespace(name="toy", weights_sha256="ab" * 32)


@pytest.fixture
def moments():
    return Moments.of(np.random.default_rng(0).standard_normal((50, 4)))


@pytest.fixture
def saved(tmp_path, moments):
    return references.save(tmp_path / "deep" / "toy.reference.npz", moments, TOY, "50 toy images")


def test_a_saved_reference_is_read_back_in_full(saved, moments):
    again = references.load(str(saved.path))
    for found in (saved, again):
        assert np.array_equal(found.mean, moments.mean) and np.array_equal(found.cov, moments.cov)
        assert (found.num_images, found.extractor) == (50, "toy")
        assert (found.weights_sha256, found.made_from) == ("ab" * 32, "50 toy images")
        assert found.sha256 == hashlib.sha256(saved.path.read_bytes()).hexdigest()
        assert found.id == "toy"
    assert [path.name for path in saved.path.parent.iterdir()] == ["toy.reference.npz"]


def test_its_root(saved):
    assert saved.root @ saved.root == pytest.approx(saved.cov, rel=1e-11)
    assert saved.root is saved.root


def test_describe(saved, moments):
    facts = saved.describe()
    assert facts["num_images"] == 50 and facts["feature_dim"] == 4
    assert facts["trace"] == pytest.approx(np.trace(moments.cov))
    assert facts["mean_norm"] == pytest.approx(np.linalg.norm(moments.mean))
    assert facts["trace"] >= facts["largest_eigenvalue"] > facts["smallest_eigenvalue"] > 0
    assert all(isinstance(value, str | int | float) for value in facts.values())


def test_what_ships():
    assert {"digits", "digits-kde", "digits-kde-uncond"} <= set(references.names())


@pytest.mark.parametrize("name", references.names())
def test_an_embedded_reference_fits_its_extractor(name):
    found, extractor = references.load(name), DigitsExtractor()
    assert found.id == name
    assert (found.extractor, found.weights_sha256) == ("digits", extractor.weights_sha256)
    assert found.mean.shape == (64,) and found.cov.shape == (64, 64)
    assert found.mean.dtype == found.cov.dtype == np.float64
    assert np.array_equal(found.cov, found.cov.T)
    assert np.linalg.eigvalsh(found.cov)[0] > 0
    assert found.num_images >= 1797 and found.made_from


def test_an_unknown_name():
    with pytest.raises(UsageError, match="unknown reference 'digit'; did you mean 'digits'"):
        references.load("digit")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"text"),
        lambda path: path.write_bytes(b"PK\x03\x04 a damaged archive"),
        lambda path: np.savez(path, mu=np.zeros(3), sigma=np.eye(3)),
        lambda path: np.savez(path, mu=np.zeros(3), sigma=np.eye(3), facts="no json"),
        lambda path: np.savez(path, mu=np.zeros(3), sigma=np.eye(3), facts='{"other": 1}'),
        lambda path: np.savez(path, mu=np.array([None]), sigma=np.eye(3), facts="{}"),
    ],
    ids=["empty", "text", "damaged", "no facts", "no json", "other facts", "objects"],
)
def test_another_file_is_refused(tmp_path, write):
    path = tmp_path / "other.npz"
    write(path)
    with pytest.raises(InputError, match="is not a reference of samplebench"):
        references.load(str(path))
