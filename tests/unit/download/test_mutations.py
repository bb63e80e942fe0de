"""Heads of answers and notes of the cache, damaged at random: the right file or one line."""

from __future__ import annotations

import json
import random

import bad_answers as bad
import pytest

from samplebench.download import patience, trust
from samplebench.download.fetch import Artefact, fetch, known_sha256, path_of, verify
from samplebench.errors import SamplebenchError

ODD = [b"\0", b"\r\n", b"\n", b":", b" ", b"-", b"9" * 5000, b"\xff", b"\x1b[", b"[" * 2000, b"e9"]


def mutated(rng, data, least=1):
    """`data` with `least` to four changes: bytes flipped, dropped, doubled, or odd ones put in."""
    data = bytearray(data)
    for _ in range(rng.randint(least, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 40)]
            case 3:
                data[at:at] = rng.choice(ODD)
    return bytes(data)


def outcome(artefact):
    """The message of a fetch; "" where it succeeds."""
    try:
        fetch(artefact, progress=False, sleep=lambda _: None)
    except SamplebenchError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 2000
        return message
    return ""


def test_mutated_heads(cache, bad_server, target, mutations, monkeypatch):
    """Of whole answers, of parts and of chunks; a published hash decides what is right."""
    monkeypatch.setattr(patience, "TIMEOUTS", (1, 0.1))
    rng, refused = random.Random(0), 0
    chunked = bad.answer("Transfer-Encoding: chunked", body=b"ea60\r\n", length=False)
    heads = [
        bad.answer('ETag: "one"', "Content-Type: application/octet-stream")[: -bad.SIZE],
        bad.part(bad.CUT)[: -bad.SIZE + bad.CUT],
        chunked,
        bad.answer("Location: /other", "Retry-After: 5", status="302 Found", body=b""),
    ]
    for _ in range(mutations):
        head = mutated(rng, rng.choice(heads))

        def behave(request, head=head):
            if request.start is not None or request.number == 0:
                yield head + bad.FILE[request.start or 0 :]
            elif request.number < 3:
                yield bad.answer('ETag: "one"')[: bad.CUT - bad.SIZE]
            else:
                yield bad.answer()

        bad_server.behaviour = behave
        bad_server.asked.clear()
        url = f"{bad_server.address}/w.pkl"
        artefact = Artefact("demo", url, "w.pkl", container="pickle", most=10**6)
        if outcome(artefact):
            refused += 1
            assert not target.exists()
            assert known_sha256(artefact) is None
        else:
            assert target.read_bytes() == bad.FILE
            target.unlink()
            trust.forget(artefact.key)
    print(f"{mutations} heads, {refused} refused")
    assert 0 < refused < mutations


def test_mutated_notes(server, cache, target, part, mutations):
    """Beside a part of the file itself: it is continued or started anew, never a fault."""
    url = server.put("/w.pkl", bad.FILE)
    artefact = Artefact("demo", url, "w.pkl")
    facts = {"url": url, "etag": '"one"', "modified": "", "size": bad.SIZE}
    rng = random.Random(1)
    part.parent.mkdir(parents=True)
    for _ in range(mutations):
        part.write_bytes(bad.FILE[: bad.CUT])
        part.with_name("w.pkl.part.json").write_bytes(mutated(rng, json.dumps(facts).encode(), 0))
        assert outcome(artefact) == ""
        assert target.read_bytes() == bad.FILE
        target.unlink()
    continued = sum(asked is not None for asked in server.ranges)
    print(f"{mutations} notes, {continued} continued")
    assert 0 < continued < mutations


def test_mutated_lists_of_first_uses(cache, mutations):
    """A damaged line never lets another file in without a word."""
    artefact = Artefact("demo", "https://example.org/w.pkl", "w.pkl")
    path = path_of(artefact)
    path.parent.mkdir(parents=True)
    path.write_bytes(bad.FILE)
    verify(artefact, path)
    text, rng, refused = trust.file().read_bytes(), random.Random(2), 0
    for _ in range(mutations):
        trust.file().write_bytes(mutated(rng, text))
        refused += bool(outcome(artefact))
        assert path.read_bytes() == bad.FILE
    print(f"{mutations} lists, {refused} refused")
    assert 0 < refused


@pytest.fixture(autouse=True)
def nothing_hangs():
    """A wall clock for each test, far above what it takes."""
    import faulthandler

    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
