"""A row: a point of a curve, as `results.csv` has it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NotRequired, TypedDict, cast, get_args, get_type_hints


class Columns(TypedDict):
    """What a row says before its values; `results.csv` has them in this order.

    Attributes:
        params: that differ from the sampler's defaults, e.g. "S_churn=10"; may be empty.
        rho: None where the discretization has none.
        steps: None where a method chooses them itself.
        nfe: counted network evaluations per sample; of a row that is planned, the planned ones,
            None where a method chooses its steps.
        nfe_requested: the budget asked for; None where levels were given, or a method chooses.
        depth: of the evaluations those that wait for one another; None as for nfe.
        guidance: in words, "" for none.
        guide_nfe: further passes per sample that guidance took, of whichever network; None as for
            nfe.
        seed, repeats, num_samples: sample i of repeat r has seed `seed + r * num_samples + i`.
        dtype: of the network.
        reference: the statistics that its values are distances to: id@first 8 digits of its hash;
            "" where an older table does not say.
    """

    model: str
    sampler: str
    params: str
    discretization: str
    rho: float | None
    steps: int | None
    nfe: int | float | None
    nfe_requested: int | None
    depth: int | float | None
    guidance: str
    guide_nfe: int | float | None
    seed: int
    repeats: int
    num_samples: int
    protocol: str
    dtype: str
    reference: str


class Called(TypedDict, total=False):
    """What readers are told in place of a name."""

    model: str
    sampler: str
    discretization: str


class Row(Columns):
    """A point with what was measured there: `<metric>` and `<metric>_stderr` for every metric, with
    repeats `<metric>_sd` and the best of them, `<metric>_min` or `<metric>_max`, too; read by
    `value` and `entry`. Then its cells.

    Attributes:
        cell: their hashes, one per repeat, separated by spaces.
        called: where it is shown only, in no file: the labels of its names.
    """

    cell: str
    called: NotRequired[Called]


COLUMNS = tuple(get_type_hints(Columns))
# What of a row is counted when it runs, and no part of its name.
COUNTED = ("nfe", "depth", "guide_nfe")
STDERR = "_stderr"
# Of the values of a point's repeats: their standard deviation, the least and the largest.
SD, LEAST, LARGEST = "_sd", "_min", "_max"
OVER_REPEATS = (SD, LEAST, LARGEST)
_KINDS = {name: (kind, *get_args(kind)) for name, kind in get_type_hints(Row).items()}
INTEGERS = frozenset(name for name, kinds in _KINDS.items() if int in kinds)
STRINGS = frozenset(name for name, kinds in _KINDS.items() if str in kinds)
OPTIONAL = frozenset(name for name, kinds in _KINDS.items() if type(None) in kinds)


def value(row: Row, metric: str) -> float:
    """What was measured, of a row that has the metric; NaN where a cell has failed."""
    return cast("Mapping[str, float]", row)[metric]


def entry(row: Row, column: str) -> float | None:
    """A number by the name of its column; None where the row has none."""
    return cast("float | None", row.get(column))


def suffix_of(column: str, columns: Container[str]) -> str:
    """Of the name of a column that says more of a metric among `columns`, e.g. "_stderr"; "" of
    others."""
    if column.endswith(STDERR):
        return STDERR
    ends = (end for end in OVER_REPEATS if column.endswith(end))
    return next((end for end in ends if column.removesuffix(end) in columns), "")


def reference_label(name: str, sha256: str) -> str:
    """A reference as the column says it: "digits@1a2b3c4d"; "?" before its hash is known, "" for
    none."""
    return "" if not name else f"{name}@{sha256[:8] or '?'}"
