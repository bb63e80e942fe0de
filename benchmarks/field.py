"""Draws docs/field.svg, the README's picture of the published values.

    python benchmarks/field.py

Above: FID over NFE of two checkpoints with many published values. Below: every setting that
was published more than once, as the excess over its lowest value.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from samplebench.files.atomic import write_atomic
from samplebench.published import Band, Line, Published, bands, lines, load
from samplebench.report.looks import PALETTE
from samplebench.report.plots import FAINT, INK, RULE, render, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Checkpoint -> (title, labels of the NFE axis).
PANELS = {
    "edm-cifar10-32x32-uncond-vp": ("EDM, CIFAR-10, unconditional", (3, 5, 7, 10, 20, 35, 50)),
    "edm-imagenet-64x64-cond-adm": (
        "EDM, ImageNet 64 × 64, conditional",
        (3, 5, 10, 20, 35, 79, 127, 255, 511, 1023),
    ),
}
LEARNED = (
    "amed-solver", "amed-plugin", "adasde", "adasde-plugin", "epd-solver", "epd-plugin", "s4s",
    "gs", "gas", "ld3", "usf",
)  # fmt: skip
# Colour -> (what it stands for, samplers).
KINDS = (
    ("Heun", ("heun",)),
    ("Euler", ("euler",)),
    ("iPNDM, DEIS, RES", ("ipndm", "ipndm-v", "deis", "res-m")),
    ("DPM-Solver, UniPC", ("dpm-2", "dpmpp", "dpmpp-3m", "dpm-solver-v3", "unipc")),
    ("learned solver or steps", LEARNED),
    ("EDM stochastic, reverse SDE", ("edm", "reverse-sde")),
    ("Restart", ("restart",)),
)
NAMES = {
    "adm-imagenet64": "ADM, ImageNet 64",
    "admip-cifar10-baseline": "ADM, CIFAR-10",
    "admip-ffhq128-baseline": "ADM, FFHQ 128",
    "admip-lsun-tower64-baseline": "ADM, LSUN tower 64",
    "baseline-cifar10-32x32-uncond-ve": "VE, CIFAR-10",
    "baseline-cifar10-32x32-uncond-vp": "VP, CIFAR-10",
    "baseline-imagenet-64x64-cond-adm": "ADM, ImageNet 64 (EDM's statistics)",
    "edm-cifar10-32x32-cond-vp": "EDM, CIFAR-10, conditional",
    "edm-cifar10-32x32-uncond-vp": "EDM, CIFAR-10",
    "edm-imagenet-64x64-cond-adm": "EDM, ImageNet 64",
}
SAMPLERS = {"heun": "Heun", "edm": "stochastic", "respaced": "ancestral"}
WIDTH, HEIGHT = 8.8, 7.5  # inches
VALUES = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300)


def hue(row: Published) -> str:
    """Colour of a sampler's kind; steps that were learned or searched for count as learned."""
    sampler = LEARNED[0] if row.grid.fitted else row.sampler.name
    place = next(i for i, (_, names) in enumerate(KINDS) if sampler in names)
    return PALETTE[place][0]


def own_protocol(line: Line) -> bool:
    """Whether the model's own evaluator and statistics were used."""
    return line.rows[0].family == "edm"


def draw_field(axes: Axes, model: str, found: Sequence[Line], repeated: Sequence[Band]) -> None:
    """FID over NFE of a checkpoint: one line per source and setting, bars where published twice."""
    for line in found:
        row = line.rows[0]
        if row.model != model:
            continue
        colour, own = hue(row), own_protocol(line)
        axes.plot(
            [each.nfe for each in line.rows],
            [each.fid for each in line.rows],
            color=colour,
            linestyle="-" if own else (0, (4, 2)),
            linewidth=1.1,
            marker="o",
            markersize=3.4,
            markerfacecolor=colour if own else "white",
            markeredgewidth=0.8,
        )
    for band in repeated:
        if band.setting.checkpoint == model:
            axes.vlines(
                band.nfe,
                band.low,
                band.high,
                color=hue(band.rows[0]),
                linewidth=9,
                alpha=0.35,
            )
    title, budgets = PANELS[model]
    axes.set(xscale="log", yscale="log", xlim=(2.7, 1.25 * budgets[-1]), ylim=(1.2, 420))
    ticks(axes, budgets, VALUES)
    axes.set_xlabel("NFE")
    axes.set_title(title, loc="left", fontsize=10, weight="bold")
    plain(axes)


def draw_spread(axes: Axes, repeated: Sequence[Band]) -> None:
    """Every setting with several published values: each one's excess over the lowest, in %."""
    order = sorted(repeated, key=lambda band: (band.high / band.low, band.setting.checkpoint))
    for place, band in enumerate(order):
        excess = [100 * ((row.fid or band.low) / band.low - 1) for row in band.rows]
        axes.plot([0, max(excess)], [place, place], color=FAINT, linewidth=6, alpha=0.3)
        axes.plot(excess, [place] * len(excess), "o", color=PALETTE[0][0], markersize=4.5)
        values = " / ".join(f"{value:g}" for value in sorted({row.fid or 0 for row in band.rows}))
        times = len(band.rows)
        shown = values if " / " in values else f"{values}, {times} times"
        axes.annotate(
            shown,
            (max(excess), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_yticks(range(len(order)), [_said(band) for band in order], fontsize=8.5)
    axes.set(xlim=(-0.4, 24.5), ylim=(-0.7, len(order) - 0.3))
    axes.set_xlabel("FID above the lowest published value of the same setting, %")
    axes.set_title(
        "One setting, published more than once",
        loc="left",
        fontsize=10,
        weight="bold",
    )
    plain(axes)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _said(band: Band) -> str:
    at = band.setting
    return f"{NAMES[at.checkpoint]}: {SAMPLERS[at.sampler]}, NFE {band.nfe}"


def ticks(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Marks these values and no others, written as numbers."""
    axes.xaxis.set_major_locator(FixedLocator(x))
    axes.yaxis.set_major_locator(FixedLocator(y))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())


def plain(axes: Axes) -> None:
    """A faint grid behind the curves, no frame above and on the right."""
    axes.grid(True, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def picture() -> Figure:
    """The whole figure."""
    rows = [row for row in load() if row.certainty != "C"]
    found, repeated = lines(rows), bands(rows)
    with settings():
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        first = figure.add_axes((0.075, 0.5, 0.425, 0.435))
        second = figure.add_axes((0.56, 0.5, 0.43, 0.435), sharey=first)
        for axes, model in zip((first, second), PANELS, strict=True):
            draw_field(axes, model, found, repeated)
        first.set_ylabel("FID")
        handles = [
            Line2D([], [], color=PALETTE[i][0], linewidth=3.5, label=kind)
            for i, (kind, _) in enumerate(KINDS)
        ]
        look = {"color": FAINT, "marker": "o", "markersize": 4, "linewidth": 1.2}
        handles += [
            Line2D([], [], **look, label="EDM's statistics"),
            Line2D([], [], **look, linestyle=(0, (4, 2)), markerfacecolor="white",
                   label="other statistics"),
        ]  # fmt: skip
        figure.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.53, 0.44),
            ncols=5,
            frameon=False,
            fontsize=8.5,
            handlelength=2.2,
            columnspacing=1.4,
        )
        draw_spread(figure.add_axes((0.405, 0.066, 0.585, 0.255)), repeated)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/field.svg"))
    print(write_atomic(parser.parse_args().out, render(picture(), "svg")))


if __name__ == "__main__":
    main()
