"""What was found and judged as an interactive page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from samplebench.answers.parameters import label
from samplebench.files.atomic import write_atomic
from samplebench.report.best import better_words
from samplebench.report.chart import Axis, Chart, Facet, Figure, Mark, Series
from samplebench.report.looks import apart
from samplebench.results.fields import number, printable, reference_name, value_text
from samplebench.tune.judged import BEST, RHO_7, JudgedBudget, JudgedGrid
from samplebench.tune.table import grids_of, name_of, seeds_of, table_of
from samplebench.tune.tuned import Tuned

_NFE = (Axis("nfe", "NFE (counted)", at_values=True),)
_BANDS = "Bands: ± 1 standard error."
# (colour, variant) of a curve.
Look = tuple[int, int]


def write_page(result: Tuned, path: Path) -> Path:
    """The whole page; the same bytes for the same result."""
    from samplebench.report.page import render_page

    sampler = printable(f"{result.sampler} {label(result.params)}".strip())
    page = render_page(
        title=f"Time grids of {sampler} on {printable(result.model)}",
        lead=f"Searched grids compared with rho = 7 and the best of rho = 1 to 20. Seeds: "
        f"{seeds_of(result)}. The searches took {result.searched:,} evaluations of the network; "
        f"the evaluation took {result.followed + result.sampled:,}.",
        chart=chart_of(result),
        table=table_of(result),
    )
    return write_atomic(path, page.encode("utf-8"))


def chart_of(result: Tuned) -> Chart:
    """Grids, errors of steps, curves over NFE, and what a search costs beside what it gains."""
    looks = _looks(result)
    parts = [
        _grids(result, looks),
        _steps(result, looks),
        _errors(result, looks),
        *_scores(result, looks),
        *(_costs(result, looks, rival) for rival in (RHO_7, BEST)),
    ]
    drawn = [(figure, series) for figure, series in parts if any(s.points for s in series)]
    return Chart(
        [figure for figure, _ in drawn],
        [each for _, series in drawn for each in series],
        [
            Facet("nfe", "NFE of grids and steps", single=True),
            Facet("rival", "gain over", single=True),
            Facet("method", "grid"),
        ],
        ("tune.csv", result.csv()),
    )


_Part = tuple[Figure, list[Series]]


def _grids(result: Tuned, looks: dict[str, Look]) -> _Part:
    """A row per grid, a mark per level."""
    names = list(looks)
    rows = {name: float(len(names) - 1 - place) for place, name in enumerate(names)}
    series = []
    for budget, grid in grids_of(result):
        levels = sorted(grid.candidate.positive)
        marks = [
            Mark({"sigma": level}, rows[grid.name], hover=(name_of(grid), f"σ = {level:.4g}"))
            for level in levels
        ]
        series.append(
            Series("grids", name_of(grid), _facets(budget, grid), marks, *looks[grid.name])
        )
    figure = Figure(
        "grids",
        "Noise levels",
        Axis("row", "", log=False, names=tuple(map(printable, reversed(names)))),
        (Axis("sigma", "noise level σ"),),
        "A mark per level; a run goes from right to left. A last level of 0 cannot be shown.",
        "tune-grids",
    )
    return figure, series


def _steps(result: Tuned, looks: dict[str, Look]) -> _Part:
    """What each step adds, over the level before it."""
    series = []
    for budget, grid in grids_of(result):
        marks = [
            Mark(
                {"sigma": step.sigma},
                number(step.error),
                hover=(f"{step.error:.3g}", name_of(grid), f"step from σ = {step.sigma:.4g}"),
            )
            for step in reversed(grid.steps)
        ]
        series.append(
            Series("steps", name_of(grid), _facets(budget, grid), marks, *looks[grid.name])
        )
    local = " ".join(dict.fromkeys(f"Errors are {b.local}." for b in result.budgets))
    positive = all(m.y is None or m.y > 0 for s in series for m in s.points)
    figure = Figure(
        "steps",
        "Error of each step",
        Axis("error", "error (RMS per sample)", log=positive),
        (Axis("sigma", "noise level σ before the step"),),
        f"{local} Means over {result.judging_seeds[1]} trajectories.",
        "tune-steps",
    )
    return figure, series


def _errors(result: Tuned, looks: dict[str, Look]) -> _Part:
    """The truncation error over NFE."""
    series = []
    for name, line in _lines(result):
        marks = []
        for budget, grid in line:
            if (error := grid.error) is not None:
                hover = (value_text(error.value, error.stderr), *_said(budget, grid))
                marks.append(_mark(budget, error.value, error.stderr, hover))
        series.append(Series("errors", name, {"method": name}, marks, *looks[name]))
    figure = Figure(
        "errors",
        "Truncation error",
        Axis("error", "error at the end (RMS per sample)"),
        _NFE,
        f"Mean over {result.judging_seeds[1]} trajectories. {_BANDS}",
        "tune-errors",
    )
    return figure, series


def _scores(result: Tuned, looks: dict[str, Look]) -> Iterator[_Part]:
    """Each metric over NFE."""
    first = next((grid.scores for _, grid in grids_of(result) if grid.scores), ())
    for place, measure in enumerate(first):
        key, series = f"score {place}", []
        for name, line in _lines(result):
            marks = []
            for budget, grid in line:
                if grid.scores and (value := grid.scores[place].value) is not None:
                    error = grid.scores[place].stderr
                    hover = (value_text(value, error), *_said(budget, grid))
                    marks.append(_mark(budget, value, error, hover))
            series.append(Series(key, name, {"method": name}, marks, *looks[name]))
        metric = printable(measure.metric)
        against = printable(reference_name(measure.reference)) or "nothing"
        figure = Figure(
            key,
            metric,
            Axis("value", f"{metric}{better_words(measure.better)}"),
            _NFE,
            f"N = {result.num_samples:,}, against {against}. {_BANDS}",
            f"tune-{place}",
        )
        yield figure, series


def _costs(result: Tuned, looks: dict[str, Look], rival: str) -> _Part:
    """The error over the rival's, beside the evaluations of the search."""
    key, series = f"cost {rival}", []
    for name in result.methods:
        marks = []
        for budget in result.budgets:
            for grid in (each for each in budget.found if each.name == name):
                ratio = grid.ratio(budget.rival(rival))
                if ratio is None or grid.found is None:
                    continue
                cost = float(grid.found.evaluations)
                hover = (
                    f"{ratio:.3f} of the error with {rival}",
                    f"{cost:,.0f} evaluations",
                    *_said(budget, grid),
                )
                marks.append(Mark({"evaluations": cost}, ratio, hover=hover))
        marks.sort(key=lambda mark: mark.x["evaluations"] or 0.0)
        series.append(Series(key, name, {"method": name}, marks, *looks[name], line=False))
    figure = Figure(
        key,
        f"Cost and gain of each search over {rival}",
        Axis("ratio", f"error / error with {rival}"),
        (Axis("evaluations", "evaluations of the network by the search"),),
        "A mark per budget; below 1 the searched grid is better.",
        f"tune-cost-{rival.replace(' ', '-')}",
        {"rival": rival},
    )
    return figure, series


def _mark(budget: JudgedBudget, value: float, error: float | None, hover: Sequence[str]) -> Mark:
    known = error if error is not None and math.isfinite(error) else None
    return Mark(
        {"nfe": float(budget.planned)},
        number(value),
        None if known is None else value - known,
        None if known is None else value + known,
        tuple(hover),
    )


def _said(budget: JudgedBudget, grid: JudgedGrid) -> tuple[str, str]:
    return name_of(grid), f"NFE {budget.planned}"


def _lines(
    result: Tuned,
) -> Iterator[tuple[str, list[tuple[JudgedBudget, JudgedGrid]]]]:
    """By name of a grid those of all budgets; budgets of equal evaluations have one point."""
    for name in _looks(result):
        line = {b.planned: (b, g) for b, g in grids_of(result) if g.name == name}
        yield name, [line[nfe] for nfe in sorted(line)]


def _facets(budget: JudgedBudget, grid: JudgedGrid) -> dict[str, str]:
    return {"method": grid.name, "nfe": str(budget.nfe)}


def _looks(result: Tuned) -> dict[str, Look]:
    """By name of a grid: a colour each."""
    names = [RHO_7, BEST, *result.methods]
    return dict(zip(names, apart([(place, place) for place in range(len(names))]), strict=True))
