"""Cards damaged at random: a card, or one short line at once."""

from __future__ import annotations

import json
import random
import time
from copy import deepcopy
from typing import Any

from samplebench.cards.read import read_card
from samplebench.errors import InputError
from tests.unit.cards.making import euler, heun, parallel

EVIL = (
    None, True, -1, 0, 1e308, -1e-320, 10**30, "", "x" * 5000, "\x1b[0m", "🂱", [], {}, [[]],
    [0] * 20_000, {"a": {"b": {}}}, "80/1", ["1"], float("nan"), 501.5,
)  # fmt: skip
KEYS = ("sigmas", "times", "shifts", "a", "c", "nfe", "name", "cost", "shift", "\0", "range")


def seeds() -> list[Any]:
    levels = {"sigmas": [80, 5, 1, 0.1], "method": "gits", "range": [0.1, 80], "cost": {"h": 1}}
    return [euler(shifts=[0.1] * 4, author="me"), heun(), parallel(), levels, [80, 1, 0]]


def places(value: Any, where: tuple = ()) -> list[tuple]:
    """Of all parts of a document."""
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    return [where, *(place for key, part in parts for place in places(part, (*where, key)))]


def evil(draw: random.Random) -> Any:
    return deepcopy(draw.choice(EVIL))


def altered(value: Any, where: tuple, draw: random.Random) -> Any:
    """With a part replaced, dropped, doubled, or given a further key."""
    if not where:
        return evil(draw)
    *path, last = where
    inner = value
    for key in path:
        inner = inner[key]
    kind = draw.randrange(4)
    if kind == 0:
        del inner[last]
    elif kind == 1 and isinstance(inner, list):
        inner.insert(last, inner[last])
    elif kind == 2 and isinstance(inner, dict):
        inner[draw.choice(KEYS)] = draw.choice((inner[last], evil(draw)))
    else:
        inner[last] = evil(draw)
    return value


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Bytes flipped, cut off, doubled or dropped."""
    at = draw.randrange(len(data))
    further = min(len(data), at + draw.randrange(1, 40))
    return draw.choice((
        data[:at],
        data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :],
        data[:further] + data[at:],
        data[:at] + data[further:],
        data[:at] + draw.choice((b"[" * 9999, b"1e999", b"9" * 99, b'"a":1,', b"\xff")) + data[at:],
    ))  # fmt: skip


def test_a_damaged_card_is_a_card_or_one_line(tmp_path, mutations):
    draw, path, refused = random.Random(mutations), tmp_path / "card.json", 0
    for _ in range(mutations):
        content = draw.choice(seeds())
        if draw.random() < 0.6:
            for _ in range(draw.choice((1, 1, 3))):
                content = altered(content, draw.choice(places(content)), draw)
            data = json.dumps(content).encode()
        else:
            data = damaged(json.dumps(content).encode(), draw)
        path.write_bytes(data)
        began = time.monotonic()
        try:
            read_card(str(path))
        except InputError as error:
            refused += 1
            line = str(error)
            assert line.isprintable() and len(line) < 300, line
            assert line.startswith("card "), line
        assert time.monotonic() - began < 2
    assert refused > mutations / 2
