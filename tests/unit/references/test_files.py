"""The five forms of reference statistics, from files in the form in which they were released."""

from __future__ import annotations

import json
import pickle
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from samplebench.cli import main
from samplebench.errors import InputError
from samplebench.image_sets import read as read_images
from samplebench.references.files import beside_images, read
from samplebench.scoring.references import reference_for


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
    path, spatial = tmp_path / "VIRTUAL_toy.npz", np.arange(2023.0)
    arrays = {"mu": gaussian[0], "sigma": gaussian[1], "arr_0": np.array([object()])}
    np.savez(path, **arrays, mu_s=spatial, sigma_s=np.diag(spatial))
    found = read(path)
    assert np.array_equal(found.mean, gaussian[0]) and np.array_equal(found.cov, gaussian[1])
    assert found.num_images is None
    assert found.holds == ("inception", "inception-spatial")
    other = read(path, "inception-spatial")
    assert other.extractor == "inception-spatial" and np.array_equal(other.mean, spatial)
    assert np.array_equal(other.cov, np.diag(spatial)) and other.holds == found.holds
    # What it does not hold is not made up.
    assert read(path, "dinov2").extractor == "inception"
    for wanted, dim in (("inception", 2048), ("inception-spatial", 2023)):
        reference = reference_for(str(path), wanted)
        assert (reference.extractor, reference.feature_dim) == (wanted, dim)
    assert reference_for(str(path), "dinov2") is None


def test_sfids_statistics_alone(tmp_path):
    np.savez(tmp_path / "s.npz", mu_s=np.zeros(2023), sigma_s=np.eye(2023))
    assert read(tmp_path / "s.npz").holds == ("inception-spatial",)
    assert reference_for(str(tmp_path / "s.npz"), "inception") is None
    np.savez(tmp_path / "s.npz", mu_s=np.zeros(7), sigma_s=np.eye(7))
    with pytest.raises(InputError, match="without facts, mu_s has 2023 numbers, not the shape"):
        read(tmp_path / "s.npz")


def test_a_half_of_sfids_statistics_is_told_where_it_is_asked_for(tmp_path, gaussian):
    arrays = {"mu": gaussian[0], "sigma": gaussian[1], "mu_s": np.zeros(2023)}
    np.savez(tmp_path / "VIRTUAL_toy.npz", **arrays, sigma_s=np.zeros((2, 2)))
    assert read(tmp_path / "VIRTUAL_toy.npz").extractor == "inception"
    with pytest.raises(InputError, match=r"mu_s of shape \[2023\], sigma_s of \[2, 2\]"):
        read(tmp_path / "VIRTUAL_toy.npz", "inception-spatial")


def test_edm2(tmp_path, gaussian):
    """A pickle of plain data, with the statistics of two extractors."""
    moments = {"mu": gaussian[0], "sigma": gaussian[1]}
    other = {"mu": np.arange(1024.0), "sigma": np.eye(1024)}
    path = tmp_path / "img64.pkl"
    path.write_bytes(pickle.dumps({"num_images": 300, "fid": moments, "fd_dinov2": other}, 4))
    found = read(path)
    assert np.array_equal(found.mean, gaussian[0]) and np.array_equal(found.cov, gaussian[1])
    assert (found.extractor, found.num_images, found.rows) == ("inception", 300, None)
    assert reference_for(str(path), "inception").num_images == 300
    dino = reference_for(str(path), "dinov2")
    assert (dino.extractor, dino.feature_dim, dino.num_images) == ("dinov2", 1024, 300)
    assert np.array_equal(dino.mean, other["mu"]) and dino.holds == ("inception", "dinov2")
    # Another way of resizing, other features.
    assert reference_for(str(path), "dinov2-pil") is None
    path.write_bytes(pickle.dumps({"num_images": 300, "fd_dinov2": other}, 4))
    assert read(path).holds == ("dinov2",) and reference_for(str(path), "inception") is None
    path.write_bytes(pickle.dumps({"num_images": 300, "kid": other}, 4))
    with pytest.raises(InputError, match="statistics for fid: it holds kid"):
        read(path)


PICKLES = {
    "fid of 4 features": ({"num_images": 9, "fid": {"mu": np.ones(4), "sigma": np.eye(4)}}, "2048"),
    "no count": ({"fid": {}}, "no num_images"),
    "count": ({"num_images": 1, "fid": {}}, "not a number of images"),
    "flag": ({"num_images": True, "fid": {}}, "no num_images"),
    "list": ([1], "no num_images"),
    "one array": ({"num_images": 9, "fid": {"mu": np.ones(4)}}, "not mu and sigma"),
    "numbers": ({"num_images": 9, "fid": {"mu": [1.0], "sigma": [[1.0]]}}, "are not arrays"),
    "shapes": ({"num_images": 9, "fid": {"mu": np.ones(4), "sigma": np.eye(3)}}, "[D, D]"),
    "matrix": ({"num_images": 9, "fid": {"mu": np.eye(4), "sigma": np.eye(4)}}, "[D, D]"),
    "integers": ({"num_images": 9, "fid": {"mu": np.arange(4), "sigma": np.eye(4)}}, "type i8"),
    "fortran": (
        {"num_images": 9, "fid": {"mu": np.ones(4), "sigma": np.asfortranarray(np.ones((4, 4)))}},
        "order",
    ),
    "code": ({"num_images": 9, "fid": Path}, "pathlib"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_other_pickles(tmp_path, name):
    content, said = PICKLES[name]
    path = tmp_path / "ref.pkl"
    path.write_bytes(pickle.dumps(content, 4))
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_with_more_behind_it(tmp_path):
    path = tmp_path / "ref.pkl"
    path.write_bytes(pickle.dumps({"num_images": 9, "fid": {}}, 4) + b"x")
    with pytest.raises(InputError, match="1 bytes follow its end"):
        read(path)


@pytest.mark.parametrize("count", [300, 2])
def test_activations(tmp_path, rows, count, monkeypatch):
    monkeypatch.setattr("samplebench.references.files._ROWS", 128)
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


@pytest.mark.parametrize(
    ("keys", "kind"), [(("m", "s"), ">f4"), (("mean", "cov"), "fortran"), (("mu", "sigma"), ">f8")]
)
def test_other_names_orders_and_types(tmp_path, gaussian, keys, kind):
    mean, cov = gaussian
    if kind != "fortran":
        mean, cov = mean.astype(kind), cov.astype(kind)
    np.savez(tmp_path / "other.npz", **dict(zip(keys, (mean, np.asfortranarray(cov)), strict=True)))
    found = read(tmp_path / "other.npz")
    assert np.array_equal(found.mean, mean) and np.array_equal(found.cov, cov)
    assert found.mean.dtype == found.cov.dtype == np.dtype("=f8")


WIDE, COV = np.zeros(2048), np.eye(2048)
ARRAYS = {
    "another width": ({"mu": np.zeros(192), "sigma": np.eye(192)}, "mu has 2048 numbers"),
    "no covariance": ({"mu": WIDE}, "sigma"),
    "another covariance": ({"mu": WIDE, "sigma": np.eye(3)}, "sigma of"),
    "not finite": ({"mu": WIDE + np.nan, "sigma": COV}, "not all finite"),
    "not symmetric": ({"mu": WIDE, "sigma": np.triu(COV + 1)}, "is not a covariance"),
    "negative": ({"mu": WIDE, "sigma": -COV}, "is not a covariance"),
    "whole numbers": ({"mu": WIDE.astype(int), "sigma": COV}, "int64, not floating-point"),
    "one activation": ({"pool_3": np.zeros((1, 2048))}, "pool_3 is"),
    "narrow activations": ({"pool_3": np.zeros((9, 64))}, "mu has 2048 numbers"),
    "images": ({"arr_0": np.zeros((2, 8, 8, 3), np.uint8)}, "pool_3"),
    "images of ours": ({"images": np.zeros((2, 8, 8), np.uint8)}, "images, uint8.*make --images"),
    "other keys": ({"mu": WIDE, "covariance": WIDE}, "mu, covariance; needed are mu and sigma; or"),
    "deviations": ({"mean": WIDE, "cov": WIDE + 1}, "cov of"),
    "labels too": ({"x": WIDE, "y": WIDE}, "holds x, y"),
    "large": ({"mu": WIDE + 1e200, "sigma": COV}, "not all finite"),
    "structures": ({"mu": np.zeros(2048, [("a", "f8")]), "sigma": WIDE}, "not a plain array"),
    "empty": ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, "mu has 2048 numbers"),
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


OURS = {"num_images": 7, "extractor": "toy", "weights_sha256": "ab", "made_from": "7 toys"}
FACTS = {
    "a list": "[]",
    "a number as text": json.dumps({**OURS, "num_images": "7"}),
    "half an image": json.dumps({**OURS, "num_images": 7.5}),
    "true": json.dumps({**OURS, "num_images": True}),
    "negative": json.dumps({**OURS, "num_images": -7}),
    "endless": '{"num_images": 1' + 5000 * "0" + "}",
    "a table": json.dumps({**OURS, "extractor": {"name": "toy"}}),
    "more": json.dumps({**OURS, "further": 1}),
    "deep": "[" * 9999,
    "long": json.dumps({**OURS, "made_from": "x" * 20_000}),
    "bytes": np.bytes_(b"{}"),
    "several": np.array(["{}", "{}"]),
}


@pytest.mark.parametrize("case", FACTS)
def test_facts_of_another_kind(tmp_path, case):
    np.savez(tmp_path / "own.npz", mu=np.zeros(3), sigma=np.eye(3), facts=FACTS[case])
    with pytest.raises(InputError, match=r"is not a reference of samplebench.*\(its fact"):
        read(tmp_path / "own.npz")


def test_no_array_is_read_before_its_shape_fits(tmp_path):
    """A small file whose sigma, pool_3 or mu would take gigabytes."""
    shapes = {"mu": "(2048,)", "sigma": "(268435456, 1)", "pool_3": "(1048576, 2048)"}
    for keys in (("mu", "sigma"), ("pool_3",)):
        path = tmp_path / "bomb.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for key in keys:
                head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shapes[key]}, }}"
                head = head.ljust(117) + "\n"
                data = b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head.encode()
                archive.writestr(f"{key}.npy", data + bytes(2048 * 8))
        tracemalloc.start()
        try:
            with pytest.raises(InputError, match=r"sigma of \[268435456, 1\]|cut off"):
                read(path)
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()


def test_activations_that_unpack_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("samplebench.files.archives._FREE", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", pool_3=np.zeros((500, 2048), np.float32))
    with pytest.raises(InputError, match="unpack to 4,096,000"):
        read(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("edm2.pkl", b"\x80\x04.", "a pickle, not EDM2's statistics for fid"),
        ("r.npz", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("r.npz", b"<html>", "a web page"),
        ("r.npz", b"", "it is empty"),
    ],
)
def test_what_else_is_given_as_reference_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


def test_other_zip_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        archive.writestr("0.png", b"")
    with pytest.raises(InputError, match="a zip archive without arrays"):
        read(tmp_path / "r.npz")
    with zipfile.ZipFile(tmp_path / "r.npz", "w") as archive:
        archive.writestr("stats/data.pkl", b"")
    with pytest.raises(InputError, match=r"a file of torch\.save"):
        read(tmp_path / "r.npz")


def test_statistics_beside_images_are_told_where_the_images_are_taken(tmp_path, capsys):
    """And not where the file is the reference, whose statistics are taken already."""
    images = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    images[1:] = 200
    path, out = tmp_path / "both.npz", tmp_path / "made.reference.npz"
    np.savez(path, arr_0=images, mu_s=np.zeros(2023), sigma_s=np.eye(2023))
    assert read_images(path).notes == ()
    words = ["reference", "make", "--images", path, "--extractor", "pixels", "--out", out]
    assert main([str(word) for word in words]) == 0
    assert f"{path} also holds statistics" in capsys.readouterr().err
    np.savez(path, arr_0=images)
    assert beside_images(path) == beside_images(tmp_path) == ()
