"""A list card: noise levels for any sampler, as GITS, DMN and Align Your Steps publish them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Before a file's name on the command line, and before a card's in results.
PREFIX = "card:"


@dataclass(frozen=True)
class LevelsCard:
    """One list of noise levels.

    Attributes:
        name: letters, digits, ".", "_" and "-".
        levels: decreasing, two or more, positive but for the last, which may be 0; the grid ends
            where they end.
        facts: what the card says of itself beside them, as plain values.
        sha256: of the file's bytes.
        path: of the file, "" where the card comes from a cell.
    """

    name: str
    levels: tuple[float, ...]
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    sha256: str = ""
    path: str = field(default="", compare=False)

    @property
    def called(self) -> str:
        """What results call it."""
        return PREFIX + self.name
