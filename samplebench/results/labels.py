"""Labels: what a reader is told in place of a name; files keep the names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from samplebench.results.requests import Asked
from samplebench.results.row import Columns

# Which name is meant where a sampler and a discretization share it.
KINDS = ("sampler", "discretization", "model")
LONGEST = 60
# (column, name) -> label.
Labels = Mapping[tuple[str, str], str]


def column_of(name: str, rows: Iterable[Columns]) -> str | None:
    """Whose name it is in these rows; None if nothing is called so."""
    held = list(rows)
    return next((kind for kind in KINDS if any(row.get(kind) == name for row in held)), None)


def labels_of(requests: Iterable[Asked]) -> dict[tuple[str, str], str]:
    """The labels that a folder's requests gave, the last one's where several did.

    A label that is the name itself takes an earlier one away.

    Args:
        requests: in the order of asking.
    """
    found: dict[tuple[str, str], str] = {}
    for asked in requests:
        given = asked.words.get("label")
        for name, label in given.items() if isinstance(given, Mapping) else ():
            column = column_of(name, (row["columns"] for row in asked.rows))
            if column and isinstance(label, str) and fault_of(label) is None:
                found[column, name] = label
    return {key: label for key, label in found.items() if label != key[1]}


def fault_of(label: str) -> str | None:
    """Why a text is no label; None of one that is."""
    if not label or label != label.strip():
        return "is empty or has spaces around it"
    if not label.isprintable():
        return "has characters that cannot be seen"
    return f"is longer than {LONGEST} characters" if len(label) > LONGEST else None
