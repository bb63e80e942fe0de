"""A folder of images is read whole or refused, and what is left out is said."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samplebench.errors import InputError
from samplebench.image_sets import read


def put(path, value=0, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 1, 2)).save(path, format="PNG")
    return path


def values(root):
    """The first pixel of every image, in order."""
    return [int(image[0, 0, 0]) for batch in read(root).batches() for image in batch]


@pytest.fixture
def root(tmp_path):
    """A folder with a/1.png, b/2.png and c.png."""
    for value, name in enumerate(("a/1.png", "b/2.png", "c.png")):
        put(tmp_path / "set" / name, value)
    return tmp_path / "set"


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints/c-checkpoint.png", "._c.png", ".cache/x.png", "__MACOSX/a/1.png",
        "@eaDir/c.png", "b/.trash/2.png", "Thumbs.db", "desktop.ini", ".DS_Store", "lost+found/1",
    ],
)  # fmt: skip
def test_what_is_left_behind_is_no_image(root, name):
    put(root / name, 99)
    assert values(root) == [0, 1, 2]
    assert read(root).notes == ("ignored, not images of the set: 1 hidden",)


def test_what_is_left_out_is_counted(root):
    for name in ("a.json", "b.json", "LICENSE", "a/x.TXT", "\x1b[31mred"):
        (root / name).write_text("text")
    os.mkfifo(root / "pipe")
    (root / "gone.md").symlink_to("nowhere")
    (note,) = read(root).notes
    for part in ("2 .json", "1 LICENSE", "1 .txt", "1 pipe", "1 broken link", r"1 \x1b[31mred"):
        assert part in note
    assert values(root) == [0, 1, 2]


def test_links_are_followed_and_end(root, tmp_path):
    put(tmp_path / "elsewhere" / "deep" / "4.png", 4)
    (root / "d").symlink_to(tmp_path / "elsewhere")
    (root / "e.png").symlink_to("c.png")
    (root / "a" / "again").symlink_to("..")
    (root / "z").symlink_to("b")
    assert values(root) == [0, 1, 2, 4, 2]
    assert read(root).notes == (
        "ignored, not images of the set: 2 link to a folder that is read already",
    )


def test_a_link_to_the_set_itself(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert values(tmp_path / "link") == [0, 1, 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: (p / "x.heic").write_bytes(b"?"), r"x\.heic .*\.heic is not read here"),
        (lambda p: (p / "x.PSD").write_bytes(b"?"), r"x\.PSD .*save it as PNG"),
        (lambda p: put(p / "c.png.bak"), r"c\.png\.bak .*under the suffix \.bak"),
        (lambda p: put(p / "c.txt"), r"c\.txt .*under the suffix \.txt"),
        (lambda p: (p / "x.png").symlink_to("nowhere"), r"x\.png .*a broken link"),
        (lambda p: (p / "n01").symlink_to("nowhere"), r"n01 .*a broken link"),
        (lambda p: os.mkfifo(p / "x.jpg"), r"x\.jpg .*it is not a file"),
        (lambda p: (p / "x.png").symlink_to("/dev/zero"), r"x\.png .*it is not a file"),
    ],
)
def test_what_must_not_be_left_out_is_refused(root, make, message):
    make(root)
    with pytest.raises(InputError, match=message):
        read(root)


def test_a_folder_in_the_place_of_an_image_is_walked(root):
    put(root / "d.png" / "1.png", 7)
    assert values(root) == [0, 1, 2, 7]


def test_a_folder_that_cannot_be_read(root, monkeypatch):
    listed = os.listdir

    def refuse(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InputError, match=r"folder .*/b cannot be read \(Permission denied\)"):
        read(root)


def test_all_that_is_wrong_is_named_at_once(root):
    for name in ("x1.png", "x2.png", "x3.png", "x4.png", "x5.png"):
        (root / name).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"x1.*4 more are refused: .*x2.*x3.*x4\.png, \.\.\.$"):
        read(root)


def test_sizes_are_compared_before_anything_is_decoded(root, monkeypatch):
    monkeypatch.setattr("samplebench.image_sets.files.pixels", lambda *_: pytest.fail("decoded"))
    for name in ("d.png", "e.png"):
        put(root / name, size=(9, 8))
    with pytest.raises(InputError, match=r"d\.png has shape \(3, 8, 9\).*2 of 5 .*e\.png"):
        read(root)


@pytest.mark.parametrize("first", [True, False])
def test_grey_among_colour_is_three_equal_channels(root, first):
    put(root / ("a/0.png" if first else "d.png"), 7, mode="L")
    found = read(root)
    (batch,) = found.batches()
    assert np.array_equal(batch[0 if first else 3], np.full((3, 8, 8), 7))
    assert found.notes == ("1 of 4 images are grey and count as three equal channels",)


def test_an_image_that_changes_meanwhile(root):
    found = read(root)
    put(root / "b" / "2.png", size=(9, 9))
    with pytest.raises(InputError, match=r"2\.png has shape \(3, 9, 9\).*changed meanwhile"):
        list(found.batches())


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_file_is_not_opened(tmp_path, kind, monkeypatch):
    path = Path("/dev/zero") if kind == "device" else tmp_path / "set"
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "socket":
        monkeypatch.chdir(tmp_path)
        socket.socket(socket.AF_UNIX).bind("set")
    with pytest.raises(InputError, match=f"is a {kind}, not a file"):
        read(path)
