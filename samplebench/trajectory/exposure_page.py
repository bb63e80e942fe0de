"""Scores over where chains begin, as CSV and an interactive page, and as rows of a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from samplebench.files.atomic import write_atomic
from samplebench.report.best import better_words
from samplebench.report.chart import Axis, Chart, Facet, Figure, Mark, Series
from samplebench.results.fields import count_text, printable, reference_name, value_text
from samplebench.trajectory.accumulation import Accumulation, AccumulationCurve, Chain
from samplebench.trajectory.exposure_table import (
    Reading,
    facets_of,
    gap_of,
    looks_of,
    models_of,
    name_of,
    score_of,
    table_of,
)

_AXES = (
    Axis("sigma", "noise level s at which real images begin"),
    Axis("level", "noise level s, linear", log=False),
    Axis("steps", "steps that are run", log=False),
)
_BARS = "Bands and bars are ± 1 standard error."
_PAIRED = (
    "Differences are of the same images and seeds, with paired standard errors: the jackknife over "
    "20 blocks of samples."
)
# Of the looks of curves the black one, which is no sampler's here.
_FLOOR_LOOK = (5, 0)

_Read = Callable[[Chain], Reading]


def write_exposure(found: Accumulation, out: Path) -> list[Path]:
    """Writes exposure.csv and exposure.html into `out`, in this order.

    Each file is replaced atomically. The same result gives the same bytes.
    """
    from samplebench.report.page import render_page

    page = render_page(
        title=f"Error accumulation on {printable(models_of(found))}",
        lead=f"Sampling started from {printable(found.images)} with noise of level s, scored at "
        "the end. What a model's errors add on the way from s is what the score rises by from "
        "left to right.",
        chart=chart_of(found),
        table=table_of(found),
    )
    files = {"exposure.csv": found.csv().encode("utf-8"), "exposure.html": page.encode("utf-8")}
    return [write_atomic(Path(out) / name, data) for name, data in files.items()]


def chart_of(found: Accumulation) -> Chart:
    """Of each metric and reference: scores, what they are above the images', and differences."""
    figures, series = list[Figure](), list[Series]()
    looks = looks_of(found)
    for metric, reference in dict.fromkeys((c.metric, c.reference) for c in found.curves):
        own = [c for c in found.curves if (c.metric, c.reference) == (metric, reference)]
        for kind, title, read in _KINDS:
            made = [_line(kind, c, name_of(c, found), looks[id(c)], read) for c in own]
            drawn = [each for each in made if each.points]
            if not drawn:
                continue
            if kind == "score":
                alone = (_alone(kind, c, name_of(c, found), looks[id(c)]) for c in own)
                drawn += [*alone, *_floor(kind, own)]
            figures.append(_figure(kind, title, own[0], found))
            series += drawn
    titles = {
        "metric": "metric", "model": "model", "sampler": "sampler", "grid": "discretization",
        "rho": "rho", "nfe": "NFE budget", "reference": "reference",
    }  # fmt: skip
    facets = [Facet(key, text, single=key == "metric") for key, text in titles.items()]
    return Chart(figures, series, facets, ("exposure.csv", found.csv()))


_KINDS: tuple[tuple[str, str, _Read], ...] = (
    ("score", "Score at the end", score_of),
    ("excess", "Score minus that of the images themselves", lambda c: gap_of(c.excess)),
    ("difference", "Difference to the first model", lambda c: gap_of(c.difference)),
)


def _figure(kind: str, title: str, curve: AccumulationCurve, found: Accumulation) -> Figure:
    where = f"N = {curve.num_samples:,}, {printable(found.images)}, against "
    where += f"{printable(reference_name(curve.reference)) or 'nothing'}. {_BARS}"
    alone = " Hollow: the ordinary run, from pure noise." if kind == "score" else f" {_PAIRED}"
    metric = printable(curve.metric)
    y = Axis("value", f"{metric}{better_words(curve.better)}", log=kind == "score")
    return Figure(
        _key(kind, curve),
        f"{title}, {metric}",
        y if kind == "score" else Axis("value", metric, log=False),
        _AXES,
        where + alone,
        f"exposure-{kind}",
        {"metric": metric},
    )


def _key(kind: str, curve: AccumulationCurve) -> str:
    return printable(f"{kind} {curve.metric} {curve.reference}")


def _line(
    kind: str, curve: AccumulationCurve, name: str, look: tuple[int, int], read: _Read
) -> Series:
    """The chains that begin with real images."""
    marks = (_mark(chain, name, read(chain)) for chain in curve.begun)
    points = [mark for mark in marks if mark is not None]
    return Series(_key(kind, curve), name, facets_of(curve), points, *look)


def _alone(kind: str, curve: AccumulationCurve, name: str, look: tuple[int, int]) -> Series:
    """The ordinary run, where the chain with all steps begins."""
    mark = _mark(curve.plain, f"{name}, from noise alone", score_of(curve.plain), hollow=True)
    points = [] if mark is None else [mark]
    name = f"{name}, from noise alone"
    return Series(_key(kind, curve), name, facets_of(curve), points, *look, line=False)


def _floor(kind: str, curves: Sequence[AccumulationCurve]) -> Iterator[Series]:
    """The images themselves, from the lowest level to the highest."""
    floor, begun = curves[0].floor, [chain for curve in curves for chain in curve.begun]
    if (read := score_of(floor)) is None:
        return
    placed = [chain for chain in begun if math.isfinite(chain.sigma)] or begun
    ends = (min(placed, key=lambda c: c.sigma), max(placed, key=lambda c: c.sigma))
    low, high = min(c.steps for c in begun), max(c.steps for c in begun)
    points = []
    for chain, steps in zip(ends, (low, high), strict=True):
        mark = _mark(chain, "the images themselves", read)
        assert mark is not None
        x = {**mark.x, "steps": float(steps)}
        points.append(Mark(x, mark.y, mark.low, mark.high, mark.hover[:2]))
    facets = {"metric": printable(curves[0].metric)}
    yield Series(_key(kind, curves[0]), "the images themselves", facets, points, *_FLOOR_LOOK)


def _mark(chain: Chain, name: str, read: Reading, hollow: bool = False) -> Mark | None:
    if read is None:
        return None
    value, error = read
    hover = (
        value_text(value, error),
        name,
        f"from s = {chain.sigma:.4g}: {chain.steps} steps, NFE {count_text(chain.nfe)}",
    )
    # Where no image is left the level is infinite, and has a place over steps alone.
    level = chain.sigma if math.isfinite(chain.sigma) else None
    return Mark(
        {"sigma": level, "level": level, "steps": float(chain.steps)},
        value,
        None if error is None else value - error,
        None if error is None else value + error,
        hover,
        hollow=hollow,
    )
