"""Zip archives of images, EDM's among them, are read like their unpacked folders."""

from __future__ import annotations

import io
import json
import stat
import zipfile

import numpy as np
import pytest
from PIL import Image

from samplebench.errors import InputError
from samplebench.image_sets import read

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 9, 3), dtype=np.uint8)


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def pack(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


EDM = {f"0000{i // 2}/img{i:08d}.png": png(image) for i, image in enumerate(IMAGES)}
EDM["dataset.json"] = json.dumps({"labels": [[name, 0] for name in EDM]})


def content(path):
    return np.concatenate(list(read(path).batches()))


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_like_the_unpacked_folder(tmp_path, method):
    path = pack(tmp_path / "d.zip", EDM, method)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "d")
    assert np.array_equal(content(path), IMAGES.transpose(0, 3, 1, 2))
    assert np.array_equal(content(path), content(tmp_path / "d"))
    assert read(path).notes == read(tmp_path / "d").notes
    assert ".json" in read(path).notes[0] and read(path).description == "5 images of d.zip"


def test_what_other_systems_pack(tmp_path):
    """Folders as members, backslashes, resource forks."""
    members = {
        "set/": b"", "set\\b.PNG": png(IMAGES[1]), "set/a": png(IMAGES[0]),
        "__MACOSX/set/._a.png": b"fork", "set/.DS_Store": b"", "set/labels.csv": "a,b",
    }  # fmt: skip
    path = pack(tmp_path / "d.zip", members)
    assert np.array_equal(content(path), IMAGES[:2].transpose(0, 3, 1, 2))
    assert read(path).notes == ("ignored, not images of the set: 2 hidden, 1 .csv",)


def changed(data, old, new, times=1):
    assert old in data
    return data.replace(old, new, times)


def encrypted(data):
    head, middle = data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8
    return data[:head] + b"\1" + data[head + 1 : middle] + b"\1" + data[middle + 1 :]


def method(number):
    def change(data):
        at = data.index(b"PK\x01\x02") + 10
        return data[:at] + bytes([number]) + data[at + 1 :]

    return change


def newer(data):
    at = data.index(b"PK\x01\x02") + 6
    return data[:at] + b"\xff" + data[at + 1 :]


DAMAGE = {
    "encrypted": (encrypted, "encrypted"),
    "unknown method": (method(97), "compression"),
    "deflate that is none": (method(8), "not a readable image|invalid|decompressing"),
    "newer": (newer, "zip file version"),
    "cut": (lambda data: data[:-30], "zip"),
    "directory": (lambda data: changed(data, b"PK\x01\x02", b"PK\x01\x03"), "[Bb]ad magic"),
    "checksum": (lambda data: changed(data, EDM_DATA[60:64], b"\0\0\0\0"), "CRC"),
}
EDM_DATA = EDM["00000/img00000000.png"]


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_archive_is_one_line(tmp_path, case):
    change, message = DAMAGE[case]
    path = pack(tmp_path / "d.zip", EDM)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message) as caught:
        content(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/a.png", "C:\\a.png", "..\\a.png"])
def test_members_that_point_outside(tmp_path, name):
    path = pack(tmp_path / "d.zip", {**EDM, name: png(IMAGES[0])})
    with pytest.raises(InputError, match="which points outside of it"):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["a/x.png", "a\\x.png", "a/./x.png"])
def test_two_members_of_one_name(tmp_path, again):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in ("a/x.png", again):
            archive.writestr(name, png(IMAGES[0]))
    with pytest.raises(InputError, match=r"two members|twice"):
        read(tmp_path / "d.zip")


def test_links_and_bombs(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("a.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InputError, match=r"a\.png .*a link inside"):
        read(pack(tmp_path / "link.zip", {link: "/etc/passwd"}))
    monkeypatch.setattr("samplebench.image_sets.zipped._LARGEST", 1 << 20)
    path = pack(tmp_path / "bomb.zip", {"a.png": bytes(2_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"a\.png .*2,000,000 bytes in one image"):
        read(path)


def test_members_that_overlap(tmp_path):
    """Many names for one and the same data."""
    path = pack(tmp_path / "d.zip", {f"{i}.png": EDM_DATA for i in range(3)})
    data = path.read_bytes()
    for i in (1, 2):
        at = data.rindex(f"{i}.png".encode()) - 46
        data = data[: at + 20] + (len(data) // 2).to_bytes(4, "little") + data[at + 24 :]
    path.write_bytes(data)
    with pytest.raises(InputError, match="overlap"):
        read(path)


def test_a_zip_without_images(tmp_path):
    with pytest.raises(InputError, match=r"holds no images .*ignored.*1 \.txt"):
        read(pack(tmp_path / "d.zip", {"a.txt": "text"}))
    with pytest.raises(InputError, match="holds no images"):
        read(pack(tmp_path / "d.zip", {}))
