"""A card's file, which anybody may have written, in bounded time and memory."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from samplebench.cards.card import Card
from samplebench.cards.levels import LevelsCard
from samplebench.cards.name import LONGEST, PREFIX, safe
from samplebench.cards.schema import check, place
from samplebench.cards.solver import solver_of
from samplebench.errors import InputError, UsageError, in_one_line
from samplebench.files.atomic import expanded
from samplebench.files.texts import json_value, read_bytes

# 500 states with 25 characters a coefficient.
_MOST = 8 * 1024**2
_LONGEST_TEXT, _LONGEST_PATH = 2000, 100
# What makes a document a solver, whatever else is in it.
_SOLVING = ("times", "a", "c", "predicts")
_PLAIN = (str, int, float, bool)


def solver_card(path: str) -> Card:
    """The solver that a file describes.

    Raises:
        InputError: the file is no card, or cannot be read.
        UsageError: it is a list of noise levels.
    """
    found = read_card(path)
    if isinstance(found, LevelsCard):
        raise UsageError(
            f"card {_short(path)} is a list of noise levels for any sampler; write "
            f"--sampler euler --discretization {PREFIX}{_short(path)}"
        )
    return found


def levels_card(path: str) -> LevelsCard:
    """The list of noise levels that a file holds.

    Raises:
        InputError: the file is no card, or cannot be read.
        UsageError: it is a solver.
    """
    found = read_card(path)
    if isinstance(found, Card):
        raise UsageError(
            f"card {_short(path)} is a solver with times of its own; write --sampler "
            f"{PREFIX}{_short(path)}"
        )
    return found


def read_card(path: str) -> Card | LevelsCard:
    """What a file holds, a solver or a list of noise levels.

    Args:
        path: as the user wrote it.

    Raises:
        InputError: a line that says what is wrong, and where.
    """
    if not path:
        raise UsageError(f"{PREFIX} names no file; write {PREFIX}FILE.json")
    try:
        data = read_bytes(expanded(path), _MOST)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"card {_short(path)} cannot be read ({reason})") from None
    except InputError as error:  # a pipe or a device
        raise InputError(f"card {_short(path)} {_last(str(error))}") from None
    except ValueError as error:
        raise InputError(f"card {_short(path)}: {error}") from None
    try:
        content = json_value(data)
    except ValueError as error:
        raise InputError(f"card {_short(path)} is not JSON: {in_one_line(str(error))}") from None
    try:
        return _card(content, path, hashlib.sha256(data).hexdigest())
    except ValueError as error:
        raise InputError(f"card {_short(path)}: {error}") from None


def _card(content: Any, path: str, sha256: str) -> Card | LevelsCard:
    stem = safe(Path(path).stem).strip("-") or "card"
    _check_values(content)
    if isinstance(content, list):
        check(content, "sigmas")
        return LevelsCard(stem, _levels(content), {}, sha256, path)
    if not isinstance(content, dict) or "sigmas" not in content or {*_SOLVING} & content.keys():
        check(content, "solver")
        _check_facts(content)
        return solver_of(content, stem, sha256)
    check(content, "levels")
    _check_facts(content)
    own = ("format", "version", "name", "sigmas")
    facts = {k: v for k, v in content.items() if k not in own and _kept(k, v)}
    return LevelsCard(content.get("name", stem), _levels(content["sigmas"]), facts, sha256, path)


def _kept(key: str, value: Any) -> bool:
    """Whether results repeat what a list says of itself; further lists of its are in the file."""
    return key in ("range", "cost") or isinstance(value, _PLAIN)


def _levels(sigmas: list[float]) -> tuple[float, ...]:
    levels = tuple(map(float, sigmas))
    for i, (high, low) in enumerate(pairwise(levels), 1):
        if not low < high:
            raise ValueError(
                f"sigmas[{i}] is {low:g}, not below the {high:g} before it: noise levels decrease"
            )
    return levels


def _check_facts(content: dict[str, Any]) -> None:
    """What the schema cannot say of what a card says of itself."""
    if "name" in content and content["name"] != safe(content["name"]):
        raise ValueError("name ends in a line break")
    if "range" in content and not content["range"][0] < content["range"][1]:
        raise ValueError("range is not from the lowest noise level to the highest")


def _check_values(content: Any, where: tuple[str | int, ...] = ()) -> None:
    """Raises ValueError for numbers that are not finite and texts that cannot be shown."""
    if isinstance(content, str):
        _check_text(place(where), content, _LONGEST_TEXT)
    elif isinstance(content, float) and not math.isfinite(content):
        raise ValueError(f"{place(where)} is {content}: too large for a number")
    elif isinstance(content, dict):
        for key, inner in content.items():
            _check_text("a key", key, LONGEST)
            _check_values(inner, (*where, key))
    elif isinstance(content, list):
        for i, inner in enumerate(content):
            # Of millions of numbers nearly all.
            if not (type(inner) is int or (type(inner) is float and math.isfinite(inner))):
                _check_values(inner, (*where, i))


def _check_text(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise ValueError(f"{what} has {len(text):,} characters; at most {most:,} are possible")
    for character in text:
        if not character.isprintable():
            raise ValueError(f"{what} holds U+{ord(character):04X}, which cannot be printed")


def _short(path: str) -> str:
    """A path in a message: printable, of a long one the end."""
    text = in_one_line(path)
    return text if len(text) <= _LONGEST_PATH else f"...{text[3 - _LONGEST_PATH :]}"


def _last(text: str) -> str:
    """What a message says behind the path it begins with."""
    return text[text.rfind(" is ") + 1 :]
