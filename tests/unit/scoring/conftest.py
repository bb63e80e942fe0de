"""Images in every container, and an extractor that counts its calls."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from samplebench import registry


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own; the folder."""
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """`forgetful()`: nothing is known of earlier, as in a new process."""

    def forget():
        monkeypatch.setattr("samplebench.scoring.made._made", {})

    forget()
    return forget


@pytest.fixture
def array():
    """100 random grey images of 8 x 8 pixels, [100, 1, 8, 8]."""
    return np.random.default_rng(0).integers(256, size=(100, 1, 8, 8), dtype=np.uint8)


@pytest.fixture
def stored(tmp_path):
    """`stored(array, kind)`: images as folder, zip, npy or npz; the path."""

    def store(array, kind, name="images"):
        path = tmp_path / (name if kind == "folder" else f"{name}.{kind}")
        if kind == "npy":
            np.save(path, array)
        elif kind == "npz":
            np.savez(path, arr_0=array.transpose(0, 2, 3, 1))
        else:
            folder = path if kind == "folder" else tmp_path / f"{name}-unpacked"
            folder.mkdir()
            for i, image in enumerate(array):
                Image.fromarray(image[0]).save(folder / f"{i:03}.png")
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for image in sorted(folder.iterdir()):
                    archive.write(image, f"deep/{image.name}")
        return str(path)

    return store


@pytest.fixture
def counting(monkeypatch):
    """A registered extractor of four features, "counting"; the sizes of its batches."""
    calls: list[int] = []

    class Counting:
        name, feature_dim, weights_sha256 = "counting", 4, "ab" * 32

        def __init__(self, device="cpu") -> None:
            pass

        def __call__(self, images):
            calls.append(len(images))
            return images.flatten(1)[:, :4].double()

    entry = registry.extractors.made("counting", Counting, builtin=True)
    monkeypatch.setitem(registry.extractors._entries, "counting", entry)
    return calls


def features_of(images):
    """What it gives."""
    return torch.from_numpy(images).flatten(1)[:, :4].double().numpy()
