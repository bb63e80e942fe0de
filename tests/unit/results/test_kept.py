"""What is kept of images: a changed byte is found when it is used, before a number comes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samplebench.errors import EnvironmentError_, InputError
from samplebench.results.damage import Damaged
from samplebench.results.kept import LEVELS, Kept

AB, CD, KEY = "ab" * 32, "cd" * 32, "0" * 8


@pytest.fixture
def kept(tmp_path):
    found = Kept(tmp_path, 2)
    found.write(AB, "moments", KEY, {"total": np.arange(100.0)})
    found.write(AB, "features", KEY, {"features": np.ones((90, 3), np.float32)})
    found.write(AB, "images", "", {"arr_0": np.ones((9, 8, 8, 1), np.uint8)})
    return found


def read(kept, level, cell=AB):
    if level == "images":
        return kept.images(cell)
    return kept.moments(cell, KEY)["total"] if level == "moments" else kept.features(cell, KEY)


def path_of(kept, level):
    (path,) = kept.folder.glob(f"{AB}.{level}*.npz")
    return path


def test_it_comes_back_as_it_was(kept):
    assert read(kept, "moments").tolist() == [*range(100)]
    assert read(kept, "features").shape == (90, 3) and read(kept, "images").shape == (9, 8, 8, 1)
    assert [path.name.split(".")[1] for path in kept.of()] == [
        f"features-{KEY}", "images", f"moments-{KEY}",
    ]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_a_changed_byte_is_found_when_it_is_used(kept, level):
    path = path_of(kept, level)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        Damaged, match=f"{path.name} is damaged .*; delete it and its cell is sampled"
    ):
        read(kept, level)


@pytest.mark.parametrize("level", LEVELS)
def test_that_of_another_cell_is_damage(kept, level):
    path = path_of(kept, level)
    path = path.rename(path.with_name(path.name.replace(AB, CD)))
    for use in (lambda: read(kept, level, CD), lambda: kept.check(path)):
        with pytest.raises(Damaged, match="its cell is not that of its name"):
            use()


@pytest.mark.parametrize("level", LEVELS)
def test_a_newer_one_is_refused(kept, level):
    with pytest.raises(InputError, match="has schema 2, this samplebench reads 1; update sampleb"):
        read(Kept(kept.folder, 1), level)


@pytest.mark.parametrize("level", LEVELS)
def test_one_that_cannot_be_read_is_no_damage(kept, level, monkeypatch):
    def closed(path, mode="r"):
        raise PermissionError(13, "Permission denied")

    path = path_of(kept, level)
    monkeypatch.setattr(Path, "open", closed)
    for use in (lambda: read(kept, level), lambda: kept.check(path)):
        with pytest.raises(EnvironmentError_, match=r"cannot be read \(Permission denied\)"):
            use()


def test_numbers_of_another_kind_are_damage(kept):
    kept.write(AB, "features", KEY, {"features": np.ones(9)})
    kept.write(AB, "images", "", {"others": np.ones(9)})
    with pytest.raises(Damaged, match=r"its features are float64 \[9\]"):
        kept.features(AB, KEY)
    with pytest.raises(Damaged, match="it holds others, facts, not arr_0"):
        kept.images(AB)


def test_files_of_others_are_none(kept):
    before = kept.of()
    for name in ("my.features-old.npz", f"{AB}.features-mine.npz", "notes.images.npz"):
        (kept.folder / name).write_bytes(b"")
    assert kept.of() == before
