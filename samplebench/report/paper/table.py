"""A paper's tables: curves as rows, NFE as columns, one for each metric of each model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from samplebench.citations import versions_of_view
from samplebench.report.best import TIE, budget_of, direction, marks_of
from samplebench.report.curves import StyledCurve, barred, conditions_of, curves_of
from samplebench.report.labels import labelled
from samplebench.report.levels import ExactLevel, levels_of
from samplebench.report.names import figure_stem
from samplebench.results.fields import (
    CONDITIONS,
    HEADS,
    called,
    count_text,
    grid_label,
    hashes_of,
    metrics_of,
    number,
    printable,
    value_texts,
)
from samplebench.results.row import COLUMNS, STDERR, Row
from samplebench.results.view import View

ARROWS = {"lower": "↓", "higher": "↑"}
NOTHING, FAILED = "–", "failed"
# What the rows of one table share.
_SHARED = ("protocol", "reference", "num_samples")


@dataclass(frozen=True)
class PaperCell:
    """What was measured of a curve at an NFE.

    Attributes:
        text: the value with its standard error, `FAILED`, or `NOTHING`.
        best: whether it is the best of its column or tied with that.
        counted: NFE, where it is not that of the column; else "".
    """

    text: str = NOTHING
    best: bool = False
    counted: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A metric of one model, as plain text; no line has other numbers of cells than the heads.

    Attributes:
        label: unlike those of the view's other tables; letters, digits, "-", "." and ":".
        caption: what is measured, with an arrow where a direction is known.
        heads: of the columns that tell the curves apart.
        nfe: heads of the columns with values.
        lines: (what the curve is, its values).
        levels: (name, value) of exact draws, which belong to every column.
        notes: sentences that a reader needs to know the conditions and the marks.
    """

    label: str
    caption: str
    heads: tuple[str, ...]
    nfe: tuple[str, ...]
    lines: tuple[tuple[tuple[str, ...], tuple[PaperCell, ...]], ...]
    levels: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def tables_of(view: View) -> list[PaperTable]:
    """One table for each metric, model, protocol, reference and N that has a point."""
    view = labelled(view)
    made: list[PaperTable] = []
    used = Counter[str]()
    for metric in metrics_of(view.rows):
        groups: dict[Hashable, list[Row]] = defaultdict(list)
        for row in _measured(view, metric):
            key = (row["model"], *(row.get(column) for column in _SHARED))
            groups[key].append(row)
        # By model: its tables of several protocols stand together.
        models = list(dict.fromkeys(row["model"] for row in view.rows))
        for rows in sorted(groups.values(), key=lambda rows: models.index(rows[0]["model"])):
            # Letters that nothing reads as an order.
            label = figure_stem(rows[0]["model"], metric).replace("_", "-")
            used[label] += 1
            label += f":{used[label]}" if used[label] > 1 else ""
            made.append(_table(replace(view, rows=rows), metric, label))
    return made


def _measured(view: View, metric: str) -> Iterator[Row]:
    """The rows that have the metric, with the reference it was measured against.

    What is measured against nothing stands in the rows of every reference, and here once.
    """
    seen: set[Hashable] = set()
    for row in view.rows:
        if row.get(metric) is None:
            continue
        scores, own = view.scores, row.get("reference", "")
        cells = hashes_of(row)
        alone = any((cell, metric, "") in scores for cell in cells) and not any(
            (cell, metric, own) in scores for cell in cells if own
        )
        found: Row = {**row, "reference": ""} if alone else row
        key = tuple(found.get(column) for column in (*COLUMNS, "cell"))
        if not alone or key not in seen:
            yield found
        seen.add(key)


def _table(view: View, metric: str, label: str) -> PaperTable:
    rows, better = view.rows, direction(metric, view)
    written = value_texts([(row.get(metric), number(row.get(metric + STDERR))) for row in rows])
    texts = {id(row): text for row, text in zip(rows, written, strict=True)}
    levels = levels_of(rows, metric, better)
    if len(levels) == len(rows):
        levels = []  # alone they have a column, of NFE 0
    everywhere = {id(level.row) for level in levels}
    marks = marks_of(view, metric)
    asked = {budget for row in rows if (budget := number(row.get("nfe_requested"))) is not None}
    columns: dict[int, float] = {}
    cells: dict[int, PaperCell] = {}
    for index, row in enumerate(rows):
        if id(row) in everywhere:
            continue
        counted = number(row.get("nfe"))
        column = budget_of(row, asked)
        column = counted if column is None else column
        if column is not None:
            columns[id(row)] = column
            known = number(row.get(metric)) is not None
            apart = "" if counted in (None, column) else count_text(row.get("nfe"))
            cells[id(row)] = PaperCell(texts[id(row)] if known else FAILED, index in marks, apart)
    nfe = sorted(set(columns.values()))
    curves = curves_of([row for row in rows if id(row) in columns], view)
    heads, names = _names(curves)
    lines: list[tuple[tuple[str, ...], tuple[PaperCell, ...]]] = []
    for curve, name in zip(curves, names, strict=True):
        by_column: dict[float, list[PaperCell]] = defaultdict(list)
        for row in curve.rows:
            by_column[columns[id(row)]].append(cells[id(row)])
        # Points without a budget may share a column: each then has a line.
        for place in range(max(map(len, by_column.values()))):
            found = (by_column[column][place : place + 1] for column in nfe)
            lines.append((name, tuple(each[0] if each else PaperCell() for each in found)))
    shown = [cell for _, line in lines for cell in line]
    return PaperTable(
        label,
        f"{printable(metric)}{' ' * bool(better)}{ARROWS.get(better or '', '')} on "
        f"{called(rows[0], 'model')} by NFE (network evaluations per sample).",
        heads,
        tuple(f"{column:g}" for column in nfe),
        tuple(lines),
        tuple((level.label, texts[id(level.row)]) for level in levels),
        tuple(_notes(view, metric, shown, levels)),
    )


def _names(curves: Sequence[StyledCurve]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads of the columns that tell curves apart, and their entries by curve."""
    rows = [curve.rows[0] for curve in curves]
    heads, columns = ["sampler"], [[curve.name for curve in curves]]
    if len({called(row, "discretization") for row in rows}) > 1:
        heads.append("discretization")
        columns.append([grid_label(row, "ρ") for row in rows])
    elif len({row.get("rho") for row in rows}) > 1:
        heads.append("ρ")
        known = [number(row.get("rho")) for row in rows]
        columns.append([NOTHING if rho is None else f"{rho:g}" for rho in known])
    for key in CONDITIONS:
        if len({row.get(key) for row in rows}) > 1:
            heads.append(HEADS.get(key, key))
            columns.append([printable(row.get(key, "")) or "none" for row in rows])
    return tuple(heads), list(zip(*columns, strict=True))


def _notes(
    view: View, metric: str, cells: Sequence[PaperCell], levels: Sequence[ExactLevel]
) -> Iterator[str]:
    yield f"{', '.join(_facts(view, metric, levels))}."
    rows = view.rows
    repeated = " of the mean over repeats" if _repeated(rows) else ""
    bars = barred([row for row in rows if number(row.get(metric)) is not None], metric)
    yield f"Values ± 1 standard error{repeated}." if bars else "Values without standard errors."
    if any(cell.best for cell in cells):
        yield (
            "Bold: the best of a column, and what is tied with it: at most "
            f"{TIE:g} standard errors of the difference apart (paired where the seeds are the "
            "same), or without a standard error."
        )
    if any(cell.counted for cell in cells):
        yield "Columns are budgets; “at n”: n evaluations were counted."
    if any(row.get("guide_nfe") for row in rows):
        yield "NFE leaves out the further passes of guidance."
    if any(cell.text == FAILED for cell in cells):
        yield f"{FAILED}: no finite value."
    if any(cell.text == NOTHING for cell in cells):
        yield f"{NOTHING}: not measured."
    for name in dict.fromkeys(level.name for level in levels):
        yield f"{name}: drawn from the model's own distribution, without evaluations."


def _facts(view: View, metric: str, levels: Sequence[ExactLevel]) -> Iterator[str]:
    """The conditions of all values, in words."""
    rows = view.rows
    of_levels = {id(level.row) for level in levels}
    curves = [row for row in rows if id(row) not in of_levels]
    yield from conditions_of(rows, ("num_samples",))
    spans = dict.fromkeys(
        (row["seed"], row["seed"] + row["repeats"] * row["num_samples"] - 1) for row in rows
    )
    yield f"seeds {' and '.join(f'{first} to {last}' for first, last in spans)}"
    yield from conditions_of(rows, ("repeats", "protocol") if _repeated(rows) else ("protocol",))
    if rows[0].get("reference"):
        yield from conditions_of(rows, ("reference",))
    used = [
        score["conditions"].get("extractor", {})
        for row in rows for score in view.scores_of(row, metric)
    ]  # fmt: skip
    named = dict.fromkeys(
        f"{one['name']} (weights {str(one.get('weights_sha256') or 'unknown')[:8]})"
        for one in used
        if one.get("name")
    )
    yield from (f"extractor {printable(each)}" for each in named)
    if len({grid_label(row) for row in curves}) == 1:
        yield f"discretization {grid_label(curves[0], 'ρ')}"
    # What differs has a column.
    if len({row.get("guidance") for row in curves}) == 1 and curves[0].get("guidance"):
        yield from conditions_of(curves, ("guidance",))
    if len({row.get("dtype") for row in curves}) == 1:
        yield from conditions_of(curves, ("dtype",))
    own = {cell for row in rows for cell in hashes_of(row)}
    known = {cell: record for cell, record in view.cells.items() if cell in own}
    versions = versions_of_view(replace(view, cells=known))
    yield from (f"samplebench {printable(version)}" for version in versions)


def _repeated(rows: Iterable[Row]) -> bool:
    return any(row.get("repeats") != 1 for row in rows)
