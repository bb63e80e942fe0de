"""A metric's curves and what is behind them in one picture: samples of the same seeds, by sampler.

Left every curve, right strips of samples of a few of them, at a small and at a large budget.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.files.atomic import write_atomic
from samplebench.images import gutter
from samplebench.report.axes import scale_axes
from samplebench.report.best import better_words
from samplebench.report.curves import Plot, StyledCurve, plots_of
from samplebench.report.labels import labelled
from samplebench.report.levels import LINE, draw_level
from samplebench.report.names import figure_stem
from samplebench.report.plots import FAINT, RULE, draw_curve, fit, render, settings
from samplebench.results.fields import count_text, hashes_of, number, printable, value_text
from samplebench.results.row import STDERR, Row, value
from samplebench.results.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Samples of a strip, which is the first row of a contact sheet, and of the whole sheet.
STRIP, _SHEET = 8, 64
# Curves that have strips.
SHOWN = 4
# Inches, of which a reader sees about 100 pixels each.
_WIDTH, _MARGIN, _HEAD, _FOOT = 9.0, 0.12, 0.74, 0.4
_AXES = (0.56, 3.5)  # left and right end
_COLUMNS, _ACROSS = (3.86, 6.45), 2.43  # left ends of the strips, and their width
_CAPTION, _SPACE = 0.22, 0.14  # above a strip; between two below each other
_LOWEST = 2.9  # the least height of all strips
_SAMPLE = 0.26  # of a curve
_PALE = "#c6cad1"  # of curves without strips
# Pixels of a tile, at least: small images keep their edges wherever they are shown.
_SHARP = 64


@dataclass(frozen=True)
class Showcase:
    """Which curves have strips, and at which budgets.

    Attributes:
        low, high: NFE asked for.
        curves: with their points at both, the best at the low one first.
    """

    low: float
    high: float
    curves: list[tuple[StyledCurve, Row, Row]]


def chosen(plot: Plot, kept: Collection[str]) -> Showcase | None:
    """The curves whose samples are shown; None where there are none.

    The low budget is the smallest at which most curves have samples, the high one the largest. Of a
    sampler's curves the best at the low budget counts, and of more than four samplers the best, the
    worst, and two between them.

    Args:
        kept: cells of which there are samples.
    """
    points = [
        (curve, {_budget(row): row for row in curve.rows if _cell(row) in kept})
        for curve in plot.curves
    ]
    asked = [budget for _, rows in points for budget in rows]
    if not asked:
        return None
    most = max(map(asked.count, asked))
    full = [budget for budget in asked if asked.count(budget) == most]
    low, high = min(full), max(full)
    sign = -1 if plot.better == "higher" else 1
    ranked = sorted(
        ((curve, rows[low], rows[high]) for curve, rows in points if low in rows and high in rows),
        key=lambda each: sign * value(each[1], plot.metric),
    )
    best = dict[str, tuple[StyledCurve, Row, Row]]()
    for each in ranked:
        best.setdefault(each[0].name, each)
    places = np.linspace(0, len(best) - 1, min(SHOWN, len(best))).round().astype(int)
    found = [*best.values()]
    return Showcase(low, high, [found[place] for place in places]) if found else None


def _budget(row: Row) -> float:
    """NFE asked for; where nothing was, NFE counted."""
    asked = number(row.get("nfe_requested"))
    return value(row, "nfe") if asked is None else asked


def _cell(row: Row) -> str:
    return next(iter(hashes_of(row)), "")


def strip_of(row: Row, view: View) -> np.ndarray:
    """The samples of a row's first seeds side by side on white, uint8 [H, W] or [H, W, C]."""
    from PIL import Image

    with Image.open(view.sheets[_cell(row)]) as picture:
        sheet = np.asarray(picture)
    rows = -(-min(int(row["num_samples"]), _SHEET) // STRIP)
    height, width, gap = _tiles(sheet.shape[0], sheet.shape[1], rows)
    times = max(1, round(_SHARP / width))
    sharp = sheet[:height].repeat(times, 0).repeat(times, 1)
    step, wide = times * (width + gap), times * width
    apart = np.full_like(sharp[:, : max(2, wide // 10)], 255)
    parts = [part for i in range(STRIP) for part in (apart, sharp[:, i * step : i * step + wide])]
    return np.concatenate(parts[1:], axis=1)


def _tiles(height: int, width: int, rows: int) -> tuple[int, int, int]:
    """Height and width of the tiles of a contact sheet in so many rows, and the gutter's width; a
    sheet that has none of that width is cut into equal parts."""
    for gap in range(1, width):
        high, over = divmod(height - gap * (rows - 1), rows)
        wide, more = divmod(width - gap * (STRIP - 1), STRIP)
        if over == more == 0 and gutter(high, wide) == gap:
            return high, wide, gap
    return height // rows, width // STRIP, 0


class _Page:
    """A figure that is filled in inches from its upper left corner.

    Args:
        height: of the figure.
    """

    def __init__(self, height: float) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        self.height = height

    def box(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes with these ends."""
        size = ((right - left) / _WIDTH, (bottom - top) / self.height)
        return self.figure.add_axes((left / _WIDTH, 1 - bottom / self.height, *size))

    def say(self, left: float, base: float, words: str, room: float = _WIDTH, **look: Any) -> float:
        """As much of a text as fits into so many inches, on a base line so far from the top.

        Returns:
            Its width.
        """
        text = self.figure.text(left / _WIDTH, 1 - base / self.height, "", **look)
        return fit(text, words, room) / self.figure.dpi

    def strip(
        self, place: tuple[float, float], image: np.ndarray, across: float, name: str, said: str,
        look: dict[str, Any],
    ) -> None:  # fmt: skip
        """Samples, `across` wide, below a name with a piece of its line and what is said of it.

        Args:
            place: of the upper left corner, from the left and from the top.
        """
        from matplotlib.lines import Line2D

        left, below = place[0], place[1] + _CAPTION
        box = self.box(left, below, left + across, below + _height(image, across))
        box.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
        box.set_axis_off()
        base = below - 0.07
        used = self.say(left + across, base, said, across, size=9, ha="right")
        marks = [(left + part * _SAMPLE) / _WIDTH for part in (0, 0.5, 1)]
        level = 1 - (base - 0.045) / self.height
        self.figure.add_artist(Line2D(marks, [level] * 3, markevery=[1], **look))
        room = across - used - _SAMPLE - 0.12
        self.say(
            left + _SAMPLE + 0.06, base, name, room, size=9, weight="bold", color=look["color"]
        )


def _height(image: np.ndarray, across: float) -> float:
    return across * image.shape[0] / image.shape[1]


def draw(plot: Plot, view: View) -> Figure | None:
    """The picture of a plot; None where no samples of its curves are kept."""
    found = chosen(plot, view.sheets)
    if found is None:
        return None
    floor = next((level for level in plot.levels if _cell(level.row) in view.sheets), None)
    budgets = list(dict.fromkeys((found.low, found.high)))
    down = _CAPTION + _height(strip_of(found.curves[0][1], view), _ACROSS) + _SPACE
    low = _HEAD + max(_LOWEST, down * (len(found.curves) + (floor is not None)) - _SPACE)
    with settings():
        page = _Page(low + _FOOT)
        _draw_curves(page, plot, found, low)
        page.say(_MARGIN, 0.28, plot.title, _COLUMNS[0] - 0.3, size=12.5, weight="bold")
        what = f"{printable(plot.metric)}{better_words(plot.better)}"
        page.say(_MARGIN, 0.52, what, _COLUMNS[0] - 0.3, color=FAINT)
        page.say(_COLUMNS[0], 0.28, "Samples of the same 8 seeds", size=12.5, weight="bold")
        page.say(
            _MARGIN, low + _FOOT - 0.1, plot.caption, _WIDTH - 2 * _MARGIN, size=8, color=FAINT
        )
        for left, budget in zip(_COLUMNS, budgets, strict=False):
            page.say(left, 0.52, f"NFE {budget:g}", color=FAINT)
        top = _HEAD
        for curve, *rows in found.curves:
            look = {"color": curve.hue, **curve.look}
            for left, budget, row in zip(_COLUMNS, budgets, rows, strict=False):
                said = _said(row, plot.metric, budget)
                page.strip((left, top), strip_of(row, view), _ACROSS, curve.name, said, look)
            top += down
        if floor is not None:
            said = _said(floor.row, plot.metric, 0)
            image = strip_of(floor.row, view)
            page.strip((_COLUMNS[0], top), image, _ACROSS, floor.name, said, LINE)
            n = count_text(floor.row["num_samples"])
            role = "the floor: " if floor.floor else ""
            lines = (f"{role}{n} draws of the model,", "each without any evaluation")
            for line, text in enumerate(lines):
                base = top + _CAPTION + 0.14 + 0.17 * line
                page.say(_COLUMNS[1], base, text, _ACROSS, size=9, color=FAINT)
    return page.figure


def _said(row: Row, metric: str, budget: float) -> str:
    """A value, with the NFE that was counted where it is not the budget."""
    text = value_text(row.get(metric), row.get(metric + STDERR))
    return text if number(row.get("nfe")) == budget else f"NFE {count_text(row.get('nfe'))}: {text}"


def _draw_curves(page: _Page, plot: Plot, found: Showcase, low: float) -> None:
    """All curves, those with strips in colour, and the levels."""
    axes = page.box(_AXES[0], _HEAD, _AXES[1], low - 0.42)
    shown = [curve for curve, *_ in found.curves]
    for curve in plot.curves:
        if curve in shown:
            draw_curve(axes, curve, plot.metric)
        else:
            points = [[value(row, key) for row in curve.rows] for key in ("nfe", plot.metric)]
            axes.plot(*points, color=_PALE, linewidth=1.2, zorder=1)
    for level in plot.levels:
        draw_level(axes, level)
    scale_axes(axes, plot, 72 * (_AXES[1] - _AXES[0]))
    axes.grid(True, which="major", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("NFE (model evaluations per sample)")


def write_overviews(view: View, folder: Path) -> list[Path]:
    """Write `<model>.<metric>.overview.svg` and `.png` for each with samples of its curves."""
    written = []
    for plot in plots_of(labelled(view)):
        if (figure := draw(plot, view)) is None:
            continue
        for kind in ("svg", "png"):
            path = Path(folder) / f"{figure_stem(plot.model, plot.metric)}.overview.{kind}"
            written.append(write_atomic(path, render(figure, kind), sync=False))
    return written
