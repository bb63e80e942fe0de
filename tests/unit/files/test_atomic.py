"""A reader never sees half a file."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from samplebench.errors import InputError
from samplebench.files.atomic import atomic, expanded, regular, write_atomic


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_an_error_leaves_things_as_they_were(tmp_path, before):
    path = tmp_path / "file.txt"
    if before:
        path.write_text(before)
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half of it")
        _ = 1 / 0
    assert [p.read_text() for p in tmp_path.iterdir()] == ([before] if before else [])


def test_it_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    """Then its folder is, too; file systems that cannot wait are not asked twice."""
    path, synced = tmp_path / "file.txt", []

    def sync(number):
        synced.append((os.fstat(number).st_ino, path.exists()))
        if len(synced) % 2 == 0:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync)
    write_atomic(path, b"new")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_full_disk_is_no_new_file(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file.txt").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "file.txt", b"new")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link to nothing", "a device"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = tmp_path / "it"
    make = {
        "a pipe": os.mkfifo,
        "a folder": os.mkdir,
        "a link to nothing": lambda path: os.symlink("nowhere", path),
        "a device": lambda path: os.symlink("/dev/null", path),
    }
    make[kind](path)
    before = path.lstat()
    with pytest.raises(InputError, match=f"it is {kind}, not a file; move it away"):
        write_atomic(path, b"new")
    assert path.lstat() == before and len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_only_files_are_opened(tmp_path, kind, monkeypatch):
    path = Path("/dev/null") if kind == "a device" else tmp_path / "it"
    if kind == "a folder":
        path.mkdir()
    if kind == "a pipe":
        os.mkfifo(path)
    if kind == "a socket":
        monkeypatch.chdir(tmp_path)
        socket.socket(socket.AF_UNIX).bind("it")
    (tmp_path / "link").symlink_to(path)
    for name in (path, tmp_path / "link"):
        with pytest.raises(InputError, match=f"{name} is {kind}, not a file"):
            regular(name)


def test_a_link_to_a_file_is_one(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    assert regular(tmp_path / "link") == tmp_path / "link"
    with pytest.raises(FileNotFoundError):
        regular(tmp_path / "missing")


def test_home_in_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert expanded("~/images") == Path("/home/ann/images")
    assert expanded("a~/b") == Path("a~/b") and expanded("~nobody-here/x") == Path("~nobody-here/x")


class TestNames:
    def test_what_cannot_be_written_is_named(self, tmp_path):
        """A full disk does not say of which file; a temporary name says nothing."""
        path = tmp_path / "table.csv"
        for fault in (OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "broken", None)):
            with pytest.raises(OSError, match=r"full|broken") as caught, atomic(path):
                raise fault
            assert caught.value.filename == str(path)
        with pytest.raises(OSError, match="broken") as caught, atomic(path) as temporary:
            raise OSError(errno.EIO, "broken", str(temporary))
        assert caught.value.filename == str(path)
        with pytest.raises(FileNotFoundError) as caught, atomic(path):
            (tmp_path / "nowhere").read_text()
        assert caught.value.filename == str(tmp_path / "nowhere")
        assert [*tmp_path.iterdir()] == []

    @pytest.mark.parametrize("letter", ["n", "\u00e9", "\U0001f600"])
    def test_the_longest_names_are_taken(self, tmp_path, letter):
        path = tmp_path / (letter * (255 // len(letter.encode())))
        assert write_atomic(path, b"x").read_bytes() == b"x"
        assert [*tmp_path.iterdir()] == [path]

    def test_two_that_write_at_once_do_not_meet(self, tmp_path):
        """Of two machines with one disk the processes may have one number."""
        path = tmp_path / "table.csv"
        with atomic(path) as first, atomic(path) as second:
            first.write_text("first")
            second.write_text("second")
            assert first != second
        assert path.read_text() == "first"

    @pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
    def test_a_link_under_a_temporary_name_is_not_followed(self, tmp_path, monkeypatch):
        from samplebench.files import atomic as module

        monkeypatch.setattr(module.secrets, "randbelow", lambda most: 7)
        (tmp_path / "dear").write_text("dear")
        (tmp_path / ".table.csv.7.tmp").symlink_to("dear")
        with pytest.raises(FileExistsError):
            write_atomic(tmp_path / "table.csv", b"x")
        assert (tmp_path / "dear").read_text() == "dear"
