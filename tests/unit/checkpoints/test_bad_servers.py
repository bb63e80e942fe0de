"""Servers that do everything wrong: nothing wrong is trusted, nothing hangs, each is one line."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from threading import Thread

import pytest

from samplebench.checkpoints.download import patience, wire
from samplebench.checkpoints.fetch import Artefact, fetch, known_sha256, plan
from samplebench.errors import EnvironmentError_, InputError

sys.path.insert(0, str(Path(__file__).parent))
import bad_answers as bad
from bad_server import bad_serving

MOST = 1_000_000
SECONDS = 20
HASH = hashlib.sha256(bad.FILE).hexdigest()
# Answers that HTTP allows, although they look odd: the file is got whole.
FINE = {"another whole file instead", "the whole file instead", "Transfer-Encoding: 'identity'"}


@pytest.fixture(scope="module")
def bad_server():
    with bad_serving() as server:
        yield server


@pytest.fixture
def outcome(cache, bad_server, monkeypatch):
    """`outcome(behaviour, **facts)`: fetches -> (error or None, artefact); in bounded time."""
    # Of an attempt: the table has many.
    monkeypatch.setattr(patience, "ATTEMPTS", 3)

    def outcome(behaviour, scheme="http", **facts):
        bad_server.behaviour = behaviour
        bad_server.asked.clear()
        url = f"{bad_server.address}/w.pkl".replace("http", scheme, 1)
        known = {"container": "pickle", "most": MOST} | facts
        artefact, ends = Artefact("demo", url, "w.pkl", **known), []

        def run():
            try:
                fetch(artefact, progress=False, sleep=lambda _: None)
                ends.append(None)
            except BaseException as error:
                ends.append(error)

        thread = Thread(target=run, daemon=True)
        thread.start()
        thread.join(SECONDS)
        assert ends, "it hangs"
        return ends[0], artefact

    return outcome


def check(error, artefact, target):
    """Either the right file, or one line and nothing that counts as the file."""
    assert not target.with_name("w.pkl.wrong").exists()
    if error is None:
        assert target.read_bytes() == bad.FILE
        assert known_sha256(artefact) == HASH
        return ""
    assert isinstance(error, (EnvironmentError_, InputError)), repr(error)
    message = str(error)
    assert message.isprintable()
    assert "secret" not in message
    assert len(message) < 2000
    assert "w.pkl" in message
    assert "--file PATH" in message or "redirects to" in message, message
    assert not target.exists()
    assert artefact.sha256 or known_sha256(artefact) is None
    return message


TABLES = {
    "parts": bad.PARTS, "bodies": bad.BODIES, "headers": bad.HEADERS, "chunks": bad.CHUNKS,
    "endless": bad.ENDLESS, "statuses": bad.STATUSES, "redirects": bad.REDIRECTS,
}  # fmt: skip
CASES = [(table, name) for table, rows in TABLES.items() for name in rows]


@pytest.mark.parametrize(("table", "name"), CASES, ids=[" ".join(case) for case in CASES])
def test_nothing_wrong_is_trusted(outcome, target, table, name):
    error, artefact = outcome(TABLES[table][name])
    check(error, artefact, target)
    if table in ("bodies", "endless", "chunks", "statuses", "redirects"):
        assert error is not None
    if error is not None:
        # And nothing is left that a better day would stumble over.
        error, artefact = outcome(bad.good)
        assert error is None
        check(error, artefact, target)


@pytest.mark.parametrize("name", bad.SLOW)
def test_a_slow_server_is_given_up(outcome, target, monkeypatch, name):
    monkeypatch.setattr(patience, "ATTEMPTS", 2)
    monkeypatch.setattr(patience, "TIMEOUTS", (1, 0.05))
    monkeypatch.setattr(wire, "SPAN", 0.05)
    message = check(*outcome(bad.SLOW[name]), target)
    assert "no byte in time" in message or "too slow" in message
