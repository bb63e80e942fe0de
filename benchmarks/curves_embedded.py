"""The curves of docs/digits.md: its tables, and the picture docs/digits-curves.svg.

    python benchmarks/curves_embedded.py

Everything is read from benchmarks/baselines/*.csv. A value is the mean over the three ranges of
seeds; its error is the standard error of that mean.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from field import plain, ticks
from samplebench.files.atomic import write_atomic
from samplebench.regression import load_rows
from samplebench.report.looks import PALETTE
from samplebench.report.plots import render, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
BASELINES = ROOT / "benchmarks" / "baselines"
WIDTH, HEIGHT = 8.8, 6.4  # inches
VALUES = (0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10)
Row = Mapping[str, Any]


def _usual_rho(row: Row) -> bool:
    return row["rho"] in (None, 7)


@dataclass(frozen=True)
class Curve:
    """Rows of a model's baseline.

    Attributes:
        label: as the legend and the table call it.
        model, sampler: whose.
        params: exactly these, as results.csv writes them; None: any.
        where: further conditions on a row.
    """

    label: str
    model: str
    sampler: str
    params: str | None = ""
    where: Callable[[Row], bool] = _usual_rho


@dataclass(frozen=True)
class Panel:
    """One question.

    Attributes:
        title: the question.
        curves: what is compared.
        axis: the axis's words.
        x: what a row's place on the axis is.
        log: whether the axis is logarithmic.
    """

    title: str
    curves: Sequence[Curve]
    axis: str = "NFE"
    x: Callable[[Row], float] = lambda row: row["nfe"]
    log: bool = True


def _rho(nfe: int) -> Curve:
    return Curve(f"NFE {nfe}", "digits-edm", "heun", where=lambda row: row["nfe"] == nfe)


def _churn(row: Row) -> float:
    """S_churn of a row."""
    given = dict(part.split("=") for part in row["params"].split())
    return float(given.get("S_churn", 0))


def _at_35(row: Row) -> bool:
    return row["nfe"] == 35 and _usual_rho(row)


_WINDOW = "S_max=5 S_min=0.02"
PANELS = (
    Panel(
        "Euler, Heun, stochastic: digits-edm",
        [Curve(name, "digits-edm", name) for name in ("euler", "heun")]
        + [Curve("edm, S_churn 20", "digits-edm", "edm", f"S_churn=20 {_WINDOW}")],
    ),
    Panel(
        "One sampler, three models: Heun",
        [Curve(name, name, "heun") for name in ("digits-vp", "digits-ve", "digits-edm")],
    ),
    Panel("rho: digits-edm, Heun", [_rho(9), _rho(19)], "rho", lambda row: row["rho"], log=False),
    Panel(
        "S_churn: digits-edm, NFE 35",
        [
            Curve("edm", "digits-edm", "edm", None, _at_35),
            Curve("Heun", "digits-edm", "heun", "", _at_35),
        ],
        "S_churn",
        _churn,
        log=False,
    ),
    Panel(
        "Variances: digits-adm",
        [
            Curve("learned", "digits-adm", "respaced"),
            Curve("fixed, small", "digits-adm", "respaced", "variance=fixed_small"),
            Curve("fixed, large", "digits-adm", "respaced", "variance=fixed_large"),
            Curve("DDIM", "digits-adm", "ddim"),
        ],
    ),
    Panel(
        "Input perturbation",
        [
            Curve("without, respaced", "digits-adm-base", "respaced"),
            Curve("with, respaced", "digits-adm-ip", "respaced"),
            Curve("without, DDIM", "digits-adm-base", "ddim"),
            Curve("with, DDIM", "digits-adm-ip", "ddim"),
        ],
    ),
)


@cache
def _rows(model: str) -> Sequence[Row]:
    return load_rows(BASELINES / f"{model}.csv").rows


def points(panel: Panel, curve: Curve) -> list[tuple[float, float, float]]:
    """(x, mean, standard error) over the ranges of seeds, by x."""
    found: dict[float, list[float]] = {}
    for row in _rows(curve.model):
        same = curve.params is None or row["params"] == curve.params
        if row["sampler"] == curve.sampler and same and curve.where(row):
            found.setdefault(panel.x(row), []).append(row["fd-digits"])
    return [
        (x, statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)))
        for x, values in sorted(found.items())
    ]


def table(panel: Panel) -> str:
    """The panel as Markdown."""
    columns = {curve.label: {p[0]: p[1:] for p in points(panel, curve)} for curve in panel.curves}
    places = sorted({x for column in columns.values() for x in column})
    lines = [
        f"| {panel.axis} | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for x in places:
        cells = [
            f"{column[x][0]:.3f} ± {column[x][1]:.3f}" if x in column else ""
            for column in columns.values()
        ]
        lines.append(f"| {x:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(axes: Axes, panel: Panel) -> None:
    places: set[float] = set()
    for (colour, _), curve in zip(PALETTE, panel.curves, strict=False):
        x, mean, error = zip(*points(panel, curve), strict=True)
        places.update(x)
        axes.errorbar(
            x, mean, error, label=curve.label, color=colour, linewidth=1.2, marker="o", markersize=3
        )
    axes.set_yscale("log")
    if panel.log:
        axes.set_xscale("log")
    shown = [x for x in places if not any(0.8 * x < other < x for other in places)]
    ticks(axes, sorted(shown), VALUES)
    axes.set_xlabel(panel.axis, fontsize=8)
    axes.set_title(panel.title, loc="left", fontsize=9, weight="bold")
    axes.tick_params(labelsize=7.5)
    plain(axes)
    axes.legend(frameon=False, fontsize=7.5)


def picture() -> Figure:
    """All panels."""
    with settings():
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white", layout="constrained")
        grid = figure.subplots(2, len(PANELS) // 2)
        for axes, panel in zip(grid.flat, PANELS, strict=True):
            draw(axes, panel)
        for axes in grid[:, 0]:
            axes.set_ylabel("fd-digits", fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/digits-curves.svg")
    out = parser.parse_args().out
    for panel in PANELS:
        print(f"**{panel.title}**\n\n{table(panel)}\n")
    print(write_atomic(out, render(picture(), "svg")))


if __name__ == "__main__":
    main()
