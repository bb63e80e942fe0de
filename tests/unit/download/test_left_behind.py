"""What lies in the cache before a download: damaged notes, links, files of older versions."""

from __future__ import annotations

import json
import os
import re

import pytest
from bad_answers import FILE, LFS, OTHER, PAGE, always, answer, packed

import samplebench
from samplebench.download import trust
from samplebench.download.fetch import Artefact, fetch, known_sha256, path_of, plan, reject, verify
from samplebench.download.kinds import wrong_head, wrong_tail
from samplebench.download.session import Session
from samplebench.download.words import harmless, number
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError
from samplebench.references import reference as references

GOOD = {"url": "", "etag": '"one"', "modified": "", "size": len(FILE)}
NOTES = {
    "empty": "",
    "cut": '{"url": "',
    "not text": b"\xff\xfe\x00",
    "a list": "[]",
    "a number": "7",
    "null": "null",
    "a size of 5,000 digits": '{"url": "", "etag": "", "modified": "", "size": %s}' % ("9" * 5000),
    "deep": "[" * 100_000,
    "deep tables": '{"url":' * 50_000,
    "huge": '{"url": "' + "x" * 3_000_000,
    "twice": '{"size": 1, "size": 2}',
    "not a number": '{"url": "", "etag": "", "modified": "", "size": NaN}',
} | {
    f"{key} = {str(value)[:12]!r}": json.dumps(GOOD | {key: value})
    for key, values in {
        "size": (-5, 0, 1.5, "60000", True, [], {}, 1e300, 10**400),
        "url": (5, None, [], "\x1b[2J"),
        "etag": (5, None, {}, '"one"\r\nX: y', "\x00", '"模"', ' "one"', "x" * 100_000),
        "modified": (0, [], False, "a\nb"),
        "more": (1,),
    }.items()
    for value in values
}


@pytest.mark.parametrize("note", NOTES)
def test_damaged_notes_are_ignored(server, get, target, part, note):
    url = server.put("/w.pkl", FILE)
    part.parent.mkdir(parents=True)
    part.write_bytes(OTHER[:30_000])
    text = NOTES[note]
    text = (
        text if isinstance(text, bytes) else text.replace('"url": ""', f'"url": "{url}"').encode()
    )
    part.with_name("w.pkl.part.json").write_bytes(text)
    get(url)
    assert target.read_bytes() == FILE
    assert server.ranges == [None]
    assert [path.name for path in target.parent.glob("[!.]*")] == ["w.pkl"]


@pytest.mark.parametrize("name", ["w.pkl.part", "w.pkl.part.json"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "link to a folder", "folder"])
def test_what_is_no_plain_file_is_not_written_through(
    server, get, target, part, tmp_path, name, kind
):
    url, there = server.put("/w.pkl", FILE), part.with_name(name)
    there.parent.mkdir(parents=True)
    other = tmp_path / "precious"
    other.write_bytes(b"precious")
    match kind:
        case "link":
            there.symlink_to(other)
        case "dangling link":
            there.symlink_to(tmp_path / "none")
        case "link to a folder":
            there.symlink_to(tmp_path)
        case "pipe":
            os.mkfifo(there)
        case "folder":
            there.mkdir()
            with pytest.raises(EnvironmentError_, match=r"is a folder.*move it away"):
                get(url)
            return
    get(url)
    assert target.read_bytes() == FILE
    assert other.read_bytes() == b"precious"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("folder", ["with spaces", "Jürgen 模型 \U0001f600", "a'b\"c;$(x)&"])
def test_any_folder_may_be_the_cache(server, monkeypatch, tmp_path, cache, folder):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", str(tmp_path / folder))
    artefact = Artefact("demo", server.put("/w.pkl", FILE, cuts=1, cut_after=30_000), "w.pkl")
    path = fetch(artefact, progress=False, sleep=lambda _: None)
    assert path == tmp_path / folder / "demo" / "w.pkl"
    assert path.read_bytes() == FILE
    assert known_sha256(artefact)


@pytest.mark.parametrize("value", ["~nobody-of-this-name/x", "/" + "x" * 5000, "/dev/null/x"])
def test_a_cache_that_cannot_be_is_one_line(server, monkeypatch, cache, value):
    monkeypatch.setenv("SAMPLEBENCH_CACHE", value)
    artefact = Artefact("demo", server.put("/w.pkl", FILE), "w.pkl")
    with pytest.raises(EnvironmentError_, match="SAMPLEBENCH_CACHE"):
        fetch(artefact, progress=False)


@pytest.mark.parametrize("name", [".w.pkl.lock", "../.trust.guard"])
def test_a_folder_in_the_place_of_a_lock_is_one_line(server, get, target, name):
    (target.parent / name).mkdir(parents=True)
    lock = re.escape(name.removeprefix("../"))
    with pytest.raises(InputError, match=rf"{lock} is a folder, not a file; move it away"):
        get(server.put("/w.pkl", FILE))
    assert not target.exists()


# Files that an older version put there.


@pytest.mark.parametrize(("content", "words"), [(LFS, "Git LFS pointer"), (PAGE, "web page")])
@pytest.mark.parametrize("trusted", [True, False])
def test_what_an_older_version_took_is_named(cache, content, words, trusted):
    artefact = Artefact("demo", "https://example.org/w.pkl", "w.pkl", container="pickle")
    path = path_of(artefact)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    if trusted:
        stat = path.stat()
        entry = trust.TrustRecord("x", stat.st_size, "0" * 64, "2026-01-01", stat.st_mtime_ns)
        trust.write(artefact.key, entry)
    with pytest.raises(InputError, match=f"{words}.*move it away, then fetch it again"):
        fetch(artefact, offline=True)


def test_a_download_that_is_no_checkpoint_is_set_aside(server, get, target, cache):
    url = server.put("/w.pkl", OTHER)
    artefact = Artefact("demo", url, "w.pkl")
    get(url)
    message = str(reject(artefact, target, InputError("it has other tensors")))
    aside = target.with_name("w.pkl.wrong")
    assert message == f"it has other tensors (it was set aside as {aside}; fetch again)"
    assert aside.read_bytes() == OTHER
    server.put("/w.pkl", FILE)
    assert get(url).read_bytes() == FILE


def test_a_file_of_the_users_is_never_moved(cache, tmp_path):
    artefact = Artefact("demo", "https://example.org/w.pkl", "w.pkl")
    own = tmp_path / "own.pkl"
    for path in (path_of(artefact), own):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(OTHER)
        verify(artefact, path)
        message = str(reject(artefact, path, InputError("no")))
        assert path.read_bytes() == OTHER
        assert known_sha256(artefact) is None
        assert ("move" in message) == (path != own)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a = " + "[" * 100_000, "a = 1" * 2, "\x00", "a = " + "9" * 5000]
)
def test_a_damaged_list_of_first_uses_is_one_line(server, get, cache, target, text):
    cache.mkdir()
    (cache / "trust.lock").write_text(text)
    with pytest.raises(InputError, match=r"trust\.lock is damaged.*repair or delete it") as caught:
        get(server.put("/w.pkl", FILE))
    assert str(caught.value).isprintable()
    assert not target.exists()


def test_a_folder_in_the_place_of_the_list_is_one_line(server, get, cache):
    (cache / "trust.lock").mkdir(parents=True)
    with pytest.raises(EnvironmentError_, match=r"trust\.lock cannot be read"):
        get(server.put("/w.pkl", FILE))


# Kinds, words and addresses.


@pytest.mark.parametrize(
    ("container", "head", "fine"),
    [
        ("pickle", b"\x80\x02}", True),
        ("pickle", b"\x80\x05\x95", True),
        ("pickle", b"\x80\x01", False),
        ("pickle", b"PK\x03\x04", False),
        ("torch", b"PK\x03\x04", True),
        ("torch", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9", True),
        ("torch", b"PK\x05\x06", False),
        ("npz", b"PK\x03\x04", True),
        ("npz", b"\x93NUMPY", False),
        ("msgpack", b"\x85\xa4step", True),
        ("msgpack", b"\xde\x00\x10", True),
        ("msgpack", b"\x95", False),
        ("", b"anything", True),
        ("", LFS, False),
    ],
)
def test_a_container_is_known_by_its_first_bytes(container, head, fine):
    assert (wrong_head(head, container) is None) == fine


@pytest.mark.parametrize("container", ["npz", "torch"])
def test_a_zip_file_without_its_end_is_truncated(tmp_path, container):
    import numpy as np

    np.savez(tmp_path / "a.npz", x=np.arange(10_000))
    whole = (tmp_path / "a.npz").read_bytes()
    assert wrong_tail(tmp_path / "a.npz", container) is None
    (tmp_path / "a.npz").write_bytes(whole[:65536])
    assert "truncated" in wrong_tail(tmp_path / "a.npz", container)


def test_what_others_sent_is_one_harmless_line():
    text = harmless("a\x1b[2J\r\n\tb\u202ec \x00 https://me:pass@word@host/x?y=z@w")
    assert text == "a [2J b c https://host/x?y=z@w"
    assert len(harmless("x" * 10**6)) == 200


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("60000", 60000), ("9" * 18, 10**18 - 1), ("9" * 19, None),
                        ("-1", None), ("1e9", None), ("٣", None), ("", None), ("1_0", None)],
)  # fmt: skip
def test_numbers_are_ascii_digits(text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    "to",
    [
        "https://127.0.0.1/x",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://localhost:8/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://localhost./x",
        "https://[::ffff:127.0.0.1]/x",
    ],
)
def test_the_web_does_not_lead_into_this_network(to):
    import requests

    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://example.org/w.pkl"
    answer.headers["Location"] = to
    with pytest.raises(InputError, match="this machine or its network"):
        Session().get_redirect_target(answer)
    answer.url = "https://192.168.0.1/mirror"
    assert Session().get_redirect_target(answer) == to


@pytest.mark.parametrize(
    "url", ["http://[", "http://[::1", "https://host:99999/x", "https://host:x/", "http://:80/",
            "https://\x1b[2J:x/", "//host/x"],
)  # fmt: skip
def test_an_address_that_is_none_is_one_line(monkeypatch, url):
    with pytest.raises(SamplebenchError, match="is not an address") as caught:
        Artefact("demo", url, "w.pkl")
    assert str(caught.value).isprintable()
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", url)
    with pytest.raises(SamplebenchError, match="is not a base address"):
        plan(Artefact("demo", "https://example.org/w.pkl", "w.pkl"))


def test_a_password_of_an_address_is_never_told(cache):
    url = "https://me:secret@nowhere.invalid/w.pkl"
    with pytest.raises(SamplebenchError) as caught:
        fetch(Artefact("demo", url, "w.pkl"), progress=False)
    assert "secret" not in str(caught.value)
    assert "https://nowhere.invalid/w.pkl" in str(caught.value)


@pytest.mark.parametrize(
    ("load", "path"),
    [
        (lambda: samplebench.load("vp-cifar10"), "vp-cifar10/baseline-cifar10-32x32-uncond-vp.pkl"),
        (
            lambda: samplebench.load_classifier("adm-imagenet64"),
            "adm-imagenet64-classifier/64x64_classifier.pt",
        ),
        (
            lambda: references.load("edm-ffhq-64x64").statistics,
            "edm-ffhq-64x64/ffhq-64x64.npz",
        ),
    ],
)
@pytest.mark.parametrize("wrong", ["a pointer", "another file of the kind"])
def test_whatever_is_loaded_a_wrong_file_leaves_the_place(
    bad_server, cache, monkeypatch, load, path, wrong
):
    """The next call asks the server anew."""
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", bad_server.address)
    body = {"a pointer": LFS, "another file of the kind": FILE if "pkl" in path else packed("zip")}
    bad_server.behaviour = always(answer(body=body[wrong]))
    bad_server.asked.clear()
    for asked in (1, 2):
        with pytest.raises(InputError):
            load()
        assert len(bad_server.asked) == asked
        assert not (cache / path).exists()
        assert (cache / f"{path}.wrong").exists() == (wrong != "a pointer")
    lines = cache / "trust.lock"
    assert not lines.exists() or "sha256 =" not in lines.read_text()
