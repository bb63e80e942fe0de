"""The report page of a sweep: what the interactive figures and the table stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplebench.report.curves import conditions_of, references_of
from samplebench.report.labels import labelled, stands_for
from samplebench.report.overlay import links, overlay
from samplebench.report.page import render_page
from samplebench.report.samples import samples_of
from samplebench.report.sheets import sheets_of
from samplebench.report.standings import groups_of, remarks, standings
from samplebench.report.sweep import cell_id, chart_of, table_of
from samplebench.results.fields import (
    called,
    counted,
    grid_label,
    hashes_of,
    metrics_of,
    number,
    printable,
    unevaluated,
)
from samplebench.results.record import ExtractorCondition, Score
from samplebench.results.tables import to_csv
from samplebench.results.view import View, caveats

# How a family's metrics begin on other features -> what they are not, the longer name first.
_FIELD = {
    "fd-infinity-": "FID∞",
    "fd-": "FID",
    "kd-": "KID",
    **{f"{name}-": f"{name} on Inception's features" for name in (
        "precision", "recall", "density", "coverage", "mind",
    )},
}  # fmt: skip


@dataclass(frozen=True)
class CellFacts:
    """What the page says of a cell: whose it is, and its record and scores as sections of
    (name, text)."""

    id: str
    hash: str
    labels: list[str]
    seed: object
    sections: dict[str, list[tuple[str, str]]]


def _distinct(view: View, *keys: str) -> list[tuple[Any, ...]]:
    return list(dict.fromkeys(tuple(row.get(key) for key in keys) for row in view.rows))


def summary_of(view: View) -> str:
    """One sentence on what was run."""
    if not view.rows:
        return "No result yet."
    models = list(dict.fromkeys(called(row, "model") for row in view.rows))
    stepped = [row for row in view.rows if not unevaluated(row)]
    grids = list(dict.fromkeys(grid_label(row, "ρ") for row in stepped or view.rows))
    nfe = sorted(value for row in stepped if (value := number(row.get("nfe"))) is not None)
    parts = [
        f"{counted(len(_distinct(view, 'sampler', 'params')), 'sampler setting')} on "
        + (models[0] if len(models) == 1 else counted(len(models), "model")),
        f"time discretization {' or '.join(grids)}"
        if len(grids) < 4
        else counted(len(grids), "time discretization"),
    ]
    if any(row.get("guidance") for row in view.rows):
        number_of = len(_distinct(view, "guidance"))
        said = conditions_of(view.rows, ("guidance",))
        parts += said if number_of < 4 else [counted(number_of, "guidance")]
    if nfe:
        low, high = f"{nfe[0]:g}", f"{nfe[-1]:g}"
        parts.append(f"NFE {low}" if low == high else f"NFE {low} to {high}")
    references = references_of(view.rows)
    measured = ", ".join(
        [
            _listed(list(map(printable, metrics_of(view.rows)))) or "no metric",
            *conditions_of(view.rows, ("num_samples", "protocol")),
            *([f"reference {' or '.join(references)}"] if references else []),
        ]
    )
    return f"{', '.join(parts)}: {counted(_points(view), 'point')} measured by {measured}."


def _points(view: View) -> int:
    """How many there are on the curves: two budgets may end in the same evaluations, and one point
    may be compared with several references."""
    return len({(samples.label, samples.rows[0].get("nfe")) for samples in samples_of(view)})


def _listed(names: list[str]) -> str:
    """E.g. "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _caveats(view: View) -> list[tuple[str, str]]:
    """(curve and NFE, caveat) for each row whose cells or scores have one."""
    found, scores = [], _scores_by_cell(view)
    for samples in samples_of(view):
        label = f"{samples.label}, NFE {samples.rows[0].get('nfe')}"
        for key in filter(view.cells.__contains__, hashes_of(samples.rows[0])):
            texts = caveats(view.cells[key], scores.get(key, {}).values())
            found += [(label, printable(text)) for text in texts]
    return list(dict.fromkeys(found))


def _grouped(found: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """(caveat, whose it is): one that holds of many points is said once."""
    groups: dict[str, list[str]] = {}
    for label, text in found:
        groups.setdefault(text, []).append(label)
    return list(groups.items())


def _scores_by_cell(view: View) -> dict[str, dict[str, Score]]:
    """The scores of each cell, by metric and reference in words."""
    found: dict[str, dict[str, Score]] = {}
    for (cell, metric, reference), score in view.scores.items():
        words = " against ".join(filter(None, map(printable, (metric, reference))))
        found.setdefault(cell, {})[words] = score
    return found


def _notes(view: View) -> list[dict[str, object]]:
    """Of each metric on other features than those that papers mean by a like name, which."""
    notes: list[dict[str, object]] = []
    for name in metrics_of(view.rows):
        if prefix := next((one for one in _FIELD if name.startswith(one)), ""):
            rows = [row for row in view.rows if row.get(name) is not None]
            scores = (score for row in rows for score in view.scores_of(row, name))
            found = (score["conditions"].get("extractor") for score in scores)
            extractor = next(filter(None, found), ExtractorCondition())
            notes.append(
                {
                    "metric": printable(name),
                    "field": _FIELD[prefix],
                    "extractor": printable(extractor.get("name") or name.removeprefix(prefix)),
                    "dim": extractor.get("feature_dim"),
                    "references": references_of(rows),
                }
            )
    return notes


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        # Twenty numbers of full length per metric, which no reader wants: they are in the file.
        for key, item in ((k, v) for k, v in value.items() if k != "deleted"):
            yield from _flat(item, f"{path}.{printable(key)}" if path else printable(key))
    elif isinstance(value, list | tuple):
        yield path, ", ".join(map(printable, value)) or "none"
    else:
        yield path, "none" if value is None or value == {} else printable(value)


def _provenance(view: View) -> list[CellFacts]:
    """Each cell of the rows once."""
    made: dict[str, CellFacts] = {}
    scores = _scores_by_cell(view)
    for samples in samples_of(view):
        label = f"{samples.label}, NFE {samples.rows[0].get('nfe')}"
        for key in hashes_of(samples.rows[0]):
            if key in made:
                made[key].labels.append(label)
                continue
            found = view.cells.get(key)
            record: Mapping[str, object] = found or {}
            plain = {k: v for k, v in record.items() if not isinstance(v, Mapping)}
            nested = {k: v for k, v in record.items() if isinstance(v, Mapping)}
            sections = {name: list(_flat(part)) for name, part in nested.items()}
            sections |= {"record": list(_flat(plain))} if plain else {}
            sections |= {words: list(_flat(score)) for words, score in scores.get(key, {}).items()}
            seed = found["conditions"].get("seed", "?") if found else "?"
            made[key] = CellFacts(cell_id(key), key, [label], seed, sections)
    return list(made.values())


def render_html(
    view: View,
    uncertain: bool = False,
    drawn: Mapping[str, bytes] | None = None,
    folder: Path | None = None,
) -> str:
    """The whole page; the same text for the same view.

    Args:
        view: what was measured.
        uncertain: whether published values of certainty C are laid over the curves too.
        drawn: SVG files by the names of their figures, for browsers without JavaScript.
        folder: that the page lies in; whole contact sheets in it are linked.
    """
    csv, view = to_csv(view.rows), labelled(view)
    table, sheets, outcomes = table_of(view), sheets_of(view, folder), standings(view)
    known = links(str(model) for (model,) in _distinct(view, "model"))
    return render_page(
        title=printable(view.title),
        lead=summary_of(view),
        chart=chart_of(view, csv, overlay(view, known, uncertain)),
        table=table,
        template="report.html.j2",
        drawn=drawn or {},
        pictures=[sheet.data() for sheet in sheets.all],
        missing=view.missing,
        notes=_notes(view),
        best=(*groups_of(outcomes, metrics_of(view.rows)), remarks(outcomes)),
        caveats=_grouped(_caveats(view)),
        points=_points(view),
        labels=stands_for(view),
        sheets=sheets,
        budgets=sorted({sheet.budget for sheet in sheets.all}, key=float),
        cells=_provenance(view),
    )
