"""Verified downloads: the file, the wrong file, first use, processes beside each other."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from threading import Event

import numpy as np
import pytest

from samplebench.download.fetch import Artefact, known_sha256, path_of, plan
from samplebench.errors import EnvironmentError_, InputError, UsageError

FILE = np.random.default_rng(0).bytes(400_000)
OTHER = np.random.default_rng(1).bytes(400_000)
HASH = hashlib.sha256(FILE).hexdigest()
OTHER_HASH = hashlib.sha256(OTHER).hexdigest()
PAGE = b"\xef\xbb\xbf \n<!DOCTYPE html><html><title>Quota exceeded</title></html>"


# What goes well.


@pytest.mark.parametrize("facts", [{}, {"size": len(FILE)}, {"sha256": HASH, "size": len(FILE)}])
def test_a_file_is_downloaded_once(server, get, target, facts):
    url = server.put("/w.pkl", FILE)
    assert get(url, **facts) == target
    assert target.read_bytes() == FILE
    assert get(url, **facts) == target
    assert server.downloads == 1
    # Nothing but the file stays, and hidden locks.
    assert [path.name for path in target.parent.glob("[!.]*")] == ["w.pkl"]


def test_the_bar_goes_to_stderr_and_first_use_is_told(server, get, capsys):
    get(server.put("/w.pkl", FILE), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "w.pkl: 100%" in err
    assert "400k/400k" in err
    assert f"demo/w.pkl: no hash is published; trusted on first use as sha256 {HASH}" in err


def test_quiet_is_quiet(server, get, capsys):
    get(server.put("/w.pkl", FILE, cuts=1, cut_after=200_000))
    assert capsys.readouterr() == ("", "")


def test_no_length_and_a_slow_server_are_no_trouble(server, get, target):
    get(server.put("/w.pkl", FILE, length=None, etag="", piece=20_000, pause=0.01))
    assert target.read_bytes() == FILE


def test_redirects_within_the_web_are_followed(server, another_server, get, target):
    there = another_server.put("/signed?key=1", FILE)
    get(server.put("/w.pkl", b"", redirect=there), sha256=HASH)
    assert target.read_bytes() == FILE


# Files that are not the file.


@pytest.mark.parametrize(
    ("how", "facts"),
    [
        ({"kind": "text/html; charset=utf-8"}, {}),
        ({}, {}),
        ({}, {"size": len(FILE)}),
        ({"length": None}, {"size": len(FILE), "sha256": HASH}),
    ],
)
def test_a_web_page_is_refused_by_name(refused, server, get, target, how, facts):
    url = server.put("/w.pkl", PAGE, **how)
    refused(lambda: get(url, **facts), InputError, url, "is a web page (HTML)", target)
    assert not target.exists()
    assert known_sha256(Artefact("demo", url, "w.pkl")) is None


def test_a_page_in_the_place_of_the_rest_costs_nothing(refused, server, get, target, part):
    """A login page of a network between: the bytes so far are kept."""
    url = server.put("/w.pkl", FILE, cuts=99, cut_after=30_000)
    with pytest.raises(EnvironmentError_):
        get(url)
    kept = part.stat().st_size
    server.put("/w.pkl", FILE, first=[(200, {"Content-Type": "text/html"}, PAGE)])
    refused(lambda: get(url), InputError, "web page")
    assert part.stat().st_size == kept
    get(url)
    assert server.ranges[-1] == f"bytes={kept}-"
    assert target.read_bytes() == FILE


def test_a_wrong_hash_is_refused_and_leaves_nothing(refused, server, get, part):
    url = server.put("/w.pkl", OTHER)
    refused(lambda: get(url, sha256=HASH), InputError, url, HASH, OTHER_HASH, "another file")
    # Nor what the server said of it.
    assert list(part.parent.glob("[!.]*")) == []


def test_a_wrong_size_is_refused_before_the_body(refused, server, get, part):
    url = server.put("/w.pkl", FILE)
    refused(lambda: get(url, size=500_000), InputError, "400,000", "500,000", "truncated")
    refused(lambda: get(url, size=300_000), InputError, "400,000", "300,000", "another file")
    assert not part.exists()


def test_a_wrong_size_without_a_length_is_refused(refused, server, get, target, part):
    url = server.put("/w.pkl", FILE, length=None)
    refused(lambda: get(url, size=500_000), InputError, "400,000", "500,000", "truncated")
    refused(lambda: get(url, size=300_000), InputError, "300,000", "another file")
    assert not target.exists()
    assert not part.exists()


def test_an_empty_file_is_refused(refused, server, get):
    refused(lambda: get(server.put("/w.pkl", b"")), InputError, "is empty")


def test_a_compressed_answer_is_refused(refused, server, get, target):
    url = server.put("/w.pkl", FILE, first=[(200, {"Content-Encoding": "gzip"}, FILE)])
    refused(lambda: get(url), InputError, "compressed")
    assert not target.exists()


# Trust on first use.


def test_another_file_from_another_server_is_refused(
    refused, server, another_server, get, target, cache, monkeypatch
):
    url = "https://example.org/models/w.pkl"
    server.put("/base/models/w.pkl", FILE)
    another_server.put("/models/w.pkl", OTHER)
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", f"{server.address}/base/")
    get(url)
    target.unlink()
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", another_server.address)
    lines = cache / "trust.lock"
    words = (HASH, OTHER_HASH, f"{server.address}/base/models/w.pkl", "demo/w.pkl", lines)
    refused(lambda: get(url), InputError, *words)
    assert not target.exists()
    # The way that the message names: the line is deleted.
    kept = [line for line in lines.read_text().splitlines() if "demo/w.pkl" not in line]
    lines.write_text("\n".join(kept))
    assert get(url).read_bytes() == OTHER
    assert known_sha256(Artefact("demo", url, "w.pkl")) == OTHER_HASH


def test_a_published_hash_outranks_first_use(refused, server, get, target):
    url = server.put("/w.pkl", OTHER)
    get(url)
    refused(lambda: get(url, sha256=HASH), InputError, HASH, OTHER_HASH)
    target.unlink()
    server.put("/w.pkl", FILE)
    get(url, sha256=HASH)
    target.touch()
    # First use is no excuse for what was trusted before the hash was known.
    assert get(url) == target


# Processes beside each other.


def test_two_processes_download_once(wait, server, start, target):
    gate = Event()
    url = server.put("/w.pkl", FILE, gate=gate)
    first = start(url)
    wait(lambda: server.downloads)
    second = start(url)
    assert second.stderr.readline() == "w.pkl: waiting for another process\n"
    gate.set()
    results = [process.communicate() for process in (first, second)]
    assert [out for out, _ in results] == [f"{target}\n"] * 2, results
    assert server.downloads == 1
    assert target.read_bytes() == FILE


# Offline.


@pytest.fixture
def no_sockets(monkeypatch):
    def opened(*words, **more):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", opened)
    monkeypatch.setattr(socket, "getaddrinfo", opened)


@pytest.mark.parametrize("by_variable", [True, False])
def test_offline_a_missing_file_is_one_line(
    refused, get, target, no_sockets, monkeypatch, by_variable
):
    url = "https://example.org/w.pkl"
    if by_variable:
        monkeypatch.setenv("SAMPLEBENCH_OFFLINE", "1")
    call = lambda: get(url, offline=not by_variable)  # noqa: E731
    refused(call, EnvironmentError_, "demo/w.pkl is not in the cache", url, target)
    assert EnvironmentError_.exit_code == 3
    assert plan(Artefact("demo", url, "w.pkl"), ask=by_variable).size is None


def test_offline_a_file_put_there_by_hand_is_verified_and_used(refused, get, target, no_sockets):
    url = "https://example.org/w.pkl"
    target.parent.mkdir(parents=True)
    target.write_bytes(FILE)
    assert get(url, offline=True, sha256=HASH, size=len(FILE)) == target
    target.write_bytes(OTHER)
    words = (target, HASH, OTHER_HASH, "move it away")
    refused(lambda: get(url, offline=True, sha256=HASH), InputError, *words)
    target.write_bytes(FILE[:100])
    words = (target, "100 bytes", "truncated")
    refused(lambda: get(url, offline=True, sha256=HASH, size=len(FILE)), InputError, *words)
    target.write_bytes(PAGE)
    refused(lambda: get(url, offline=True), InputError, target, "is a web page")
    # A wrong file is the user's to remove.
    assert target.read_bytes() == PAGE


def test_the_mirror_is_only_asked_where_it_is(refused, get, target, server, monkeypatch):
    monkeypatch.setenv("SAMPLEBENCH_MIRROR", "mirror.example.org")
    refused(lambda: get("https://example.org/w.pkl"), UsageError, "http://host/base")


# The plan.


def test_the_plan_says_what_would_be_fetched(server, get, cache, target):
    url = server.put("/w.pkl", FILE, cuts=99, cut_after=30_000)
    artefact = Artefact("demo", url, "w.pkl")
    before = plan(artefact)
    assert (before.path, before.present, before.size, before.url) == (target, False, None, url)
    assert before.free > 0
    assert server.asked == []
    assert not cache.exists()
    assert plan(artefact, ask=True).size == len(FILE)
    assert [method for method, _, _ in server.asked] == ["HEAD"]
    assert plan(Artefact("demo", url, "w.pkl", size=7)).size == 7
    with pytest.raises(EnvironmentError_):
        get(url)
    assert 0 < target.with_name("w.pkl.part").stat().st_size < len(FILE)
    assert plan(artefact).present is False
    server.files["/w.pkl"].cuts = 0
    get(url)
    after = plan(artefact)
    assert (after.present, after.size) == (True, len(FILE))
    assert not target.with_name("w.pkl.part").exists()


@pytest.mark.parametrize("how", [{"kind": "text/html"}, {"redirect": "file:///etc/hostname"}])
def test_a_size_that_is_not_the_files_is_not_believed(server, cache, how):
    url = server.put("/w.pkl", FILE, **how)
    assert plan(Artefact("demo", url, "w.pkl"), ask=True).size is None
    assert plan(Artefact("demo", server.address + "/none", "w.pkl"), ask=True).size is None
    assert plan(Artefact("demo", "https://example.org/w", "w.pkl"), ask=True).size is None


def test_importing_it_loads_no_http_client():
    code = "import samplebench.download.fetch, sys; print({'requests', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_paths_are_those_a_person_would_look_for(cache):
    assert path_of(Artefact("demo", "https://example.org/w", "w.pkl")) == cache / "demo" / "w.pkl"
    assert os.fspath(cache).startswith("/")
