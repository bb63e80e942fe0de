"""A measured truncation error as plain data, and as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from samplebench.results.tables import Plain, csv_text, plain_rows

# An error this much above the reference's own is known well enough for an order.
_CLEAR = 10.0


@dataclass(frozen=True)
class Spread:
    """An error over samples, in units of images in [-1, 1].

    Attributes:
        rmse: root mean square over all elements of all samples.
        median, low, high: median and quartiles over samples, each sample's error being the root
            mean square over its elements.
    """

    rmse: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Level:
    """The error of a state after a step.

    Attributes:
        step: its index from 0.
        sigma: the noise level of the state, 0 at the end of most.
        error: its distance to the reference solution there.
    """

    step: int
    sigma: float
    error: Spread


@dataclass(frozen=True)
class Order:
    """A measured order of convergence, from the next smaller step count to this one.

    None where there is none, or where an error is too near to the reference's own.

    Attributes:
        median: of the median error, which a few samples cannot bend.
        rmse: of the root mean square error. One sample that the solver sends to another mode of
            the data dominates it until the steps are fine enough for that sample too.
    """

    median: float | None = None
    rmse: float | None = None


@dataclass(frozen=True)
class Point:
    """One run of a sampler.

    Attributes:
        steps: of the grid.
        nfe: network evaluations per sample, counted.
        levels: by decreasing sigma, the end last; steps that a sampler of others does not report,
            and a card's stages, are missing.
        order: at the last positive level. The step from there to 0, where there is one, is
            Euler's with a fixed length, so its error does not shrink with the steps.
        order_end: at the end.
    """

    steps: int
    nfe: float
    levels: tuple[Level, ...]
    order: Order = Order()
    order_end: Order = Order()

    @property
    def end(self) -> Spread:
        """The error of the result."""
        return self.levels[-1].error

    @property
    def last(self) -> Level | None:
        """The last positive level, None if the sampler did not report it."""
        end = self.levels[-1]
        before = end.step if end.sigma > 0 else end.step - 1
        return next((level for level in self.levels if level.step == before), None)


@dataclass(frozen=True)
class Truth:
    """The reference solution of the probability-flow ODE.

    Attributes:
        sigma_max: noise level it starts from.
        sigma_end: where it ends: 0, or the lowest noise level of the grids where the model is not
            defined down to 0. A result at 0 is then compared with D of the reference's state at
            the last positive level, which is where a sampler's last step leads as well.
        rtol, atol: tolerances of the solve.
        evaluations: of the model per sample, those of the second solve included.
        error: its own error, estimated by a second solve at ten times the tolerances: the largest
            root mean square difference at any level.
    """

    sigma_max: float
    sigma_end: float
    rtol: float
    atol: float
    evaluations: int
    error: float

    def __str__(self) -> str:
        return (
            f"DOP853 from sigma={self.sigma_max:g} to {self.sigma_end:g}, rtol {self.rtol:.1g}, "
            f"atol {self.atol:.1g}, {self.evaluations:,} evaluations, error about {self.error:.1g}"
            + ("; the end is D at the last positive level" if self.sigma_end else "")
        )


@dataclass(frozen=True)
class Curve:
    """A sampler on one time discretization over step counts.

    Attributes:
        params: those that differ from the sampler's defaults.
        rho: None where the discretization has none.
        truth: what its points are compared with.
        points: by increasing steps.
    """

    sampler: str
    params: str
    discretization: str
    rho: float | None
    truth: Truth
    points: tuple[Point, ...]

    def conditions(self) -> dict[str, Plain]:
        return {k: getattr(self, k) for k in ("sampler", "params", "discretization", "rho")}


@dataclass(frozen=True)
class Truncation:
    """All curves of one model and one set of latents.

    Attributes:
        model: its name.
        num_samples: N.
        seed: of the first sample, None for latents of others.
        dtype: of the samplers' state.
        curves: in the order of the request.
    """

    model: str
    num_samples: int
    seed: int | None
    dtype: str
    curves: tuple[Curve, ...]

    @property
    def truths(self) -> list[Truth]:
        """The distinct reference solutions."""
        return list(dict.fromkeys(curve.truth for curve in self.curves))

    def rows(self) -> list[dict[str, Plain]]:
        """One row per run: its error at the end and at the last positive level, and the orders.

        Plain values for JSON: 12 significant digits, None where a number is not finite.
        """
        made = []
        for curve in self.curves:
            for point in curve.points:
                last = point.last
                row = {"model": self.model, **curve.conditions()}
                row |= {"steps": point.steps, "nfe": point.nfe, **_columns(point.end)}
                row |= {"sigma_end": point.levels[-1].sigma}
                row |= {"sigma_last": last.sigma if last else None}
                row |= {"rmse_last": last.error.rmse if last else None}
                row |= {"order": point.order.median, "order_end": point.order_end.median}
                row |= {"order_rmse": point.order.rmse, "order_rmse_end": point.order_end.rmse}
                made.append(row | self._common(curve))
        return plain_rows(made)

    def csv(self) -> str:
        """One line per state, floats with 12 significant digits, nothing volatile."""
        rows = list(self._states())
        return csv_text(list(rows[0]), rows)

    def _states(self) -> Iterator[dict[str, Plain]]:
        for curve in self.curves:
            for point in curve.points:
                orders = {point.levels[-1].step: point.order_end}
                orders |= {point.last.step: point.order} if point.last else {}
                for level in point.levels:
                    row = {"model": self.model, **curve.conditions()}
                    row |= {"steps": point.steps, "nfe": point.nfe}
                    row |= {"step": level.step, "sigma": level.sigma, **_columns(level.error)}
                    order = orders.get(level.step, Order())
                    row |= {"order": order.median, "order_rmse": order.rmse}
                    yield {**row, **self._common(curve)}

    def _common(self, curve: Curve) -> dict[str, Plain]:
        facts = {"num_samples": self.num_samples, "seed": self.seed, "dtype": self.dtype}
        truth = {k: v for k, v in asdict(curve.truth).items() if k != "sigma_max"}
        return {**facts, **{f"reference_{k}": v for k, v in truth.items()}}


def _columns(error: Spread) -> dict[str, float]:
    return {"rmse": error.rmse, "median": error.median, "q25": error.low, "q75": error.high}


def measured_order(
    coarse: Point, fine: Point, at: Callable[[Point], Level | None], floor: float
) -> Order:
    """log(error_a / error_b) / log(b / a) for step counts a < b.

    Args:
        at: the level to compare.
        floor: the reference's own error.
    """
    first, second = at(coarse), at(fine)
    if first is None or second is None:
        return Order()
    steps = (coarse.steps, fine.steps)
    return Order(
        _slope(steps, first.error.median, second.error.median, floor),
        _slope(steps, first.error.rmse, second.error.rmse, floor),
    )


def _slope(steps: tuple[int, int], coarse: float, fine: float, floor: float) -> float | None:
    clear = min(coarse, fine) > _CLEAR * floor
    if not (clear and math.isfinite(coarse) and math.isfinite(fine)):
        return None
    return math.log(coarse / fine) / math.log(steps[1] / steps[0])
