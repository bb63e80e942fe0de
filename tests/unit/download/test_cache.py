"""Where downloads live, where they are asked for, and what is remembered of them."""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path

import pytest

from samplebench.download import address, kinds, patience, trust, verify
from samplebench.download.cache import root
from samplebench.download.fetch import Artefact, fetch, known_sha256, path_of
from samplebench.download.patience import Cut, Patience
from samplebench.errors import InputError, UsageError

URL = "https://nvlabs-fi-cdn.nvidia.com/edm/pretrained/x.pkl"
DRIVE = "https://drive.google.com/file/d/14UB27-Spi8V_jZY/view?usp=sharing"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def artefact():
    return Artefact("demo", URL, "x.pkl")


@pytest.fixture
def put(cache, artefact):
    """`put(content)`: a file in the cache, put there by hand -> its path."""

    def put(content):
        path = path_of(artefact)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return put


@pytest.fixture
def hashed(monkeypatch):
    """The files that were hashed."""
    found = []

    def sha256(path):
        found.append(path)
        return digest(path.read_bytes())

    monkeypatch.setattr(verify, "sha256", sha256)
    return found


# The root.


def test_the_root_is_the_users_word_then_xdgs_then_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", "~/own")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert root() == tmp_path / "own"
    monkeypatch.delenv("SAMPLEBENCH_CACHE")
    assert root() == tmp_path / "xdg" / "samplebench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert root() == tmp_path / ".cache" / "samplebench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert root() == tmp_path / ".cache" / "samplebench"


def test_a_relative_root_does_not_move_with_the_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAMPLEBENCH_CACHE", "here")
    assert root() == tmp_path / "here"


# Names.


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "a\0b", "a\nb", "x.part", "x.LOCK",
     "x.part.json", "x.drive", "a.", "a ", "-rf", "é", "C:x", "a" * 200],
)  # fmt: skip
def test_unsafe_names_are_refused(name):
    for words in ((name, URL, "x.pkl"), ("demo", URL, name)):
        with pytest.raises(InputError, match="not a safe"):
            Artefact(*words)


@pytest.mark.parametrize("name", ["vp-cifar10", "checkpoint_8.pth", "ema_0.9999 (1)"[:10], "a b"])
def test_released_names_are_safe(name):
    assert path_of(Artefact(name, URL, name)).name == name


@pytest.mark.parametrize("url", ["file:///etc/passwd", "package://x", "x.pkl", "https://", ""])
def test_an_artefact_is_on_the_web(url):
    with pytest.raises(InputError, match="not an address"):
        Artefact("demo", url, "x.pkl")


@pytest.mark.parametrize("facts", [{"size": 0}, {"size": -1}, {"sha256": "A" * 64}, {"sha256": ""}])
def test_impossible_facts_are_refused(facts):
    with pytest.raises(InputError):
        Artefact("demo", URL, "x.pkl", **facts)


# Addresses.


@pytest.mark.parametrize(
    ("mirror", "url", "expected"),
    [
        ("", URL, URL),
        ("http://host/base", URL, "http://host/base/edm/pretrained/x.pkl"),
        ("http://host:8000/base/", URL, "http://host:8000/base/edm/pretrained/x.pkl"),
        ("https://host", "https://a.org/f/86/?dl=1", "https://host/f/86/?dl=1"),
        ("", DRIVE, None),
        ("http://host/base", DRIVE, "http://host/base/demo/x%20y.pkl"),
    ],
)
def test_a_mirror_takes_the_place_of_scheme_and_host(monkeypatch, mirror, url, expected):
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", mirror)
    assert address.address(Artefact("demo", url, "x y.pkl")) == expected


@pytest.mark.parametrize("mirror", ["host/base", "file:///mirror", "http://", "http://host/?a=b"])
def test_a_mirror_is_a_base_address(monkeypatch, mirror):
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", mirror)
    with pytest.raises(UsageError, match="SAMPLEBENCH_MIRROR"):
        address.address(Artefact("demo", URL, "x.pkl"))


@pytest.mark.parametrize(
    ("path", "found", "folder"),
    [
        ("file/d/14UB27-Spi8V_jZY/view?usp=sharing", "14UB27-Spi8V_jZY", False),
        ("file/d/14UB27-Spi8V_jZY", "14UB27-Spi8V_jZY", False),
        ("drive/folders/1xYjVMx10N9ivQ?usp=sharing", "1xYjVMx10N9ivQ", True),
    ],
)
def test_google_drive_is_known_by_its_address(path, found, folder):
    artefact = Artefact("demo", f"https://drive.google.com/{path}", "x.pth")
    assert address.drive_id(artefact) == found
    assert address.is_folder(artefact) == folder


def test_other_addresses_of_google_drive_are_told(artefact):
    assert address.drive_id(artefact) is None
    with pytest.raises(InputError, match="file/d/ID/view"):
        address.drive_id(Artefact("demo", "https://drive.google.com/open?id=1", "x.pth"))


def test_a_password_of_a_mirror_is_not_shown():
    assert address.shown("https://me:secret@host:1/x?y=1") == "https://host:1/x?y=1"


# Trust.


def test_one_line_per_file_says_what_it_was(put, cache, artefact):
    path = put(b"one")
    assert verify.verify(artefact, path) == digest(b"one")
    other = Artefact("demo", URL, "y.pkl")
    (cache / "demo" / "y.pkl").write_bytes(b"two")
    verify.verify(other, path_of(other))
    text = (cache / "trust.lock").read_text()
    assert len(text.splitlines()) == 3
    lines = tomllib.loads(text)
    assert list(lines) == ["demo/x.pkl", "demo/y.pkl"]
    line = lines["demo/x.pkl"]
    assert (line["sha256"], line["size"], line["url"]) == (digest(b"one"), 3, "by hand")
    assert line["mtime_ns"] == path.stat().st_mtime_ns
    assert known_sha256(artefact) == digest(b"one")


def test_what_people_write_into_the_file_stays(put, cache, artefact):
    verify.verify(artefact, put(b"one"))
    lines = cache / "trust.lock"
    lines.write_text(lines.read_text() + "# checked with the authors\n")
    other = Artefact("demo", URL, "y.pkl")
    (cache / "demo" / "y.pkl").write_bytes(b"two")
    verify.verify(other, path_of(other))
    assert "# checked with the authors\n" in lines.read_text()


@pytest.mark.parametrize("sha256", [None, digest(b"one")])
def test_a_file_is_hashed_once_until_it_is_touched(put, artefact, hashed, sha256):
    artefact = Artefact("demo", URL, "x.pkl", sha256=sha256)
    path = put(b"one")
    for _ in range(3):
        fetch(artefact, offline=True)
    assert hashed == [path]
    os.utime(path, ns=(1, 1))
    for _ in range(3):
        fetch(artefact, offline=True)
    assert hashed == [path, path]


def test_a_changed_file_is_refused_whatever_its_time(put, artefact):
    path = put(b"one")
    verify.verify(artefact, path)
    stat = path.stat()
    path.write_bytes(b"other")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(InputError) as caught:
        verify.verify(artefact, path)
    for word in (digest(b"one"), digest(b"other"), "delete the line of demo/x.pkl", "move it away"):
        assert word in str(caught.value)


def test_a_hash_that_is_published_later_is_checked_at_once(put, artefact):
    path = put(b"one")
    verify.verify(artefact, path)
    with pytest.raises(InputError, match="is published"):
        verify.verify(Artefact("demo", URL, "x.pkl", sha256=digest(b"two")), path)
    with pytest.raises(InputError, match="truncated"):
        verify.verify(Artefact("demo", URL, "x.pkl", size=4), path)


def test_a_file_elsewhere_is_held_to_the_same_line(put, artefact, tmp_path, hashed):
    """--file PATH."""
    verify.verify(artefact, put(b"one"))
    same, other = tmp_path / "same", tmp_path / "other"
    same.write_bytes(b"one")
    other.write_bytes(b"two")
    stat = path_of(artefact).stat()
    for path in (same, other):
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert verify.verify(artefact, same) == digest(b"one")
    with pytest.raises(InputError, match="on its first use"):
        verify.verify(artefact, other)
    # The cached file is still remembered.
    before = len(hashed)
    verify.verify(artefact, path_of(artefact))
    assert len(hashed) == before
    with pytest.raises(InputError, match="is not a file"):
        verify.verify(artefact, tmp_path / "none")


@pytest.mark.parametrize(
    "line",
    ["not toml", '"demo/x.pkl" = 1', '"demo/x.pkl" = {sha256 = "abc"}',
     '"demo/x.pkl" = {url="", size=3, sha256="abc", date="", mtime_ns=0}'],
)  # fmt: skip
def test_a_damaged_line_is_told(put, cache, artefact, line):
    path = put(b"one")
    (cache / "trust.lock").write_text(line)
    with pytest.raises(InputError, match=r"trust\.lock.* delete"):
        verify.verify(artefact, path)


class Unwritable:
    """A cache that others fill."""

    def __init__(self, monkeypatch) -> None:
        def refuse(*_):
            raise PermissionError(13, "Permission denied", str(trust.file()))

        monkeypatch.setattr(trust.locks, "acquire", refuse)


def test_a_cache_that_others_fill_is_read(put, artefact, monkeypatch, caplog):
    path = put(b"one")
    verify.verify(artefact, path)
    Unwritable(monkeypatch)
    os.utime(path, ns=(1, 1))
    assert fetch(artefact, offline=True) == path
    (trust.file()).unlink()
    # Nobody trusted it yet, and nobody can write that down: it serves, and is told once.
    with caplog.at_level("WARNING"):
        for _ in range(2):
            assert fetch(artefact, offline=True) == path
    (line,) = [record.getMessage() for record in caplog.records]
    assert "demo/x.pkl" in line and "cannot be written" in line and digest(b"one") in line
    assert known_sha256(artefact) == digest(b"one")
    # Until the process ends it is trusted like any other.
    path.write_bytes(b"two")
    with pytest.raises(InputError, match="on its first use"):
        fetch(artefact, offline=True)
    path.write_bytes(b"one")
    assert fetch(Artefact("demo", URL, "x.pkl", sha256=digest(b"one")), offline=True) == path


@pytest.mark.parametrize(
    ("head", "page"),
    [
        (b"<!DOCTYPE html>", True),
        (b"\r\n\t <HTML lang=en>", True),
        (b"\xef\xbb\xbf<!doctype html>", True),
        (b"\x80\x02}q\x00", False),
        (b"PK\x03\x04<html>", False),
        (b"", False),
    ],
)
def test_pages_are_known_by_their_first_bytes(head, page):
    assert kinds.looks_like_page(head) == page


# Patience.


def test_pauses_grow_and_end():
    patient = Patience(0)
    pauses = [patient.pause(Cut("cut"), 0) for _ in range(patience.ATTEMPTS)]
    assert pauses[-1] is None
    for i, seconds in enumerate(pauses[:-1]):
        assert 0.75 * 2**i <= seconds <= 1.25 * 2**i
    assert pauses[:-1] != [Patience(0).pause(Cut("cut"), 0)] * (patience.ATTEMPTS - 1)


def test_a_download_that_gets_on_is_not_given_up():
    patient = Patience(0)
    for size in range(1 << 20, 100 << 20, 1 << 20):
        assert patient.pause(Cut("cut"), size) < 1.3
    # The same bytes over and over are no progress.
    assert [patient.pause(Cut("cut"), 50 << 20) for _ in range(4)][-1] is None


def test_a_folder_in_the_place_of_the_file_is_told(cache, artefact):
    Path(path_of(artefact)).mkdir(parents=True)
    with pytest.raises(InputError, match="is not a file"):
        fetch(artefact, offline=True)
