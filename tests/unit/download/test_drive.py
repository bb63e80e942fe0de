"""Google Drive: through gdown where it is, else the manual step."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import inspect
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from samplebench.download.fetch import Artefact, fetch, known_sha256, path_of, plan
from samplebench.errors import EnvironmentError_, InputError

CONTENT = b"\x80\x02weights" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()
FILE = "https://drive.google.com/file/d/14UB27-Spi8V_jZY/view?usp=sharing"
FOLDER = "https://drive.google.com/drive/folders/1xYjVMx10N9ivQ?usp=sharing"
Listed = namedtuple("Listed", ("id", "path", "local_path"))


class Gdown:
    """Stands in for gdown: what Drive holds by id, what folders list, and the calls so far."""

    def __init__(self) -> None:
        self.files = {"14UB27-Spi8V_jZY": CONTENT}
        self.folders = {"1xYjVMx10N9ivQ": {}}
        self.calls = []
        self.error = None

    def download(self, *, id, output, progress, **words):
        self.calls.append(("download", id, words))
        if self.error is not None:
            # What it leaves of a download that breaks off.
            Path(f"{output}abcd1234.part").write_bytes(b"part")
            raise self.error
        content = self.files[id]
        progress(0, len(content))
        Path(output).write_bytes(content)
        progress(len(content), len(content))
        return output

    def download_folder(self, *, id, **words):
        self.calls.append(("folder", id, words))
        return [Listed(i, path, path) for path, i in self.folders[id].items()]


@pytest.fixture
def gdown(cache, monkeypatch):
    fake = Gdown()
    module = SimpleNamespace(download=fake.download, download_folder=fake.download_folder)
    monkeypatch.setitem(sys.modules, "gdown", module)
    return fake


@pytest.fixture
def no_gdown(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)


def artefact(url=FILE, **facts):
    return Artefact("vp-scoresde", url, "checkpoint_8.pth", **facts)


def get(item):
    return fetch(item, progress=False)


def manual(call, kind, *words):
    """Asserts that `call` ends in one line that holds the manual step and the words."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    step = ("in a browser", "checkpoint_8.pth", path_of(artefact()), "--file PATH", *words)
    for word in step:
        assert str(word) in message


def test_a_file_is_brought_and_verified(gdown):
    item = artefact(sha256=HASH, size=len(CONTENT))
    assert plan(item).url == FILE
    path = get(item)
    assert path == path_of(item)
    assert path.read_bytes() == CONTENT
    assert [path.name for path in path.parent.glob("[!.]*")] == ["checkpoint_8.pth"]
    kind, file, words = gdown.calls[0]
    assert (kind, file) == ("download", "14UB27-Spi8V_jZY")
    assert words["timeout"]
    # Nothing is written outside the cache, nor printed.
    assert words["use_cookies"] is False
    assert words["quiet"] is True
    assert get(item) == path
    assert len(gdown.calls) == 1


def test_without_a_hash_the_first_file_is_trusted(gdown):
    path = get(artefact())
    assert known_sha256(artefact()) == HASH
    path.unlink()
    gdown.files["14UB27-Spi8V_jZY"] = b"another"
    manual(lambda: get(artefact()), InputError, HASH, "on its first use", "delete the line")
    assert not path.exists()


def test_of_a_folder_the_file_with_the_name_is_brought(gdown):
    folder = gdown.folders["1xYjVMx10N9ivQ"]
    folder |= {"checkpoint_15.pth": "c15", "best/checkpoint_8.pth": "c8", "notes.txt": "n"}
    gdown.files["c8"] = CONTENT
    assert get(artefact(FOLDER)).read_bytes() == CONTENT
    assert [call[:2] for call in gdown.calls] == [("folder", "1xYjVMx10N9ivQ"), ("download", "c8")]
    assert gdown.calls[0][2]["skip_download"] is True


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({"checkpoint_15.pth": "a"}, ("holds no checkpoint_8.pth", "checkpoint_15.pth")),
        ({}, ("nothing that is listed",)),
        ({"a/checkpoint_8.pth": "a", "b/checkpoint_8.pth": "b"}, ("more than one",)),
    ],
)
def test_a_folder_without_the_file_is_told(gdown, listed, words):
    gdown.folders["1xYjVMx10N9ivQ"] = listed
    manual(lambda: get(artefact(FOLDER)), InputError, FOLDER, *words)


def test_without_gdown_the_manual_step_is_told(no_gdown):
    manual(lambda: get(artefact()), EnvironmentError_, FILE, "samplebench[drive]")
    assert plan(artefact()).url is None


def test_a_file_brought_by_hand_needs_no_gdown(no_gdown):
    path = path_of(artefact())
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert get(artefact(sha256=HASH)) == path


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Failed to retrieve file url:\n\n\tToo many users have viewed this file"),
        KeyError("Content-Type"),
        AssertionError(),
        ConnectionError("Name or service not known"),
    ],
)
def test_whatever_drive_answers_the_manual_step_is_told(gdown, error):
    gdown.error = error
    words = ("refuses to send", FILE)
    manual(lambda: get(artefact()), EnvironmentError_, *words)
    assert not path_of(artefact()).exists()


def test_the_quota_is_named(gdown):
    gdown.error = RuntimeError("Failed:\n\n\tToo many users have viewed\nor downloaded this file")
    manual(lambda: get(artefact()), EnvironmentError_, "Too many users have viewed or downloaded")


def test_a_page_in_the_place_of_the_file_is_refused(gdown):
    gdown.files["14UB27-Spi8V_jZY"] = b"\n<!DOCTYPE html><title>Quota exceeded</title>"
    manual(lambda: get(artefact()), InputError, "is a web page (HTML)")
    assert list(path_of(artefact()).parent.glob("[!.]*")) == []


def test_left_bytes_are_continued_only_under_a_published_hash(gdown):
    gdown.error = RuntimeError("cut")
    left = path_of(artefact()).with_name("checkpoint_8.pth.driveabcd1234.part")
    for facts, kept in (({"sha256": HASH}, True), ({}, False)):
        for _ in range(2):
            with pytest.raises(EnvironmentError_):
                get(artefact(**facts))
            assert left.exists()
        left.write_bytes(b"old")
        gdown.error = None
        if kept:
            get(artefact(**facts)).unlink()
            assert left.read_bytes() == b"old"
        else:
            get(artefact(**facts))
            assert not left.exists()
        gdown.error = RuntimeError("cut")


def test_no_space_is_told(gdown, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(EnvironmentError_, match="SAMPLEBENCH_CACHE"):
        get(artefact(size=len(CONTENT)))
    assert gdown.calls == []
    with pytest.raises(EnvironmentError_, match="SAMPLEBENCH_CACHE"):
        get(artefact())


def test_a_disk_that_fills_is_told(gdown):
    gdown.error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(EnvironmentError_, match=r"cannot be written \(No space left on device\)"):
        get(artefact())


def test_what_is_larger_than_the_file_can_be_is_ended(gdown):
    for facts in ({"most": 100}, {"size": 100}):
        manual(lambda facts=facts: get(artefact(**facts)), InputError, "it is another file")
    assert not path_of(artefact()).exists()


def test_a_disk_is_not_filled_by_what_nobody_announced(gdown, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**8, total=10**10))
    with pytest.raises(EnvironmentError_, match="came without a length"):
        get(artefact())
    assert list(path_of(artefact()).parent.glob("[!.]*")) == []


@pytest.mark.parametrize("error", [SystemExit(1), RuntimeError("\x1b[2J\x07gone"), ValueError("")])
def test_what_gdown_does_otherwise_is_one_harmless_line(gdown, error):
    gdown.error = error
    manual(lambda: get(artefact()), EnvironmentError_, "refuses to send")
    with pytest.raises(EnvironmentError_) as caught:
        get(artefact())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b'{"error": {"code": 403}}', "is JSON"),
        (b"", "is empty"),
        (CONTENT[:100], "a truncated pickle"),
    ],
)
def test_what_is_no_file_of_the_format_gets_no_place(gdown, content, words):
    gdown.files["14UB27-Spi8V_jZY"] = content
    manual(lambda: get(artefact(container="pickle")), InputError, words)
    assert list(path_of(artefact()).parent.glob("[!.]*")) == []
    assert known_sha256(artefact()) is None


def test_ctrl_c_is_no_failure_of_drive(gdown):
    gdown.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        get(artefact())


def test_a_mirror_takes_the_place_of_drive(gdown, server, monkeypatch):
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", f"{server.address}/base")
    server.put("/base/vp-scoresde/checkpoint_8.pth", CONTENT)
    assert get(artefact(FOLDER)).read_bytes() == CONTENT
    assert gdown.calls == []


def test_offline_drive_is_not_asked(gdown):
    manual(lambda: fetch(artefact(), offline=True), EnvironmentError_, FILE)
    assert gdown.calls == []


@pytest.mark.skipif(importlib.util.find_spec("gdown") is None, reason="gdown is not installed")
def test_gdown_still_takes_our_words(gdown):
    """The stand-in above is called as the installed one can be."""
    sys.modules.pop("gdown")
    import gdown as real

    gdown.folders["1xYjVMx10N9ivQ"] = {"checkpoint_8.pth": "14UB27-Spi8V_jZY"}
    sys.modules["gdown"] = SimpleNamespace(
        download=gdown.download, download_folder=gdown.download_folder
    )
    get(artefact(FOLDER))
    (_, _, folder), (_, _, file) = gdown.calls
    inspect.signature(real.download_folder).bind(id="", **folder)
    inspect.signature(real.download).bind(id="", output="", progress=None, **file)
