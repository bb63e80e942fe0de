"""A view with the labels of its names, so that names of one label are one curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace
from typing import cast

from samplebench.results.fields import CONDITIONS, printable
from samplebench.results.labels import KINDS, Labels
from samplebench.results.row import Called, Row
from samplebench.results.view import View

_POINT = ("params", "rho", *CONDITIONS, "nfe")


def labelled(view: View) -> View:
    """The view whose rows say how they are called.

    Names of one label are told apart by their name where two of their points would be one, and so
    are models: each has figures of its own.
    """
    if not view.labels:
        return view
    told = _told(view)
    rows = [cast(Row, {**row, "called": _called(row, told)}) for row in view.rows]
    return replace(view, rows=rows)


def stands_for(view: View) -> list[str]:
    """What each label is the name of, a line each, e.g. "GITS is card:a, card:b"."""
    names: dict[str, list[str]] = defaultdict(list)
    for (column, name), label in _told(view).items():
        if any(row.get(column) == name for row in view.rows):
            names[label].append(name)
    return [f"{printable(label)} is {printable(', '.join(of))}" for label, of in names.items()]


def _called(row: Row, told: Labels) -> Called:
    found = {kind: told.get((kind, str(row.get(kind)))) for kind in KINDS}
    return cast(Called, {kind: label for kind, label in found.items() if label})


def _told(view: View) -> Labels:
    """Labels, with the name where the label alone would hide one."""
    points: dict[Hashable, list[Row]] = defaultdict(list)
    for row in view.rows:
        called = _called(row, view.labels)
        shown = tuple(called.get(kind, row.get(kind)) for kind in KINDS)
        points[shown, *(row.get(key) for key in _POINT)].append(row)
    crowded: set[tuple[str, str]] = set()
    for rows in points.values():
        for kind in KINDS:
            names = {str(row.get(kind)) for row in rows}
            crowded |= {(kind, name) for name in names} if len(names) > 1 else set()
    # A label that is the name of another.
    crowded |= {
        key for key, label in view.labels.items() if any(r.get(key[0]) == label for r in view.rows)
    }
    models = [label for (kind, _), label in view.labels.items() if kind == "model"]
    crowded |= {k for k, v in view.labels.items() if k[0] == "model" and models.count(v) > 1}
    return {
        key: f"{label} ({key[1]})" if key in crowded else label
        for key, label in view.labels.items()
    }
