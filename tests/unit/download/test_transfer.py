"""Downloads over HTTP: cut, resumed, changed under way, refused, without a network."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import signal
import socket
import time
from email.utils import formatdate

import numpy as np
import pytest

from samplebench.download import patience
from samplebench.download.fetch import Artefact, fetch
from samplebench.errors import EnvironmentError_, InputError

FILE = np.random.default_rng(0).bytes(400_000)
OTHER = np.random.default_rng(1).bytes(400_000)
HASH = hashlib.sha256(FILE).hexdigest()


# Cuts and what is resumed.


def test_two_cuts_cost_no_byte_twice(server, get, target, pauses):
    get(server.put("/w.pkl", FILE, cuts=2, cut_after=150_000))
    assert target.read_bytes() == FILE
    first, second, third = server.ranges
    assert first is None
    second, third = (int(re.fullmatch(r"bytes=(\d+)-", r)[1]) for r in (second, third))
    # What was in the client's last block when the line broke is asked for again.
    assert 150_000 - (1 << 14) <= second <= 150_000
    assert 300_000 - (1 << 15) <= third <= 300_000
    assert len(pauses) == 2
    assert 0.75 <= pauses[0] <= 1.25
    assert 1.5 <= pauses[1] <= 2.5


def test_a_cut_of_a_chunked_body_is_seen(server, get, target):
    get(server.put("/w.pkl", FILE, length=None, cuts=1, cut_after=150_000))
    assert target.read_bytes() == FILE
    assert server.downloads == 2


def test_a_stalled_server_counts_as_a_cut(server, get, target, monkeypatch):
    monkeypatch.setattr(patience, "TIMEOUTS", (1, 0.2))
    get(server.put("/w.pkl", FILE, cuts=1, cut_after=150_000, silence=0.6))
    assert target.read_bytes() == FILE
    assert server.downloads == 2


@pytest.mark.parametrize("validators", [{"etag": '"one"'}, {"etag": "", "modified": formatdate(0)}])
def test_the_next_call_resumes(refused, server, get, target, part, validators):
    url = server.put("/w.pkl", FILE, cuts=99, cut_after=60_000, **validators)
    message = refused(
        lambda: get(url),
        EnvironmentError_,
        url,
        "was cut, 5 times in a row",
        "of 400,000 bytes are here",
        target,
        "--file PATH",
    )
    assert "resumes" in message
    kept = part.stat().st_size
    assert part.read_bytes() == FILE[:kept]
    assert kept > 0
    assert not target.exists()
    server.files["/w.pkl"].cuts = 0
    get(url)
    assert target.read_bytes() == FILE
    assert server.ranges[-1] == f"bytes={kept}-"


def test_a_killed_process_leaves_what_can_be_resumed(wait, server, start, get, target, part):
    url = server.put("/w.pkl", FILE, piece=20_000, pause=0.05)
    process = start(url)
    wait(lambda: part.exists() and part.stat().st_size)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not target.exists()
    kept = part.stat().st_size
    assert 0 < kept < len(FILE)
    server.files["/w.pkl"].pause = 0.0
    get(url)
    assert target.read_bytes() == FILE
    assert server.ranges == [None, f"bytes={kept}-"]


def test_ctrl_c_leaves_what_can_be_resumed(wait, server, start, get, target, part):
    url = server.put("/w.pkl", FILE, piece=20_000, pause=0.05)
    process = start(url)
    wait(lambda: part.exists() and part.stat().st_size)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert "KeyboardInterrupt" in err
    assert not target.exists()
    server.files["/w.pkl"].pause = 0.0
    get(url)
    assert target.read_bytes() == FILE
    assert server.ranges[1] is not None


def test_a_whole_part_is_not_asked_for_again(server, get, target, part):
    """The moment between the last byte and the final name."""
    url = server.put("/w.pkl", FILE)
    part.parent.mkdir(parents=True)
    part.write_bytes(FILE)
    facts = {"url": url, "etag": '"one"', "modified": "", "size": len(FILE)}
    part.with_name("w.pkl.part.json").write_text(json.dumps(facts))
    get(url)
    assert target.read_bytes() == FILE
    assert server.downloads == 0


def test_a_server_that_hands_out_less_than_asked_is_asked_again(server, get, target):
    get(server.put("/w.pkl", FILE, cuts=1, cut_after=150_000, most=100_000))
    assert target.read_bytes() == FILE
    assert server.downloads == 4


# A file that changes under way is never glued together.


@pytest.mark.parametrize("if_range", [True, False], ids=["if-range", "no if-range"])
@pytest.mark.parametrize("size", [len(FILE), 350_000, 50_000])
def test_a_changed_file_starts_anew(server, get, target, part, if_range, size):
    url = server.put("/w.pkl", FILE, cuts=99, cut_after=30_000)
    with pytest.raises(EnvironmentError_):
        get(url)
    assert part.stat().st_size > 80_000
    server.put("/w.pkl", OTHER[:size], etag='"two"', if_range=if_range)
    get(url)
    assert target.read_bytes() == OTHER[:size]


def test_a_change_between_two_attempts_starts_anew(server, cache, target):
    url = server.put("/w.pkl", FILE, cuts=1, cut_after=150_000)
    change = lambda _: server.put("/w.pkl", OTHER, etag='"two"', if_range=False)  # noqa: E731
    fetch(Artefact("demo", url, "w.pkl"), progress=False, sleep=change)
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize("etag", ["", 'W/"one"'], ids=["none", "weak"])
def test_without_validators_only_a_published_hash_allows_resuming(server, get, target, part, etag):
    url = server.put("/w.pkl", FILE, cuts=99, cut_after=30_000, etag=etag)
    for facts in ({"sha256": HASH}, {}):
        part.unlink(missing_ok=True)
        server.files["/w.pkl"].cuts = 5
        with pytest.raises(EnvironmentError_):
            get(url, **facts)
        assert part.exists()
        get(url, **facts)
        assert target.read_bytes() == FILE
        target.unlink()
        # Neither by the next call nor within one.
        assert (server.ranges[1] is not None) == (server.ranges[-1] is not None) == bool(facts)
        server.asked.clear()


def test_bytes_of_another_address_are_not_continued(server, another_server, get, target):
    with pytest.raises(EnvironmentError_):
        get(server.put("/w.pkl", FILE, cuts=99, cut_after=30_000))
    get(another_server.put("/w.pkl", OTHER))
    assert target.read_bytes() == OTHER
    assert another_server.ranges == [None]


def test_a_part_that_nobody_asked_for_is_no_file(server, get, target, part):
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another time")
    head = {"Content-Range": f"bytes 0-{len(FILE) - 1}/{len(FILE)}"}
    get(server.put("/w.pkl", FILE, first=[(206, head, FILE)]))
    assert target.read_bytes() == FILE


def test_a_server_that_ignores_ranges_starts_over(server, get, target):
    get(server.put("/w.pkl", FILE, cuts=1, cut_after=150_000, ranges=False))
    assert target.read_bytes() == FILE
    assert server.ranges[1] is not None


def test_a_server_that_never_gets_to_the_end_is_given_up(refused, server, get, target):
    url = server.put("/w.pkl", FILE, cuts=99, cut_after=150_000, ranges=False)
    refused(lambda: get(url), EnvironmentError_, "5 times in a row")
    assert server.downloads == 5
    assert not target.exists()


def test_a_length_beyond_the_file_is_a_cut(refused, server, get, target):
    url = server.put("/w.pkl", FILE, length=len(FILE) + 1000)
    refused(lambda: get(url), EnvironmentError_, url, target)
    assert not target.exists()


# Servers that are busy, and servers that say no.


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(server, get, target, pauses, status):
    later = formatdate(time.time() + 30, usegmt=True)
    url = server.put(
        "/w.pkl",
        FILE,
        first=[(status, {"Retry-After": "7"}, b""), (status, {"Retry-After": later}, b"")],
    )
    get(url)
    assert target.read_bytes() == FILE
    assert pauses[0] == 7
    assert 25 < pauses[1] <= 30


def test_a_server_that_stays_busy_is_given_up(refused, server, get, pauses):
    url = server.put("/w.pkl", FILE, first=[(503, {}, b"")] * 9)
    refused(lambda: get(url), EnvironmentError_, url, "503 Service Unavailable", "5 times in a row")
    assert server.downloads == 5
    assert len(pauses) == 4
    assert sum(pauses) < 20


def test_nobody_waits_for_an_hour(refused, server, get, pauses):
    url = server.put("/w.pkl", FILE, first=[(429, {"Retry-After": "3600"}, b"")])
    refused(lambda: get(url), EnvironmentError_, "429", "asks to wait 3600 s")
    assert pauses == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_no_is_told_at_once(refused, server, get, target, pauses, status):
    url = server.put("/w.pkl", FILE, first=[(status, {}, b"<html>")])
    refused(lambda: get(url), EnvironmentError_, f"{url} answers {status}", target, "--file PATH")
    assert pauses == []
    assert not target.exists()


# Redirects.


@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.1/w.pkl"])
def test_a_redirect_out_of_the_web_is_refused(refused, server, get, target, to):
    url = server.put("/w.pkl", b"", redirect=to)
    refused(lambda: get(url), InputError, f"{url} redirects to {to}", "not followed")
    assert not target.exists()


def test_a_redirect_from_https_to_http_is_refused(refused):
    import requests

    from samplebench.download.session import Session

    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://example.org/w.pkl"
    answer.headers["Location"] = "http://example.org/w.pkl"
    refused(lambda: Session().get_redirect_target(answer), InputError, "only https addresses")
    answer.headers["Location"] = "/elsewhere"
    assert Session().get_redirect_target(answer) == "/elsewhere"


def test_a_ring_of_redirects_ends(refused, server, get, pauses):
    url = server.put("/w.pkl", b"", redirect="/w.pkl")
    refused(lambda: get(url), EnvironmentError_, url, "redirects")
    assert pauses == []


# No network, no space, no permission.


def test_an_unknown_host_is_told_at_once(refused, get, target, pauses):
    url = "https://example.org/w.pkl"
    words = (f"no connection to {url}", "Name or service not known", target, "--file PATH")
    refused(lambda: get(url), EnvironmentError_, *words)
    assert pauses == []


def test_a_refused_connection_is_told_at_once(refused, get, target, pauses):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/w.pkl"
        refused(lambda: get(url), EnvironmentError_, url, "Connection refused", target)
    assert pauses == []


def test_a_network_that_goes_away_is_waited_for(server, cache, target, monkeypatch):
    url = server.put("/w.pkl", FILE, cuts=1, cut_after=150_000)
    connect, away = socket.socket.connect, []

    def sleep(_):
        away.append(len(away))

    def refusing(self, place):
        if len(away) == 1:
            raise ConnectionRefusedError(111, "Connection refused")
        return connect(self, place)

    monkeypatch.setattr(socket.socket, "connect", refusing)
    fetch(Artefact("demo", url, "w.pkl"), progress=False, sleep=sleep)
    assert len(away) == 2
    assert target.read_bytes() == FILE


def test_no_space_is_told_before_the_download(refused, server, get, target, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Disk", (), {"free": 1000}))
    url = server.put("/w.pkl", FILE)
    words = ("0.4 MB", "0.0 MB are free", target.parent, "SAMPLEBENCH_CACHE")
    refused(lambda: get(url, size=len(FILE)), EnvironmentError_, *words)
    assert server.asked == []
    refused(lambda: get(url), EnvironmentError_, *words)
    assert not target.exists()


def test_a_disk_that_fills_keeps_what_is_there(refused, server, get, target, part):
    url = server.put("/w.pkl", FILE)
    # The system refuses to write files beyond this size.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        refused(lambda: get(url), EnvironmentError_, part, "SAMPLEBENCH_CACHE")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = part.stat().st_size
    assert part.read_bytes() == FILE[:kept]
    assert kept > 100_000
    get(url)
    assert server.ranges[-1] == f"bytes={kept}-"
    assert target.read_bytes() == FILE


def test_a_cache_that_cannot_be_made_is_told(refused, server, get, cache):
    cache.write_text("in the way")
    url = server.put("/w.pkl", FILE)
    refused(lambda: get(url), EnvironmentError_, cache, "SAMPLEBENCH_CACHE")
