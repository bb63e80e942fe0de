"""A solver card as the text of its file: a row of numbers a line, each as exact as it is."""

from __future__ import annotations

import json
from typing import Any

from samplebench.cards.card import Card


def text_of(card: Card) -> str:
    """JSON with a line for every key, and for every row of coefficients."""
    lines = [f"{json.dumps(key)}: {_value(value)}" for key, value in card.content().items()]
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(row, list) for row in value):
        return "[\n  " + ",\n  ".join(_value(row) for row in value) + "\n ]"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # Most of a card is 0: in one letter.
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e6
    return json.dumps(int(value) if whole else value)
