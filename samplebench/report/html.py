"""The report page: one file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from samplebench.bench.view import View, caveats
from samplebench.report.curves import conditions_of, curves_of, plots_of, references_of
from samplebench.report.fields import alias_of, grid_label, hashes_of, metrics_of, number, printable
from samplebench.report.layout import best_at_nfe, condense
from samplebench.report.sheets import samplers_of

_TEMPLATES = Path(__file__).with_name("templates")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _distinct(view: View, *keys: str) -> list[tuple[Any, ...]]:
    return list(dict.fromkeys(tuple(row.get(key) for key in keys) for row in view.rows))


def summary_of(view: View) -> str:
    """One sentence on what was run."""
    if not view.rows:
        return "No result yet."
    models = [printable(model) for (model,) in _distinct(view, "model")]
    grids = list(dict.fromkeys(grid_label(row, "ρ") for row in view.rows))
    nfe = sorted(value for row in view.rows if (value := number(row.get("nfe"))) is not None)
    parts = [
        f"{_count(len(_distinct(view, 'sampler', 'params')), 'sampler setting')} on "
        + (models[0] if len(models) == 1 else _count(len(models), "model")),
        f"time discretization {' or '.join(grids)}"
        if len(grids) < 4
        else _count(len(grids), "time discretization"),
    ]
    if nfe:
        low, high = f"{nfe[0]:g}", f"{nfe[-1]:g}"
        parts.append(f"NFE {low}" if low == high else f"NFE {low} to {high}")
    references = references_of(view.rows, view)
    measured = ", ".join(
        [
            " and ".join(map(printable, metrics_of(view.rows))) or "no metric",
            *conditions_of(view.rows, ("num_samples", "protocol")),
            *([f"reference {' or '.join(references)}"] if references else []),
        ]
    )
    return f"{', '.join(parts)}: {_count(len(view.rows), 'point')} measured by {measured}."


def _table(view: View) -> dict[str, Any]:
    """Heads as (text, class); rows of (text, class, is lowest, rows it holds for).

    A text that holds for several rows is in the first of them only; `fixed` columns never are so.
    """
    if not view.rows:
        return {"facts": [], "heads": [], "rows": []}
    facts, columns = condense(view.rows, "ρ")
    best = {c.key: best_at_nfe(view.rows, c.key) for c in columns if c.metric}
    kinds = ["value" if c.metric else "number" if c.numeric else "text" for c in columns]
    texts = [column.cells for column in columns]
    for place, column in enumerate(columns):
        if column.key == "sampler":
            texts[place] = [text + _alias(view, i) for i, text in enumerate(column.cells)]
    rows: list[list[tuple[str, str, bool, int]]] = [[] for _ in view.rows]
    lead = [column.key for column in columns].index("nfe")
    for place, (column, kind) in enumerate(zip(columns, kinds, strict=True)):
        for index, span in _spans(texts[: place + 1] if place < lead else [], len(rows)):
            lowest = index in best.get(column.key, ())
            rows[index].append((texts[place][index], kind, lowest, span))
    heads = list(zip((column.head for column in columns), kinds, strict=True))
    fixed = len(columns) - lead
    marked = any(best.values())
    return {"facts": facts, "heads": heads, "rows": rows, "fixed": fixed, "marked": marked}


def _spans(texts: list[list[str]], count: int) -> list[tuple[int, int]]:
    """(First row, number of rows) of each run of rows that agree in all of these columns."""
    starts = [
        i for i in range(count) if not texts or i == 0 or any(t[i] != t[i - 1] for t in texts)
    ]
    return list(zip(starts, (b - a for a, b in pairwise([*starts, count])), strict=True))


def _alias(view: View, index: int) -> str:
    name = alias_of(view.rows[index], view.cells)
    return f" (computed as {printable(name)})" if name else ""


def _caveats(view: View) -> list[tuple[str, str]]:
    """(curve and NFE, caveat) for each row whose cells have one."""
    found = []
    for curve, row in ((c, row) for c in curves_of(view.rows, view) for row in c.rows):
        for key in hashes_of(row):
            for text in caveats(view.cells.get(key, {})):
                found.append((f"{curve.label}, NFE {row.get('nfe')}", text))
    return list(dict.fromkeys(found))


def _notes(view: View) -> list[dict[str, Any]]:
    """What a Fréchet distance on other features than Inception's is, for each that occurs."""
    notes = []
    for name in metrics_of(view.rows):
        if name.startswith("fd-"):
            rows = [row for row in view.rows if row.get(name) is not None]
            conditions = [
                view.cells.get(key, {}).get("conditions", {})
                for row in rows
                for key in hashes_of(row)
            ]
            extractor: dict[str, Any] = next(
                (c["extractor"] for c in conditions if c.get("extractor")), {}
            )
            notes.append(
                {
                    "metric": printable(name),
                    "extractor": extractor.get("name") or name.removeprefix("fd-"),
                    "dim": extractor.get("feature_dim"),
                    "references": references_of(rows, view),
                }
            )
    return notes


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        yield path, ", ".join(map(str, value)) or "none"
    else:
        yield path, "none" if value is None or value == {} else str(value)


def _provenance(view: View) -> list[dict[str, Any]]:
    """Each cell of the rows once, with its record as sections of (name, text)."""
    made: dict[str, dict[str, Any]] = {}
    models = _distinct(view, "model")
    for (model,) in models:
        of_model = [row for row in view.rows if row.get("model") == model]
        for curve, row in ((c, row) for c in curves_of(of_model, view) for row in c.rows):
            label = f"{curve.label}, NFE {row.get('nfe')}"
            label = f"{printable(model)}: {label}" if len(models) > 1 else label
            for key in hashes_of(row):
                if key in made:
                    made[key]["labels"].append(label)
                    continue
                record = view.cells.get(key, {})
                plain = {k: v for k, v in record.items() if not isinstance(v, Mapping)}
                nested = {k: v for k, v in record.items() if isinstance(v, Mapping)}
                sections = {name: list(_flat(part)) for name, part in nested.items()}
                sections |= {"record": list(_flat(plain))} if plain else {}
                seed = record.get("conditions", {}).get("seed", "?")
                made[key] = {"hash": key, "labels": [label], "seed": seed, "sections": sections}
    return list(made.values())


def render_html(view: View) -> str:
    """The whole page; the same text for the same view."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from samplebench.report.svg import inline_svg, palette_css

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = [
        {"svg": Markup(inline_svg(plot, f"f{index}-")), "caption": plot.caption}
        for index, plot in enumerate(plots_of(view))
    ]
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    page = environment.get_template("report.html.j2").render(
        title=printable(view.title),
        summary=summary_of(view),
        pending=view.pending,
        style=Markup(style + palette_css()),
        figures=figures,
        notes=_notes(view),
        table=_table(view),
        caveats=_caveats(view),
        samplers=samplers_of(view),
        cells=_provenance(view),
    )
    return page.rstrip() + "\n"
