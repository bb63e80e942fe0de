"""Servers that do everything wrong: nothing wrong is trusted, nothing hangs, each is one line."""

from __future__ import annotations

import hashlib
from collections import namedtuple
from pathlib import Path
from threading import Thread

import bad_answers as bad
import pytest

from samplebench.download import patience, transfer, wire
from samplebench.download.fetch import Artefact, fetch, known_sha256, plan
from samplebench.errors import EnvironmentError_, InputError

Disk = namedtuple("Disk", ("total", "free"))
MOST = 1_000_000
SECONDS = 20
# What to do is a part of each message.
STEPS = ("--file PATH", "SAMPLEBENCH_CACHE", "which is not followed")
HASH = hashlib.sha256(bad.FILE).hexdigest()
# Of the parts, what cannot end well: the others start over.
HOPELESS = {"less than asked, of an unknown size"}


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
    assert any(step in message for step in STEPS), message
    assert not target.exists()
    if isinstance(error, InputError):
        assert list(target.parent.glob("[!.]*")) == []
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
    assert (error is None) == (table == "parts" and name not in HOPELESS)
    if error is not None:
        # And nothing is left that a better day would stumble over.
        error, artefact = outcome(bad.good)
        assert error is None
        check(error, artefact, target)


@pytest.mark.parametrize("table", ["headers", "statuses", "redirects"])
def test_a_size_that_nobody_can_mean_is_not_shown(cache, bad_server, table):
    for behaviour in TABLES[table].values():
        bad_server.behaviour = behaviour
        found = plan(Artefact("demo", f"{bad_server.address}/w.pkl", "w.pkl"), ask=True)
        assert found.size is None or 0 <= found.size < 10**18


def test_there_are_at_least_thirty():
    """The number that docs/checkpoints.md gives."""
    count = len(CASES) + len(bad.SLOW)
    print(f"{count} bad answers")
    text = (Path(__file__).parents[3] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    assert f"{count} responses" in text


@pytest.mark.parametrize(
    "facts", [{"sha256": HASH}, pytest.param({"size": bad.SIZE}, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", bad.PARTS)
def test_what_is_published_is_held_to(outcome, target, name, facts):
    error, artefact = outcome(bad.PARTS[name], **facts)
    check(error, artefact, target)


def test_another_file_of_the_same_size_is_told_by_its_hash(outcome, target):
    message = check(*outcome(bad.always(bad.answer(body=bad.OTHER)), sha256=HASH), target)
    assert "another file" in message


def test_a_server_without_tls_is_told(outcome, target):
    message = check(*outcome(bad.good, scheme="https"), target)
    assert "no connection" in message


def test_a_body_without_end_leaves_a_reserve(outcome, target, monkeypatch):
    monkeypatch.setattr(transfer, "_LOOK", 1 << 17)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Disk(total=10**10, free=10**8))
    message = check(*outcome(bad.ENDLESS["an endless body"], most=None), target)
    assert "100.0 MB are free" in message
    assert not target.with_name("w.pkl.part").exists()


def test_a_slow_server_that_gets_on_is_waited_for(outcome, target, monkeypatch):
    """Faster than the lower limit, however long it takes."""
    monkeypatch.setattr(wire, "SPAN", 0.05)

    def behave(request):
        whole = bad.answer()
        for i in range(0, len(whole), 4000):
            yield whole[i : i + 4000]
            yield 0.02

    assert outcome(behave)[0] is None


@pytest.mark.parametrize("name", bad.SLOW)
def test_a_slow_server_is_given_up(outcome, target, monkeypatch, name):
    monkeypatch.setattr(patience, "ATTEMPTS", 2)
    monkeypatch.setattr(patience, "TIMEOUTS", (1, 0.05))
    monkeypatch.setattr(wire, "SPAN", 0.05)
    message = check(*outcome(bad.SLOW[name]), target)
    assert "no byte in time" in message or "too slow" in message
