"""Labels of a request: how they are said, and of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import values
from samplebench.cards.levels import LevelsCard
from samplebench.errors import UsageError, unknown
from samplebench.registry import discretizations, name_of, samplers
from samplebench.results.labels import KINDS, fault_of
from samplebench.results.row import Columns

if TYPE_CHECKING:
    from samplebench.bench.request import Request


def labels_said(value: Any) -> dict[str, str]:
    """Of "NAME=Label", a list of these, or a table, in which a function is its own name.

    Raises:
        UsageError: one has no name, or its label cannot be shown.
    """
    pairs: Any = value
    if not isinstance(value, Mapping):
        items = [value] if isinstance(value, str) else values(value)
        pairs = dict(str(item).partition("=")[::2] for item in items)
    found = {
        name_of(key) if callable(key) else str(key).strip(): label for key, label in pairs.items()
    }
    for key, label in found.items():
        fault = fault_of(label.strip()) if isinstance(label, str) else "is not text"
        if not key or fault:
            raise UsageError(
                f"--label {line_of(f'{key}={label}')}: the label {fault or 'has no name'}; write "
                "NAME=Label, e.g. euler=Ours"
            )
    return {key: label.strip() for key, label in found.items()}


def labels_by_name(
    labels: Mapping[str, str], request: Request, rows: Sequence[Columns], models: Sequence[str]
) -> dict[str, str]:
    """Labels by the names that the results have, each written as its word or as its name.

    Args:
        models: the names of those that the request has words for, in their order.

    Raises:
        UsageError: of what is no name of the sweep.
    """
    words = {word: samplers.entry(word).name for word in request.sampler if isinstance(word, str)}
    words |= {w: n for w, n in zip(request.model, models, strict=True) if isinstance(w, str)}
    grids = request.words().get("discretization", ())
    for word, grid in zip(grids, request.discretization, strict=True):
        if isinstance(grid, LevelsCard):
            words.setdefault(word, grid.called)
        elif isinstance(grid, str):
            words.setdefault(grid, discretizations.entry(grid).name)
    words |= {str(row[kind]): str(row[kind]) for row in rows for kind in KINDS}  # type: ignore[literal-required]
    for word in labels:
        if word not in words:
            raise unknown("name in --label", word, words)
    return {words[word]: label for word, label in labels.items()}
