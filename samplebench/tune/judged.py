"""What was found, judged on seeds that no search has seen: plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samplebench.trajectory.accumulation import Gap
from samplebench.tune.candidate import Candidate
from samplebench.tune.found import Found

# The rivals of what is found, by the grid of "edm".
RHO_7, BEST = "rho 7", "best rho"


@dataclass(frozen=True)
class StepError:
    """What one step adds.

    Attributes:
        sigma: noise level before the step.
        error: mean over trajectories, as `JudgedBudget.local` says.
    """

    sigma: float
    error: float


@dataclass(frozen=True)
class GridScore:
    """A metric of samples on a grid, on the judging seeds.

    Attributes:
        metric, reference, better: as of a row of `run`.
        value, stderr: with its standard error, None where there is none.
        to_rho_7, to_best: less the value of the rival, with the error of the paired difference;
            None where there is none, or for the rival itself.
        failed: why it has no value.
    """

    metric: str
    reference: str
    better: str | None
    value: float | None
    stderr: float | None
    to_rho_7: Gap | None = None
    to_best: Gap | None = None
    failed: str = ""


@dataclass(frozen=True)
class JudgedGrid:
    """A time grid, judged.

    Attributes:
        name: "rho 7", "best rho", or the method that found it with its options.
        candidate: levels, and parameters of the sampler beside.
        rho: of the rivals.
        found: what its search says; None of the rivals.
        errors: truncation error of each judging trajectory, the root mean square over elements;
            none of a run that draws noise.
        steps: what each step adds; of "rho 7" and of what was found.
        scores: by metric and reference.
    """

    name: str
    candidate: Candidate
    rho: float | None = None
    found: Found | None = None
    errors: tuple[float, ...] = ()
    steps: tuple[StepError, ...] = ()
    scores: tuple[GridScore, ...] = ()

    @property
    def error(self) -> Gap | None:
        """Mean truncation error over the trajectories, with its standard error."""
        return mean_of(self.errors)

    def beyond(self, rival: JudgedGrid) -> Gap | None:
        """Mean truncation error less the rival's, with the error of the paired difference."""
        if not self.errors or len(self.errors) != len(rival.errors):
            return None
        # Where both are infinite, nothing is known of the difference.
        return mean_of([a - b for a, b in zip(self.errors, rival.errors, strict=True)])

    def ratio(self, rival: JudgedGrid) -> float | None:
        """Mean truncation error over the rival's; None where either is no number or it is 0."""
        own, other = self.error, rival.error
        if own is None or other is None or not other.value:
            return None
        found = own.value / other.value
        return None if math.isnan(found) else found


@dataclass(frozen=True)
class JudgedBudget:
    """All grids at one budget.

    Attributes:
        nfe: evaluations per sample that were asked for.
        planned: that the runs make.
        grids: "rho 7", the best rho, then what was found.
        solution: what the errors are against, in words; "" where no run is deterministic.
        local: what the errors of steps are, in words.
        evaluations: of the network, by the errors' runs and the solution, an image each.
    """

    nfe: int
    planned: int
    grids: tuple[JudgedGrid, ...]
    solution: str
    local: str
    evaluations: int

    def rival(self, name: str) -> JudgedGrid:
        """One of "rho 7" and "best rho"."""
        return next(grid for grid in self.grids if grid.name == name)

    @property
    def found(self) -> tuple[JudgedGrid, ...]:
        """The grids of searches."""
        return tuple(grid for grid in self.grids if grid.found is not None)


def mean_of(values: Sequence[float]) -> Gap | None:
    """Mean with its standard error: the spread over the square root of the number."""
    if not values:
        return None
    many = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        error = float(many.std(ddof=1) / math.sqrt(many.size)) if many.size > 1 else None
        return Gap(float(many.mean()), error)
