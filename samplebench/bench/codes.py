"""Others' code among the conditions of cells; samplebench's own is covered by NUMERICS."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, cast

from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.identity import identify
from samplebench.registry import Entry
from samplebench.results.record import Conditions

# What of a registration decides images or scores beside the object itself.
_DECIDE = ("lowest", "process", "levels", "span", "blocked")


class Codes:
    """What others' code of a plan is, each object looked at once.

    Code that cannot be told apart from other code has a condition of its own in every plan: nothing
    that was computed before can answer for it.

    Attributes:
        notes: what the user should know of such code, a line each.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[int, ...], tuple[Any, str]] = {}
        self._unknown: dict[str, str] = {}
        self._models: dict[str, str] = {}
        self.notes: list[str] = []

    def look(self, entry: Entry) -> None:
        """A first look, before anything is run: caches that are empty now are known to be clean."""
        if not entry.builtin:
            identify(entry.obj)

    def of(self, name: str, kind: str, entry: Entry) -> Conditions:
        """The condition for others' code, none for samplebench's.

        Args:
            name: of the condition, without "_code".
            kind: what it is, for messages.
        """
        if entry.builtin:
            return cast(Conditions, {})
        # A default range that follows from constants, a declared process or levels decide, too.
        declared = [getattr(entry, name, None) for name in _DECIDE]
        parts = (entry.obj, *(part for part in declared if part is not None))
        key = tuple(map(id, parts))
        if key not in self._found:
            identity = identify(parts[0] if len(parts) == 1 else parts)
            text = identity.sha256
            if identity.unknown:
                text = self._doubtful(text, f"{kind} {entry.name}", identity.unknown)
            self._found[key] = (parts, text)
        return cast(Conditions, {f"{name}_code": self._found[key][1]})

    def model(self, entry: Checkpoint) -> str:
        """What a model in memory is: its identity."""
        if not entry.unknown:
            return entry.sha256
        if entry.id not in self._models:
            self._models[entry.id] = self._doubtful(
                entry.sha256, f"model {entry.id}", entry.unknown
            )
        return self._models[entry.id]

    def _doubtful(self, sha256: str, who: str, unknown: str) -> str:
        text = f"{sha256} {uuid.uuid4().hex}"
        self._unknown[text] = f"{who}, {unknown}"
        self.notes.append(f"computed again in every run: {self._unknown[text]}")
        return text

    def unknown(self, conditions: Mapping[str, object]) -> str:
        """One line on the code in a cell's conditions that cannot be told apart; "" for none."""
        found = [self._unknown.get(v, "") for v in conditions.values() if isinstance(v, str)]
        return next(filter(None, found), "")
