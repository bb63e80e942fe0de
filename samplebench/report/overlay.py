"""Published points beside one's own curves: filled where every condition matches, else hollow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from samplebench.answers.parameters import parsed
from samplebench.published import Published, load
from samplebench.report.atlas import hover_of
from samplebench.report.chart import Mark, Series
from samplebench.report.curves import StyledCurve, plots_of
from samplebench.report.match import (
    Mismatch,
    Run,
    algorithm,
    algorithm_of,
    guided_alike,
    mismatches,
)
from samplebench.report.sweep import METRIC, figure_key
from samplebench.results.fields import called, number, printable, reference_name, sampler_label
from samplebench.results.view import View
from samplebench.sampling.guided import acts

if TYPE_CHECKING:
    from samplebench.checkpoints.catalog import Checkpoint

_METRIC = "fid"
# Added to a curve's variant: the same dash, another marker.
OTHER_MARKER = 5


@dataclass(frozen=True)
class Links:
    """Published ids of a model.

    Attributes:
        published: of the same file.
        same_weights: of the same weights in another file, measured under another protocol.
        dtype: of the release's network; "" if it is not known.
        variance: that its native sampler has by itself, e.g. "learned"; "" if there is none.
    """

    published: tuple[str, ...] = ()
    same_weights: tuple[str, ...] = ()
    dtype: str = ""
    variance: str = ""


def links(models: Iterable[str]) -> dict[str, Links]:
    """What the catalogue says of those models that have published values."""
    from samplebench.checkpoints.catalog import catalog

    known = catalog()
    entries = [known[model] for model in models if model in known]
    return {
        entry.id: Links(entry.published, entry.same_weights, entry.dtype, _variance(entry))
        for entry in entries
        if entry.published or entry.same_weights
    }


def _variance(entry: Checkpoint) -> str:
    from samplebench.registry import adapters

    made = adapters.entry(entry.format).planned(entry.config, entry.shape)
    return str(getattr(made, "variance", ""))


def overlay(view: View, links: Mapping[str, Links], uncertain: bool = False) -> list[Series]:
    """Published points of the run's checkpoints and samplers, none of them joined.

    A point is set beside that curve of its sampler with which it has the most in common.

    Args:
        view: the run.
        links: by model.
        uncertain: values of certainty C too.
    """
    made: dict[tuple[str, int, str], Series] = {}
    for plot in plots_of(view):
        if plot.metric != _METRIC or plot.model not in links:
            continue
        runs = [_run(curve, links[plot.model]) for curve in plot.curves]
        for row in _candidates(links[plot.model], uncertain):
            name, _ = algorithm_of(row)
            fits = [
                (mismatches(row, run), place)
                for place, run in enumerate(runs)
                if run.sampler == name and guided_alike(row, run)
            ]
            if not fits:
                continue
            found, place = min(fits, key=lambda fit: len(fit[0]))
            summary = "; ".join(mismatch.short for mismatch in found)
            key = (plot.model, place, summary)
            if key not in made:
                made[key] = _series(plot.model, plot.curves[place], row, summary)
            made[key] = replace(made[key], points=[*made[key].points, _point(row, found)])
    return list(made.values())


def _candidates(own: Links, uncertain: bool) -> list[Published]:
    """Rows of the checkpoint that have a place on the axes, by increasing NFE."""
    ids = {*own.published, *own.same_weights}
    # Guided values of the same file have ids of their own.
    ids |= {f"{name}+{how}" for name in ids for how in ("guidance", "cfg", "autoguidance")}
    rows = [
        (row.nfe, place, row)
        for place, row in enumerate(load())
        if row.model in ids and row.nfe is not None and (uncertain or row.certainty != "C")
    ]
    return [row for _, _, row in sorted(rows, key=lambda item: item[:2])]


def _run(curve: StyledCurve, link: Links) -> Run:
    row, release = curve.rows[0], link.dtype
    given = parsed(str(row.get("params") or ""))
    name, params, constants = algorithm(str(row.get("sampler")), given)
    if "variance" in params:
        # Left to the model, it is the one it was released with.
        params["variance"] = params["variance"] or link.variance
    dtype = printable(row.get("dtype"))
    # Samplers of one label are no published one.
    alone = len({row.get("sampler") for row in curve.rows}) == 1
    return Run(
        sampler=name if alone else "",
        params=params,
        discretization=printable(row.get("discretization")),
        rho=number(row.get("rho")),
        num_samples=row["num_samples"],
        protocol=printable(row.get("protocol")),
        reference=printable(reference_name(row.get("reference", ""))),
        constants=constants,
        dtype=dtype if release and dtype != release else "",
        guidance=_guidance(printable(row.get("guidance") or "")),
    )


def _guidance(column: str) -> str:
    """A column's words as `Run` has them."""
    from samplebench.checkpoints.catalog import catalog

    name, _, rest = column.partition(" ")
    try:
        moves = acts(name, float(rest.partition(" ")[0]))
    except ValueError:
        return column  # none, or no words of ours
    if not moves:
        return ""
    words, by, guide = column.partition(" by ")
    entry = catalog().get(guide)
    return column if entry is None else f"{words}{by}{PurePath(entry.file_name).stem}"


def _series(model: str, curve: StyledCurve, row: Published, summary: str) -> Series:
    label, guidance = sampler_label(curve.rows[0]), curve.rows[0].get("guidance")
    facets = {
        METRIC: _METRIC,
        "model": called(curve.rows[0], "model"),
        "sampler": label,
        "protocol": row.family,
        "published": "published",
    }
    if row.grid.rho is not None:
        facets["rho"] = f"{row.grid.rho:g}"
    if guidance:
        facets["guidance"] = printable(guidance)
        label = f"{label}, guidance {facets['guidance']}"
    return Series(
        figure=figure_key(model, _METRIC),
        name=f"published {label}" + (f", {summary}" if summary else ""),
        facets=facets,
        points=[],
        colour=curve.colour,
        variant=curve.variant + OTHER_MARKER,
        line=False,
    )


def _point(row: Published, found: Sequence[Mismatch]) -> Mark:
    named = [f"not as here: {mismatch.text}" for mismatch in found]
    return Mark(
        x={"nfe": row.nfe},
        y=row.above if row.fid is None else row.fid,
        hover=(
            f"published for {row.checkpoint}",
            *hover_of(row),
            *(line for text in named for line in textwrap.wrap(text, 64)),
        ),
        hollow=bool(found),
        arrow=row.fid is None,
    )
