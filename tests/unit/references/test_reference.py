"""Reference statistics: saved, loaded, described, and told from other files."""

from __future__ import annotations

import hashlib
import os
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from samplebench.errors import EnvironmentError_, InputError, UsageError
from samplebench.features.judged import extractor_of
from samplebench.metrics.moments import Moments
from samplebench.references import reference as references

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


def test_images_that_are_all_alike(tmp_path):
    """Their variances are rounding errors, negative ones among them."""
    alike = Moments.of(np.full((3, 4), [0.1, 0.7, 0.3, 0.9]))
    alike.outer -= 1e-15 * np.eye(4)
    found = references.save(tmp_path / "alike.reference.npz", alike, TOY, "3 images")
    assert np.abs(found.cov).max() < 1e-14


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
    assert {"digits", "digits-kde", "digits-kde-uncond"} <= set(references.shipped())


@pytest.mark.parametrize("name", references.shipped())
def test_an_embedded_reference_fits_its_extractor(name):
    found = references.load(name)
    extractor, features = extractor_of(found.extractor, torch.device("cpu")), found.mean.size
    assert found.id == name
    assert found.weights_sha256 == extractor.weights_sha256
    assert found.extractor == "pixels" or features == extractor.feature_dim
    assert found.mean.shape == (features,) and found.cov.shape == (features, features)
    assert found.mean.dtype == found.cov.dtype == np.float64
    assert np.array_equal(found.cov, found.cov.T)
    # Of grey images the three channels of pixels are one.
    values = np.linalg.eigvalsh(found.cov)
    assert values[0] > (-1e-12 * values[-1] if found.extractor == "pixels" else 0)
    assert found.num_images >= 1797 and found.made_from


RELEASED = [name for name in references.names() if name not in references.shipped()]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """`files(name)`: puts statistics where the cache has a released reference's file."""
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    mean, cov = np.arange(2048.0), np.diag(np.arange(1.0, 2049.0))

    def put(name):
        path = references.load(name).path
        path.parent.mkdir(parents=True)
        np.savez(path, mu=mean, sigma=cov)
        return path

    return put


def test_all_that_were_released():
    assert {name.split("-")[0] for name in RELEASED} == {"edm", "edm2", "openai", "score", "gddim"}
    assert len(RELEASED) == 10


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_reference_is_known_before_it_is_fetched(name):
    found = references.load(name)
    assert (found.id, found.extractor, found.feature_dim) == (name, "inception", 2048)
    assert found.made_from and found.made_with and found.licence
    assert found.weights_sha256 == "" and not found.path.exists()
    facts = found.describe()
    assert facts["num_images"] in (50_000, "not stated") and "trace" not in facts
    assert all(isinstance(value, str | int | float) for value in facts.values())
    with pytest.raises(EnvironmentError_, match=f"{name}/.*offline.*give its path with --refer"):
        found.fetch(offline=True, quiet=True)


@pytest.mark.parametrize(
    ("name", "extractor", "dim"),
    [
        ("edm2-img64", "dinov2", 1024),
        ("openai-VIRTUAL_imagenet64_labeled", "inception-spatial", 2023),
        ("openai-VIRTUAL_imagenet128_labeled", "inception-spatial", 2023),
    ],
)
def test_a_released_file_of_two_extractors(tmp_path, monkeypatch, name, extractor, dim):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    first, second = references.load(name), references.load(name, extractor=extractor)
    assert (first.extractor, second.extractor) == ("inception", extractor)
    assert second.feature_dim == dim and second.path == first.path
    assert first.holds == second.holds == ("inception", extractor)
    assert first.facts()["holds"] == f"inception, {extractor}"
    assert references.load("edm-cifar10-32x32", extractor=extractor).extractor == "inception"
    # The file may hold less than the table says; it still serves what it holds.
    second.path.parent.mkdir(parents=True)
    moments = {"mu": np.zeros(2048), "sigma": np.eye(2048)}
    with second.path.open("wb") as file:
        if file.name.endswith(".pkl"):
            pickle.dump({"num_images": 9, "fid": moments}, file, 4)
        else:
            np.savez(file, **moments)
    with pytest.raises(InputError, match=f"holds inception features, not {extractor} ones"):
        _ = references.load(name, extractor=extractor).statistics
    assert references.load(name).statistics.holds == ("inception",)


def test_the_hash_of_a_released_reference():
    """A published one is known at once, else the first use is recorded."""
    assert references.load("edm-cifar10-32x32").sha256.startswith("4ada108c")
    assert references.load("edm-ffhq-64x64").sha256 == ""


def test_a_released_reference_is_trusted_on_first_use(files):
    path, found = files("edm-ffhq-64x64"), references.load("edm-ffhq-64x64")
    assert np.array_equal(found.mean, np.arange(2048.0))
    assert found.cov[2047, 2047] == 2048.0
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert references.load("edm-ffhq-64x64").sha256 == digest
    np.savez(path, mu=np.zeros(2048), sigma=np.eye(2048))
    with pytest.raises(InputError, match="on its first use"):
        references.load("edm-ffhq-64x64").fetch(offline=True, quiet=True)


def test_a_file_of_another_hash_is_refused(files):
    files("edm-cifar10-32x32")
    with pytest.raises(InputError, match="where 4ada108c"):
        _ = references.load("edm-cifar10-32x32").mean


def test_its_mean_alone_does_not_open_a_connection_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("SAMPLEBENCH_OFFLINE", "1")
    with pytest.raises(EnvironmentError_, match="not in the cache"):
        _ = references.load("openai-VIRTUAL_imagenet64_labeled").mean


def test_released_statistics_by_path(tmp_path):
    np.savez(tmp_path / "stats.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    found = references.load(str(tmp_path / "stats.npz"))
    assert (found.id, found.extractor, found.weights_sha256) == ("stats.npz", "inception", "")
    assert (found.made_with, found.num_images) == ("not stated", None)
    assert found.describe()["trace"] == 2048


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


@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "broken link":
        path.symlink_to("nowhere")
    with pytest.raises(InputError, match=r"make --images .*/it|is a pipe|cannot be read \(No such"):
        references.load(str(path))


def test_home_in_the_path_of_a_reference(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved.path.parent))
    assert references.load("~/toy.reference.npz").sha256 == saved.sha256


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)


def test_features_that_are_kept_are_mapped(tmp_path, rows):
    path = tmp_path / "rows.reference.npz"
    made = references.save(path, Moments.of(rows), TOY, "50 toys", rows)
    found = made.statistic("features")
    assert np.array_equal(found, rows) and found.dtype == np.float32
    assert isinstance(found.base, np.memmap) and not found.flags.writeable
    assert made.keeps_rows and made.describe()["features"] == "kept"
    assert made.statistic("moments").root.shape == (4, 4)


def test_features_that_are_not_kept(saved):
    assert saved.keeps_rows is False and saved.describe()["features"] == "not kept"
    message = (
        "toy keeps no features; give --reference images, or make it again with 'samplebench ref"
    )
    with pytest.raises(InputError, match=message):
        saved.statistic("features")


def test_activations_as_they_were_released(tmp_path):
    rows = np.random.default_rng(0).random((3, 2048), np.float32)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "stats.npz", pool_3=rows)
        assert np.array_equal(references.load(str(tmp_path / "stats.npz")).rows, rows)


def test_features_of_another_shape_are_refused(tmp_path, rows):
    path = tmp_path / "rows.reference.npz"
    for wrong in (rows[:49], rows[:, :3], rows.astype(int), rows[0]):
        references.write(path, Moments.of(rows), TOY, "50 toys", wrong)
        with pytest.raises(InputError, match=r"its features are .*, not floating-point \[50, 4\]"):
            references.load(str(path))


def test_damaged_features_are_told(tmp_path, rows):
    path = tmp_path / "rows.reference.npz"
    made = references.save(path, Moments.of(rows), TOY, "50 toys", rows)
    data = bytearray(path.read_bytes())
    place = data.index(rows.tobytes()[:40])
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"the features in .*rows\.reference\.npz cannot be read"):
        made.statistic("features")
