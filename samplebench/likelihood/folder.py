"""Blocks of values on disk, filed under the hash of all that decides them.

OUT/METRIC-HASH/record.json      the conditions, and with what they were computed
OUT/METRIC-HASH/blocks/*.npz     values of a block of images, written when it ends
OUT/METRIC-HASH/nll.*            what the last command with these conditions asked for
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.files.archives import Unreadable
from samplebench.files.places import file_at
from samplebench.files.sealed import Sealed, write_arrays, write_json
from samplebench.likelihood.plan import LikelihoodPlan
from samplebench.ticker import say

_DIGITS = 12
# (repeat, first image, number of images).
Part = tuple[int, int, int]


class LikelihoodFolder:
    """The values of one plan's conditions.

    Args:
        out: that the user named.
        plan: whose conditions they are.
        stamp: of the machine and the versions that compute what is missing.

    Attributes:
        path: below `out`.
    """

    def __init__(self, out: Path, plan: LikelihoodPlan, stamp: str) -> None:
        self._hash, self._stamp = plan.hash, stamp
        self.path = out / f"{plan.metric}-{plan.hash[:_DIGITS]}"

    def note(self, conditions: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Writes the record."""
        content = {"schema": 1, "hash": self._hash, "conditions": dict(conditions)}
        write_json(self.path / "record.json", {**content, "provenance": dict(provenance)})

    def found(self, parts: Iterable[Part], quiet: bool) -> dict[Part, dict[str, np.ndarray]]:
        """The blocks that are there; those of another machine or version only if none is missing.

        A damaged one is none, and is told.
        """
        wanted, stamps = list(parts), dict[Part, str]()
        values: dict[Part, dict[str, np.ndarray]] = {}
        for part in wanted:
            try:
                if not file_at(self._at(part)):
                    continue
                sealed = Sealed(self._at(part))
                if sealed.facts.get("hash") != self._hash:
                    raise Unreadable("it belongs to other conditions")
                values[part] = sealed.arrays()
                stamps[part] = str(sealed.facts.get("stamp"))
            except Unreadable as error:
                if not quiet:
                    say(f"note: {self._at(part)} is computed again: {error}")
        if len(values) == len(wanted) and len(set(stamps.values())) == 1:
            return values
        return {part: found for part, found in values.items() if stamps[part] == self._stamp}

    def keep(self, part: Part, values: Mapping[str, np.ndarray]) -> None:
        """Writes the values of a block."""
        facts = {"hash": self._hash, "stamp": self._stamp}
        write_arrays(self._at(part), values, facts)

    def _at(self, part: Part) -> Path:
        repeat, first, count = part
        return self.path / "blocks" / f"r{repeat:03}-{first:08}-n{count}.npz"
