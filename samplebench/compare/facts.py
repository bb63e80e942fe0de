"""Under which conditions the sides were computed: what differs between them, and what is equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from samplebench.compare.side import Side
from samplebench.regression.conditions import CAUSES, FIXED, condition_word, flat
from samplebench.results.fields import (
    CONDITIONS,
    HEADS,
    called,
    counted,
    grid_label,
    printable,
    sampler_label,
)
from samplebench.results.row import COLUMNS

# Of a cell's conditions those that belong to no point, beside FIXED and CAUSES.
_FURTHER = ("memory_format", "compiled")
_CODE = "_code"
# So many values of a side are named, the others counted.
_NAMED = 4


@dataclass(frozen=True)
class Condition:
    """One condition on all sides.

    Attributes:
        name: for readers.
        values: the distinct ones of each side in words; empty where it has none, None where
            nobody knows.
    """

    name: str
    values: tuple[tuple[str, ...] | None, ...]

    @property
    def equal(self) -> bool:
        """Whether all sides of which it is known have the same."""
        return len({frozenset(each) for each in self.values if each is not None}) <= 1

    @property
    def texts(self) -> list[str]:
        """A text per side."""
        return [_listed(each) for each in self.values]


def conditions_of_sides(sides: Sequence[Side]) -> list[Condition]:
    """Those of the points first, then those of the cells, then what computed them."""
    found = [_facts(side) for side in sides]
    names = dict.fromkeys(name for facts in found for name in facts)
    # Of a folder all is known; a table says what stands beside it.
    return [
        Condition(
            name,
            tuple(
                tuple(facts[name]) if name in facts else () if side.table.view else None
                for side, facts in zip(sides, found, strict=True)
            ),
        )
        for name in names
    ]


def _facts(side: Side) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {}
    for name, value in (*_of_rows(side), *_of_cells(side)):
        if value not in (None, ""):
            found.setdefault(printable(name), {})[printable(condition_word(value))] = None
    return found


def _of_rows(side: Side) -> Iterator[tuple[str, object]]:
    for row in side.rows:
        yield "model", called(row, "model")
        yield "sampler", sampler_label(row)
        yield "discretization", grid_label(row)
        yield from ((HEADS.get(key, key), row.get(key)) for key in CONDITIONS)


def _of_cells(side: Side) -> Iterator[tuple[str, object]]:
    keys = [key for key in (*FIXED, *CAUSES) if key not in COLUMNS]
    for origin in side.table.origins.values():
        yield from flat(keys, origin.conditions)
        for name, sha256 in origin.conditions.get("extractors", {}).items():
            yield f"extractor {name} weights sha256", sha256
        yield "hardware", origin.hardware
        yield "platform", origin.platform
    for record in side.view.cells.values():
        conditions, where = record["conditions"], record.get("provenance", {})
        for key, value in conditions.items():
            if key.endswith(_CODE) or key in _FURTHER:
                yield key.replace("_", " "), value
        yield from (where.get("versions") or {}).items()
        yield "git commit", (where.get("git_commit") or "")[:12]


def _listed(values: Iterable[str] | None) -> str:
    if values is None:
        return "not known"
    found = list(values)
    named = found if len(found) <= _NAMED + 1 else found[:_NAMED]
    more = len(found) - len(named)
    return ", ".join([*named, *([f"{counted(more, 'other')}"] if more else [])]) or "none"
