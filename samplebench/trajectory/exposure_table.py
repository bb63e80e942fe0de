"""A measured accumulation of errors in words: what curves are called, and the rows of its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from samplebench.report.best import better_words
from samplebench.report.chart import DataTable, TableCell, TableRow
from samplebench.report.looks import apart
from samplebench.results.fields import (
    count_text,
    grid_label,
    printable,
    reference_name,
    rho_label,
    sampler_label,
    value_texts,
)
from samplebench.trajectory.accumulation import (
    DATA,
    IMAGES,
    NOISE,
    Accumulation,
    AccumulationCurve,
    Chain,
    Gap,
)

# A value with its standard error, as far as they are known.
Reading = tuple[float, float | None] | None

_PARTS: dict[str, Callable[[AccumulationCurve], str]] = {
    "model": lambda curve: printable(curve.model),
    "sampler": lambda curve: printable(sampler_label(curve.conditions())),
    "grid": lambda curve: printable(grid_label(curve.conditions(), "ρ")),
    "asked": lambda curve: str(curve.nfe_requested or "-"),
    "metric": lambda curve: printable(curve.metric),
    "reference": lambda curve: printable(reference_name(curve.reference)),
}
_BEGINS = {IMAGES: "images alone", DATA: "images + noise", NOISE: "noise alone"}
_KIND = {
    **dict.fromkeys((*_PARTS, "begins with"), "text"),
    **dict.fromkeys(("s", "steps", "NFE"), "number"),
}


def table_of(found: Accumulation) -> DataTable:
    """One row per chain; what holds for all of them is said above it."""
    texts = {id(chain): row for chain, row in zip(_chains(found), text_rows(found), strict=True)}
    heads = [(head, _KIND.get(head, "value")) for head in next(iter(texts.values()))]
    rows = []
    for curve in found.curves:
        for chain in curve.chains:
            orders = _orders(chain)
            cells = [
                TableCell(text, orders.get(head) if _KIND.get(head) != "text" else None)
                for head, text in texts[id(chain)].items()
            ]
            rows.append(TableRow(cells, facets_of(curve)))
    return DataTable(heads, rows, facts_of(found))


def facts_of(found: Accumulation) -> list[tuple[str, str]]:
    """(name, text) of what holds for every row."""
    curve = found.curves[0]
    scores = {
        f"{c.metric}{better_words(c.better)} against {reference_name(c.reference)}": None
        for c in found.curves
    }
    grids = dict.fromkeys(grid_label(c.conditions(), "ρ") for c in found.curves)
    return [
        ("models", printable(models_of(found))),
        ("images", printable(f"{found.images}, {found.count:,} started from")),
        ("samples", f"N = {curve.num_samples:,}, seeds from {curve.seed}"),
        ("protocol", ", ".join(dict.fromkeys(c.protocol for c in found.curves))),
        ("score", printable(", ".join(scores))),
        *([("grid", printable(next(iter(grids))))] if len(grids) == 1 else []),
    ]


def text_rows(found: Accumulation) -> list[dict[str, str]]:
    """The rows of the table as text for the terminal."""
    several = {key: len({part(c) for c in found.curves}) > 1 for key, part in _PARTS.items()}
    columns = {
        "score": value_texts([_pair(score_of(c)) for c in _chains(found)]),
        "above the images": value_texts([_pair(gap_of(c.excess)) for c in _chains(found)]),
        "to the first model": value_texts([_pair(gap_of(c.difference)) for c in _chains(found)]),
    }
    if not any(chain.difference for chain in _chains(found)):
        del columns["to the first model"]
    rows, place = [], 0
    for curve in found.curves:
        for chain in curve.chains:
            own = {key: part(curve) for key, part in _PARTS.items() if several[key]}
            row = {**own, "begins with": _BEGINS[chain.start], "s": f"{chain.sigma:.4g}"}
            row |= {"steps": f"{chain.steps}", "NFE": count_text(chain.nfe)}
            rows.append(row | {head: texts[place] for head, texts in columns.items()})
            place += 1
    return rows


def name_of(curve: AccumulationCurve, found: Accumulation) -> str:
    """The sampler, and of what tells curves of a figure apart the curve's own."""
    parts = []
    for key, part in _PARTS.items():
        told = len({part(other) for other in found.curves}) > 1
        if key == "sampler" or (told and key != "metric"):
            parts.append(f"NFE {part(curve)}" if key == "asked" else part(curve))
    return ", ".join(parts)


def facets_of(curve: AccumulationCurve) -> dict[str, str]:
    own = curve.conditions()
    return {
        "metric": printable(curve.metric),
        "model": printable(curve.model),
        "sampler": printable(sampler_label(own)),
        "grid": printable(curve.discretization),
        "rho": rho_label(own).removeprefix("rho=") or "none",
        "nfe": str(curve.nfe_requested or "none"),
        "reference": printable(reference_name(curve.reference)) or "none",
    }


def looks_of(found: Accumulation) -> dict[int, tuple[int, int]]:
    """By id of the curve (colour, variant): a colour per sampler, a variant for all else."""
    names = list(dict.fromkeys(map(_PARTS["sampler"], found.curves)))
    others = list(dict.fromkeys(map(_other, found.curves)))
    wanted = {
        id(c): (names.index(_PARTS["sampler"](c)), others.index(_other(c))) for c in found.curves
    }
    distinct = list(dict.fromkeys(wanted.values()))
    made = dict(zip(distinct, apart(distinct), strict=True))
    return {place: made[pair] for place, pair in wanted.items()}


def _other(curve: AccumulationCurve) -> tuple[str, ...]:
    return tuple(_PARTS[key](curve) for key in ("model", "grid", "asked"))


def score_of(chain: Chain) -> Reading:
    value = chain.value["value"]
    return None if value is None else (value, chain.value["stderr"])


def gap_of(gap: Gap | None) -> Reading:
    return None if gap is None else (gap.value, gap.stderr)


def _pair(read: Reading) -> tuple[float | None, float | None]:
    return (None, None) if read is None else read


def _orders(chain: Chain) -> dict[str, float | None]:
    """What entries of the table are sorted by."""
    gaps = (gap_of(chain.excess), gap_of(chain.difference))
    score, excess, difference = (_pair(each)[0] for each in (score_of(chain), *gaps))
    return {
        "s": chain.sigma, "steps": float(chain.steps), "NFE": float(chain.nfe), "score": score,
        "above the images": excess, "to the first model": difference,
    }  # fmt: skip


def _chains(found: Accumulation) -> Iterator[Chain]:
    return (chain for curve in found.curves for chain in curve.chains)


def models_of(found: Accumulation) -> str:
    return ", ".join(dict.fromkeys(curve.model for curve in found.curves))
