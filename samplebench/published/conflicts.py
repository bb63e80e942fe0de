"""Where sources print different values for what is, by its name, the same measurement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from samplebench.answers.parameters import label
from samplebench.published.grids import GRIDS, NOT_STATED
from samplebench.published.record import Published

# What a variant leaves open or tunes; two values may differ in it and still be called the same.
_OPEN = re.compile(r"not stated|\bper NFE$")
# Parameters that a name does not tell: where sampling ends, what is clipped, the inner time.
_UNTOLD = ("final", "thresholding", "denoise", "r")
_FITTED = frozenset(grid.label for grid in GRIDS.values() if grid.fitted)


class ConflictKey(NamedTuple):
    """What the values of a conflict are called.

    Attributes:
        checkpoint, weights, guidance: as in `Published`.
        sampler: without its order.
        order: "" where nobody prints it.
        params: that a name tells, e.g. "S_churn=40 ...", "afs=True".
        discretization: "" where nobody prints it.
        nfe: evaluations per image.
        num_samples: N.
    """

    checkpoint: str
    weights: str
    guidance: str
    sampler: str
    order: str
    params: str
    discretization: str
    nfe: int
    num_samples: int | None


@dataclass(frozen=True)
class Conflict:
    """Values of one key, from at least two sources, of which at least two differ.

    Attributes:
        rows: by value.
    """

    key: ConflictKey
    rows: Sequence[Published]

    @property
    def spread(self) -> float:
        """The greatest over the least."""
        values = [row.fid for row in self.rows if row.fid is not None]
        return max(values) / min(values)


def conflicts(rows: Iterable[Published]) -> list[Conflict]:
    """Sorted by spread, the widest first.

    Order and discretization that a source leaves open, or that were deduced, are taken to be
    those that others print for the same name, where these agree; first-order forms and fitted
    steps are always named. Reference statistics and
    evaluator may differ: they are conditions that few name beside the value, and each row has
    them. Bounds, rows without NFE and certainty C are left out.
    """
    told: dict[ConflictKey, list[Published]] = {}
    for row in rows:
        if row.nfe is not None and row.fid is not None and row.certainty != "C":
            told.setdefault(_key(row), []).append(row)
    alike: dict[ConflictKey, list[ConflictKey]] = {}
    for key in told:
        alike.setdefault(_bare(key), []).append(key)
    groups: dict[ConflictKey, list[Published]] = {}
    for key, found in told.items():
        groups.setdefault(_completed(key, alike[_bare(key)]), []).extend(found)
    made = [
        Conflict(key, sorted(group, key=lambda row: row.fid or 0.0))
        for key, group in groups.items()
        if len({row.source for row in group}) > 1 and len({row.fid for row in group}) > 1
    ]
    return sorted(made, key=lambda one: -one.spread)


def _key(row: Published) -> ConflictKey:
    sampler = row.unguided
    variant = [part for part in sampler.variant.split(", ") if part and not _OPEN.search(part)]
    params = {k: v for k, v in sampler.params.items() if k not in ("order", *_UNTOLD)}
    # The order is a part of the names of the DPM-Solver++ family.
    name, _, order = re.sub(r"^(dpmpp)-(\d)m$", r"\1 \2", sampler.name).partition(" ")
    open_grid = "discretization" in row.deduced or row.grid.name == NOT_STATED
    return ConflictKey(
        row.checkpoint,
        row.weights,
        row.guidance,
        name,
        str(sampler.params.get("order", order)),
        ", ".join(filter(None, (label(params), *variant))),
        "" if open_grid else row.grid.label,
        row.nfe or 0,
        row.num_samples,
    )


def _bare(key: ConflictKey) -> ConflictKey:
    return key._replace(order="", discretization="")


def _completed(key: ConflictKey, alike: Iterable[ConflictKey]) -> ConflictKey:
    """With order and discretization of the one other key that says what this leaves open.

    Args:
        alike: all keys that are equal but for these two.
    """
    fits = {
        _completed(other, alike)
        for other in alike
        if other != key
        and key.order in ("", other.order)
        and key.discretization in ("", other.discretization)
        # Nobody leaves out that an order is the first, or that the steps are fitted.
        and (key.order or other.order != "1")
        and (key.discretization or other.discretization not in _FITTED)
    }
    return fits.pop() if len(fits) == 1 else key
