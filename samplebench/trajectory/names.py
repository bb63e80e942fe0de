"""What the curves of a truncation error are called, and which look each has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from samplebench.report.looks import apart
from samplebench.results.fields import grid_label, sampler_label

if TYPE_CHECKING:
    from samplebench.trajectory.result import Curve, Truncation


OWN_ENDS = "A run that ends at σ above 0 is compared with the solution there."


def name_of(curve: Curve) -> str:
    """The sampler with its parameters."""
    return sampler_label(curve.conditions())


def grid_of(curve: Curve) -> str:
    return grid_label(curve.conditions(), "ρ")


def label_of(curve: Curve, result: Truncation) -> str:
    """The sampler and, where there are several, the discretization."""
    return f"{name_of(curve)}, {grid_of(curve)}" if len(grids_of(result)) > 1 else name_of(curve)


def end_looks(result: Truncation) -> list[tuple[int, int]]:
    """(colour, variant) of the curves: one colour per sampler, one variant per discretization."""
    return apart(_places(result))


def state_looks(result: Truncation) -> dict[tuple[int, int], tuple[int, int]]:
    """(colour, variant) by the place of a curve and a step count; variants tell both apart."""
    counts = steps_of(result)
    wanted = {
        (place, run.steps): (colour, grid * len(counts) + counts.index(run.steps))
        for place, (colour, grid) in enumerate(_places(result))
        for run in result.curves[place].points
    }
    return dict(zip(wanted, apart(list(wanted.values())), strict=True))


def _places(result: Truncation) -> list[tuple[int, int]]:
    """Which sampler and which discretization each curve has."""
    names, grids = list(dict.fromkeys(map(name_of, result.curves))), grids_of(result)
    return [(names.index(name_of(c)), grids.index(grid_of(c))) for c in result.curves]


def grids_of(result: Truncation) -> list[str]:
    """The discretizations with their rho."""
    return list(dict.fromkeys(map(grid_of, result.curves)))


def steps_of(result: Truncation) -> list[int]:
    """All step counts, increasing."""
    return sorted({run.steps for curve in result.curves for run in curve.points})


def ends_above(result: Truncation) -> bool:
    """Whether a run ends at a positive noise level."""
    return any(run.levels[-1].sigma > 0 for curve in result.curves for run in curve.points)


def drawable(error: float) -> float | None:
    """The error if it has a place on a logarithmic axis."""
    return error if 0 < error < math.inf else None
