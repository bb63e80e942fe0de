"""A list card: noise levels for any sampler, as GITS and Align Your Steps publish them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samplebench.cards.name import PREFIX


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

    @property
    def about(self) -> dict[str, Any]:
        """What results say of it beside its name and its levels."""
        return {**self.facts, "sha256": self.sha256}
