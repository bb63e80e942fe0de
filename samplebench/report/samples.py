"""Rows of the same samples: they differ in the reference alone that these are compared with."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import cast

from samplebench.report.curves import curves_of
from samplebench.results.fields import called
from samplebench.results.row import COLUMNS, COUNTED, Row
from samplebench.results.view import View

_SAME = (*(c for c in COLUMNS if c not in (*COUNTED, "reference")), "cell")


@dataclass(frozen=True)
class Samples:
    """One set of samples, or one per repeat.

    Attributes:
        label: of its curve, whatever the reference; with the model where there are several.
        rows: one per reference.
    """

    label: str
    rows: list[Row]


def samples_of(view: View) -> list[Samples]:
    """Those of all rows, curve by curve, by increasing NFE."""
    groups: dict[Hashable, list[Row]] = {}
    for row in view.rows:
        groups.setdefault(tuple(row.get(key) for key in _SAME), []).append(row)
    merged = [cast(Row, {**rows[0], "reference": ""}) for rows in groups.values()]
    rows_of = {id(one): rows for one, rows in zip(merged, groups.values(), strict=True)}
    alone, found = replace(view, rows=merged), []
    models = dict.fromkeys(row.get("model") for row in merged)
    for model in models:
        own = [row for row in merged if row.get("model") == model]
        prefix = f"{called(own[0], 'model')}: " if len(models) > 1 else ""
        for curve in curves_of(own, alone):
            found += [Samples(prefix + curve.label, rows_of[id(row)]) for row in curve.rows]
    return found
