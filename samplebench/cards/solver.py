"""A solver card out of a document that has its form: what a schema cannot say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from samplebench.cards.card import SAID, Card, Rows

# Where the process of a kind of time ends.
_LATEST = {"sigma": math.inf, "vp": 1.0, "flow": 1.0}


def solver_of(content: dict[str, Any], name: str, sha256: str) -> Card:
    """The card that a document describes.

    Args:
        content: of the form "solver" of schema.json, its numbers finite.
        name: where it says none.
        sha256: of its file.

    Raises:
        ValueError: lengths that do not fit, times at which nothing can be evaluated, states that
            nothing uses, or counts that are not what the coefficients say.
    """
    times = tuple(map(float, content["times"]))
    n = len(times) - 1
    shifts = tuple(map(float, content.get("shifts", [0] * n)))
    if len(shifts) != n:
        raise ValueError(f"shifts has {len(shifts)} numbers, not {n}, one less than times")
    said = {key: content[key] for key in SAID if key in content}
    if "range" in said:
        said["range"] = tuple(map(float, said["range"]))
    card = Card(
        content.get("name", name),
        content["predicts"],
        content["time"],
        times,
        shifts,
        _rows("a", content["a"], n),
        _rows("c", content["c"], n),
        **said,
        sha256=sha256,
    )
    _check_use(card)
    _check_times(card)
    for key in ("nfe", "depth"):
        if key in content and content[key] != (found := getattr(card, key)):
            raise ValueError(f"{key} is {content[key]}, but its coefficients make {found}")
    return card


def _rows(name: str, rows: Sequence[Sequence[float]], n: int) -> Rows:
    if len(rows) != n:
        raise ValueError(f"{name} has {len(rows)} rows, not {n}, one less than times")
    for i, row in enumerate(rows):
        if len(row) != i + 1:
            raise ValueError(f"{name} row {i} has {len(row)} numbers, not {i + 1}")
    return tuple(tuple(map(float, row)) for row in rows)


def _check_use(card: Card) -> None:
    """Every state is made of something, and all but the last are used."""
    if not card.nfe:
        raise ValueError("c is all 0: it never evaluates the network")
    used = set()
    for i, (a, c) in enumerate(zip(card.a, card.c, strict=True)):
        found = {j for row in (a, c) for j, weight in enumerate(row) if weight}
        if not found:
            raise ValueError(f"row {i} of a and c is all 0: state {i + 1} depends on nothing")
        used |= found
    if idle := sorted(set(range(len(card.c))) - used):
        raise ValueError(f"state {idle[0]} is used by no later one; leave it out")


def _check_times(card: Card) -> None:
    """Times within the process, and those of evaluations with noise."""
    latest = _LATEST[card.time]
    if card.times[0] == 0:
        raise ValueError("times[0] is 0, which has no noise to start from")
    if not card.times[-1] < card.times[0]:
        raise ValueError(
            f"times end at {card.times[-1]:g}, not below the {card.times[0]:g} where they begin"
        )
    for where, t in _instants(card):
        # No number of noise at t = 1 of a flow: there is no signal left to have it on.
        if t > latest or (t == latest and card.time == "flow"):
            hint = "; begin a little below 1, e.g. at 0.9999" if card.time == "flow" else ""
            raise ValueError(f"{where} is {t:.6g}: time '{card.time}' ends at {latest:g}{hint}")
    for j in card.evaluated:
        if card.times[j] + card.shifts[j] <= 0:
            t = card.times[j] + card.shifts[j]
            raise ValueError(f"the evaluation at state {j} is at time {t:.6g}; it must be above 0")


def _instants(card: Card) -> Iterator[tuple[str, float]]:
    """All times with what they are of."""
    for i, t in enumerate(card.times):
        yield f"times[{i}]", t
    for j in card.evaluated:
        yield f"the time of the evaluation at state {j}", card.times[j] + card.shifts[j]
