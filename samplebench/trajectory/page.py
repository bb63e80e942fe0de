"""A measured truncation error as CSV, static figures and an interactive page; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.files.atomic import write_atomic
from samplebench.report.chart import (
    Axis,
    Chart,
    DataTable,
    Facet,
    Figure,
    Mark,
    Series,
    TableCell,
    TableRow,
)
from samplebench.results.fields import number, printable, rho_label
from samplebench.trajectory.names import (
    OWN_ENDS,
    drawable,
    end_looks,
    ends_above,
    grid_of,
    grids_of,
    label_of,
    name_of,
    state_looks,
)

if TYPE_CHECKING:
    from samplebench.trajectory.result import Curve, Level, Spread, Truncation
    from samplebench.trajectory.result import Point as Run

_ERROR = "error (RMS per sample)"
_SPREAD = "Lines: median over samples; bands: quartiles."
_ORDERS = (
    "Orders are log(e_a / e_b) / log(b / a) of the errors at a < b steps, at the last positive "
    "noise level unless stated otherwise, and missing if an error is within ten times the "
    "reference's own."
)

_AXES = (
    Axis("nfe", "NFE (counted)", at_values=True),
    Axis("steps", "steps", at_values=True),
)


def write_convergence(result: Truncation, out: Path) -> list[Path]:
    """Writes trajectory.csv, trajectory.svg and trajectory.html into `out`, in this order.

    Each file is replaced atomically. The same result gives the same bytes.
    """
    from samplebench.report.page import render_page
    from samplebench.report.plots import render
    from samplebench.trajectory.figure import draw

    page = render_page(
        title=f"Truncation error on {printable(result.model)}",
        lead=f"How far deterministic samplers are from the exact solution of the probability-flow "
        f"ODE, after every step and at the end, from the same {result.num_samples} latents. "
        "Both use the same model, so the network's own error is not included.",
        chart=chart_of(result),
        table=table_of(result),
    )
    files = {
        "trajectory.csv": result.csv().encode("utf-8"),
        "trajectory.svg": render(draw(result), "svg"),
        "trajectory.html": page.encode("utf-8"),
    }
    return [write_atomic(Path(out) / name, data) for name, data in files.items()]


def chart_of(result: Truncation) -> Chart:
    """The error at the end over NFE or steps, and after every step over sigma."""
    where = f"N={result.num_samples}, state {result.dtype}. "
    own_ends = f" {OWN_ENDS}" if ends_above(result) else ""
    figures = [
        Figure(
            "end",
            "Error at the end",
            Axis("error", _ERROR),
            _AXES,
            f"{where}{_SPREAD}{own_ends} {_ORDERS}",
            "trajectory-end",
            orders=_orders(result),
        ),
        Figure(
            "levels",
            "Error after every step",
            Axis("error", _ERROR),
            (Axis("sigma", "noise level σ of the state"),),
            where + "A run goes from right to left. " + _SPREAD,
            "trajectory-levels",
        ),
    ]
    ends, states = end_looks(result), state_looks(result)
    series = []
    for place, curve in enumerate(result.curves):
        name, facets = label_of(curve, result), _facets(curve)
        points = [_end(run, name) for run in curve.points]
        series.append(Series("end", name, facets, points, *ends[place]))
        for run in curve.points:
            series.append(
                Series(
                    "levels",
                    f"{name}, {run.steps} steps",
                    {**facets, "steps": str(run.steps)},
                    [_state(level, name, run) for level in reversed(run.levels) if level.sigma],
                    *states[place, run.steps],
                )
            )
    titles = {"sampler": "sampler", "grid": "discretization", "rho": "rho", "steps": "steps"}
    facets_shown = [Facet(key, title) for key, title in titles.items()]
    return Chart(figures, series, facets_shown, ("trajectory.csv", result.csv()))


def _orders(result: Truncation) -> tuple[int, ...]:
    """Those that the curves have at their most steps, as whole numbers from 1."""
    last = [max(curve.points, key=lambda run: run.steps).order.median for curve in result.curves]
    return tuple(sorted({round(order) for order in last if order is not None and order > 0.5}))


def table_of(result: Truncation) -> DataTable:
    """One row per run; what holds for all of them is said above it."""
    several, above = len(grids_of(result)) > 1, ends_above(result)
    heads = [
        *(("sampler", "text"), *([("grid", "text")] if several else [])),
        *(("steps", "number"), ("NFE", "number"), *([("end σ", "number")] if above else [])),
        *((head, "value") for head in _VALUES),
    ]
    rows = []
    for curve in result.curves:
        for run in curve.points:
            cells = [TableCell(name_of(curve)), *([TableCell(grid_of(curve))] if several else [])]
            numbers = (run.steps, run.nfe, *([run.levels[-1].sigma] if above else []))
            cells += [TableCell(f"{value:g}", float(value)) for value in numbers]
            for text, order in _values(run):
                cells.append(TableCell(text, None if order is None else number(order)))
            rows.append(TableRow(cells, {**_facets(curve), "steps": str(run.steps)}))
    return DataTable(heads, rows, facts_of(result))


def facts_of(result: Truncation) -> list[tuple[str, str]]:
    """(name, text) of what holds for every row."""
    seeds = "latents given" if result.seed is None else f"seeds from {result.seed}"
    n = f"{result.num_samples}, {seeds}, state {result.dtype}"
    references = [("reference", str(truth)) for truth in result.truths]
    grids = grids_of(result)
    grid = [("grid", grids[0])] if len(grids) == 1 else []
    return [("model", printable(result.model)), ("samples", n), *grid, *references]


def text_rows(result: Truncation) -> list[dict[str, str]]:
    """The rows of the table as text for the terminal."""
    table = table_of(result)
    heads = [head for head, _ in table.heads]
    return [dict(zip(heads, (cell.text for cell in row.cells), strict=True)) for row in table.rows]


_VALUES = ("median", "quartiles", "RMSE", "RMSE last", "order", "order at end", "RMSE order")


def _values(run: Run) -> list[tuple[str, float | None]]:
    """(text, what to sort by) of each of `_VALUES`."""
    end, last = run.end, run.last
    orders = (run.order.median, run.order_end.median, run.order.rmse)
    return [
        (_error(end.median), end.median),
        (f"{_error(end.low)} to {_error(end.high)}", end.high),
        (_error(end.rmse), end.rmse),
        (_error(last.error.rmse), last.error.rmse) if last else ("-", None),
        *(("-" if order is None else f"{order:.2f}", order) for order in orders),
    ]


def _error(value: float) -> str:
    return f"{value:.3g}"


def _facets(curve: Curve) -> dict[str, str]:
    return {
        "sampler": name_of(curve),
        "grid": printable(curve.discretization),
        "rho": rho_label(curve.conditions()).removeprefix("rho=") or "none",
    }


def _end(run: Run, name: str) -> Mark:
    order = [] if run.order.median is None else [f"order {run.order.median:.2f}"]
    hover = (*_hover(run.end), name, f"NFE {run.nfe:g} in {run.steps} steps", *order)
    end = run.levels[-1].sigma
    hover += (f"at its end, σ = {end:.3g}",) if end else ()
    return _point({"nfe": float(run.nfe), "steps": float(run.steps)}, run.end, hover)


def _state(level: Level, name: str, run: Run) -> Mark:
    where = f"after step {level.step + 1} of {run.steps}, σ = {level.sigma:.3g}"
    return _point({"sigma": level.sigma}, level.error, (*_hover(level.error), name, where))


def _point(x: dict[str, float | None], error: Spread, hover: Sequence[str]) -> Mark:
    low, median, high = (drawable(v) for v in (error.low, error.median, error.high))
    return Mark(x, median, low, high, tuple(hover))


def _hover(error: Spread) -> tuple[str, str]:
    return (
        f"median {_error(error.median)}, quartiles {_error(error.low)} to {_error(error.high)}",
        f"RMSE over all elements {_error(error.rmse)}",
    )
