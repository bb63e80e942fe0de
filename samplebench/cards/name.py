"""What a card may be called, and how its file is written in a request."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

# Before a file's name in a request, and before a card's in results.
PREFIX = "card:"
LONGEST = 80
LETTERS = "letters, digits, '.', '_' and '-'"


def safe(text: str) -> str:
    """A text with the letters that a card's name may have, and no more of them."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:LONGEST]


def is_card(word: Any) -> TypeGuard[str]:
    """Whether a word of a request names a card's file."""
    return isinstance(word, str) and word.startswith(PREFIX)


def path_of(word: str) -> str:
    """The file that a word of a request names."""
    return word.removeprefix(PREFIX)
