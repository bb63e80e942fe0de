"""What was found and judged, in words: rows of a table for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samplebench.answers.parameters import label
from samplebench.report.best import TIE, better_words
from samplebench.report.chart import DataTable, TableCell, TableRow
from samplebench.results.fields import (
    count_text,
    number,
    printable,
    reference_name,
    value_text,
    value_texts,
)
from samplebench.trajectory.accumulation import Gap
from samplebench.tune.judged import BEST, RHO_7, GridScore, JudgedBudget, JudgedGrid
from samplebench.tune.tuned import Tuned

_KIND = {"method": "text", "NFE": "number", "evaluations": "number"}
Pair = tuple[float | None, float | None]


def facts_of(result: Tuned) -> list[tuple[str, str]]:
    """(name, text) of what holds for every row."""
    sampler = f"{result.sampler} {label(result.params)}".strip()
    solutions = dict.fromkeys(budget.solution for budget in result.budgets)
    measures = dict.fromkeys(
        f"{s.metric}{better_words(s.better)} against {reference_name(s.reference) or 'nothing'}"
        for budget in result.budgets
        for grid in budget.grids
        for s in grid.scores
    )
    scored = f"{', '.join(measures)}, N = {result.num_samples:,}, {result.sampled:,} evaluations"
    return [
        ("model", printable(result.model)),
        ("sampler", printable(sampler)),
        ("seeds", seeds_of(result)),
        ("search", f"{result.searched:,} network evaluations, counted per image"),
        (
            "error",
            f"truncation error of {result.judging_seeds[1]} trajectories against "
            f"{', '.join(solutions)}; {result.followed:,} evaluations",
        ),
        *([("metric", printable(scored))] if measures else []),
    ]


def seeds_of(result: Tuned) -> str:
    """Which seeds found and which judged."""
    first, count = result.search_seeds
    judging, number_of = result.judging_seeds[0], max(result.judging_seeds[1], result.num_samples)
    return (
        f"searched on {first:,} to {first + count - 1:,}, evaluated on {judging:,} to "
        f"{judging + number_of - 1:,}, without overlap"
    )


def text_rows(result: Tuned) -> list[dict[str, str]]:
    """The rows of the table as text; a grid each."""
    grids = list(grids_of(result))
    columns = {
        "error": value_texts([_pair(grid.error) for _, grid in grids]),
        "/ rho 7": [_ratio(grid, budget, RHO_7) for budget, grid in grids],
        "/ best rho": [_ratio(grid, budget, BEST) for budget, grid in grids],
    }
    for place, name in enumerate(_measures(grids)):
        scores = [grid.scores[place] if grid.scores else None for _, grid in grids]
        columns[name] = value_texts([_value(score) for score in scores])
        columns[f"{name} - rho 7"] = value_texts([_pair(s.to_rho_7 if s else None) for s in scores])
        gaps = [_pair(s.to_best if s else None) for s in scores]
        columns[f"{name} - best rho"] = value_texts(gaps)
    rows = []
    for place, (budget, grid) in enumerate(grids):
        found = grid.found
        row = {
            "method": name_of(grid),
            "NFE": count_text(budget.planned),
            "evaluations": f"{found.evaluations:,}" if found else "-",
            "search": f"{found.before:.3g} to {found.after:.3g}" if found else "-",
        }
        rows.append(row | {head: texts[place] for head, texts in columns.items()})
    return rows


def table_of(result: Tuned) -> DataTable:
    """One row per grid; what holds for all of them is said above it."""
    texts, rows = text_rows(result), []
    for (budget, grid), row in zip(grids_of(result), texts, strict=True):
        orders = _orders(budget, grid)
        cells = [TableCell(text, orders.get(head)) for head, text in row.items()]
        rows.append(TableRow(cells, {"method": grid.name}))
    heads = [(head, _KIND.get(head, "value")) for head in texts[0]]
    return DataTable(heads, rows, facts_of(result))


def name_of(grid: JudgedGrid) -> str:
    """The method, with the parameters that it found; the best rho with its value."""
    if grid.name == BEST:
        return f"{BEST} ({grid.rho:g})"
    return printable(f"{grid.name} {label(grid.candidate.params)}").strip()


def grids_of(result: Tuned) -> Iterator[tuple[JudgedBudget, JudgedGrid]]:
    return ((budget, grid) for budget in result.budgets for grid in budget.grids)


def advice(result: Tuned) -> list[str]:
    """For each budget the best of what was found beside the best rho, a line each."""
    lines = []
    for budget in result.budgets:
        grid, rival = result.best(budget), budget.rival(BEST)
        if grid is None:
            continue
        told = []
        if grid.scores:
            score = grid.scores[0]
            told.append(_verdict(score.metric, score.to_best, score.better))
        told.append(_verdict("truncation error", grid.beyond(rival), "lower"))
        verdicts = ", ".join(filter(None, told)) or "nothing to compare"
        lines.append(f"NFE {budget.planned}: {name_of(grid)} less {name_of(rival)}: {verdicts}")
    return lines


def _verdict(what: str, gap: Gap | None, better: str | None) -> str:
    """A difference in words: better, worse, or a tie within 2 standard errors."""
    if gap is None or number(gap.value) is None:
        return ""
    text = f"{printable(what)} {value_text(gap.value, gap.stderr)}"
    # What has no standard error shows nothing.
    error = number(gap.stderr)
    if error is None or abs(gap.value) <= TIE * error:
        return f"{text} (a tie)"
    if better is None:
        return text
    return f"{text} ({'better' if (gap.value < 0) == (better == 'lower') else 'worse'})"


def _measures(grids: Sequence[tuple[JudgedBudget, JudgedGrid]]) -> list[str]:
    """What the metrics of a grid are called; the same for all."""
    scores = next((grid.scores for _, grid in grids if grid.scores), ())
    several = len({score.reference for score in scores}) > 1
    return [
        printable(f"{s.metric} against {reference_name(s.reference)}" if several else s.metric)
        for s in scores
    ]


def _ratio(grid: JudgedGrid, budget: JudgedBudget, rival: str) -> str:
    found = None if grid.name == rival else grid.ratio(budget.rival(rival))
    return "-" if found is None else f"{found:.3f}"


def _pair(gap: Gap | None) -> Pair:
    return (None, None) if gap is None else (gap.value, gap.stderr)


def _value(score: GridScore | None) -> Pair:
    return (None, None) if score is None else (score.value, score.stderr)


def _orders(budget: JudgedBudget, grid: JudgedGrid) -> dict[str, float | None]:
    """What entries of the table are sorted by, where their text does not say it."""
    found: dict[str, float | None] = {
        "NFE": float(budget.planned),
        "evaluations": float(grid.found.evaluations) if grid.found else None,
        "search": number(grid.found.after) if grid.found else None,
        "error": number(grid.error.value) if grid.error else None,
    }
    for name, rival in (("/ rho 7", RHO_7), ("/ best rho", BEST)):
        found[name] = grid.ratio(budget.rival(rival))
    for place, name in enumerate(_measures([(budget, grid)])):
        score = grid.scores[place]
        found[name] = score.value
        found[f"{name} - rho 7"] = score.to_rho_7.value if score.to_rho_7 else None
        found[f"{name} - best rho"] = score.to_best.value if score.to_best else None
    return found
