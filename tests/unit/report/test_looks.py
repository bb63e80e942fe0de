"""Curves of one chart never look alike, on the page nor in the figure, whatever makes them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from matplotlib.colors import to_hex

from samplebench.report.curves import plots_of
from samplebench.report.looks import (
    COLOURS,
    DASHES,
    MARKERS,
    PALETTE,
    STROKES,
    SYMBOLS,
    VARIANTS,
    apart,
)
from samplebench.report.plots import draw
from samplebench.report.sweep import chart_of
from samplebench.results.view import View

FIELDS = ("sampler", "params", "discretization", "rho", "dtype")
BASE = ("heun", "", "edm", 7.0, "float64")


def mix(**changes):
    """Settings that are all combinations of what is swept."""
    return list(product(*(changes.get(key, [BASE[i]]) for i, key in enumerate(FIELDS))))


def numbered(word, count):
    return [f"{word}{i}" for i in range(count)]


RHOS = [float(i) for i in range(1, 30)]
MIXES = {
    "17 samplers": mix(sampler=numbered("s", 17)),
    "24 samplers": mix(sampler=numbered("s", 24)),
    "24 parameters": mix(params=numbered("S_churn=", 24)),
    "24 rho": mix(rho=RHOS[:24]),
    "24 discretizations": mix(discretization=numbered("d", 24)),
    "6 x 4": mix(sampler=numbered("s", 6), rho=RHOS[:4]),
    "8 x 3": mix(sampler=numbered("s", 8), rho=RHOS[:3]),
    "12 x 2": mix(sampler=numbered("s", 12), dtype=["float64", "float32"]),
    "2 x 12": mix(sampler=numbered("s", 2), rho=RHOS[:12]),
    "2 x 3 x 2 x 2": mix(
        sampler=numbered("s", 2), params=numbered("p", 3), discretization=["edm", "vp"],
        rho=RHOS[:2],
    ),
    "one with 23 rho, one with 1": [*mix(rho=RHOS[:23]), *mix(sampler=["euler"], rho=RHOS[:1])],
    "23 samplers, one of them twice": [
        *mix(sampler=numbered("s", 23)), *mix(sampler=["s0"], rho=[3.0])
    ],
    "a rho for each of 24 samplers": [
        (f"s{i}", "", "edm", rho, "float64") for i, rho in enumerate(RHOS[:24])
    ],
    "15 samplers, the last with 10 rho": [
        *mix(sampler=numbered("s", 14)), *mix(sampler=["s14"], rho=RHOS[:10])
    ],
    "50 curves": mix(sampler=numbered("s", 25), rho=RHOS[:2]),
}  # fmt: skip


def view_of(settings, nfe=(5, 10)):
    rows = [
        {
            "model": "toy", **dict(zip(FIELDS, setting, strict=True)), "steps": n, "nfe": n,
            "nfe_requested": n, "seed": 0, "repeats": 1, "num_samples": 50, "protocol": "toy",
            "fd-toy": 1.0 + place, "fd-toy_stderr": 0.1, "cell": "",
        }
        for place, setting in enumerate(settings)
        for n in nfe
    ]  # fmt: skip
    return View("toy", rows, {}, {})


@pytest.mark.parametrize("name", MIXES)
def test_no_two_curves_look_alike(name):
    view, count = view_of(MIXES[name]), len(MIXES[name])
    (plot,) = plots_of(view)
    assert len(plot.curves) == count
    # Without the dash, which a single point does not show.
    series = chart_of(view, "").series
    hues = len(PALETTE)
    marks = {
        (s.colour % hues, s.colour // hues % 2, SYMBOLS[s.variant % len(SYMBOLS)]) for s in series
    }
    assert len(marks) == len(series) == count
    looks = {(c.hue, c.look["marker"], c.look["fillstyle"]) for c in plot.curves}
    assert len(looks) == count


@pytest.mark.parametrize("name", ["24 samplers", "2 x 12"])
def test_the_figure_draws_its_curves_as_they_are_said_to_look(name):
    (plot,) = plots_of(view_of(MIXES[name]))
    lines = [line for line in draw(plot).axes[0].lines if line.get_linestyle() != "None"]
    drawn = [(to_hex(x.get_color()), x.get_marker(), x.get_fillstyle()) for x in lines]
    assert len(set(drawn)) == 24
    said = [(c.hue, c.look["marker"], c.look["fillstyle"]) for c in plot.curves]
    assert drawn == said


@pytest.mark.parametrize("name", [n for n in MIXES if len({s[:2] for s in MIXES[n]}) > 1])
def test_a_sampler_has_one_hue(name):
    (plot,) = plots_of(view_of(MIXES[name]))
    hues = {(curve.name, curve.hue) for curve in plot.curves}
    assert len(hues) == len({curve.name for curve in plot.curves})


@pytest.mark.parametrize("name", MIXES)
def test_the_page_and_the_figure_agree(name):
    """The same hue, filling, marker and dash at the same place of both tables."""
    view = view_of(MIXES[name])
    (plot,) = plots_of(view)
    for curve, series in zip(plot.curves, chart_of(view, "").series, strict=True):
        assert series.name == curve.label
        assert (series.colour, series.variant) == (curve.colour, curve.variant)
    assert (len(SYMBOLS), len(STROKES)) == (len(MARKERS), len(DASHES))


@pytest.mark.parametrize("model_of_rest", ["dtype", "reference", "protocol"])
def test_figures_of_two_models_agree_where_a_condition_follows_from_the_model(model_of_rest):
    """A sampler and its rho look alike in both; what differs within a model tells apart as ever."""
    view = view_of(MIXES["2 x 12"])
    second = [{**row, "model": "other", model_of_rest: "another"} for row in view.rows]
    one, other = plots_of(replace(view, rows=view.rows + second))
    looks = [[(c.label, c.colour, c.variant) for c in plot.curves] for plot in (one, other)]
    assert looks[0] == looks[1] and len(set(looks[0])) == 24
    third = [{**row, model_of_rest: "a third"} for row in view.rows]
    plots = plots_of(replace(view, rows=view.rows + third + second))
    assert [len({(c.colour, c.variant) for c in plot.curves}) for plot in plots] == [48, 24]


def test_the_figure_of_many_curves_names_each_beside_the_axes():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    settings = [(name, "M" * 60 + " mW" * (i // 4), *BASE[2:]) for i, (name, *_) in
                enumerate(MIXES["24 samplers"])]  # fmt: skip
    (plot,) = plots_of(view_of(settings))
    figure = draw(plot)
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = figure.legends[0].get_texts()
    assert [text.get_text().replace("\n    ", " ").replace(" ", "") for text in texts] == [
        curve.label.replace(" ", "") for curve in plot.curves
    ]
    boxes = [text.get_window_extent(renderer) for text in texts]
    axes = figure.axes[0].get_tightbbox(renderer)
    for above, below in pairwise(boxes):
        assert above.y0 >= below.y1 - 1
    for box in boxes:
        assert box.x1 <= figure.bbox.x1 and box.y0 >= figure.bbox.y0 and not box.overlaps(axes)


def test_more_curves_than_marks_still_differ_by_dash_and_more_than_looks_are_allowed():
    everything = [(colour, variant) for colour in range(COLOURS) for variant in range(VARIANTS)]
    assert apart(everything[:300]) and len(set(apart(everything[:300]))) == 300
    beyond = apart([(7 * i, 0) for i in range(2 * VARIANTS + 1)])
    assert len(set(beyond)) == 2 * VARIANTS
    assert apart([]) == []


# Of linear RGB, severity 1: Machado, Oliveira and Fernandes 2009.
SEEN = {
    "normally": np.eye(3),
    "with protanopia": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "with deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "with tritanopia": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
# CIE XYZ of linear sRGB, D65.
XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip


def linear(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def cielab(rgb):
    ratios = XYZ @ rgb.clip(0, 1) / XYZ.sum(1)
    small = (24389 / 27 * ratios + 16) / 116
    x, y, z = np.where(ratios > 216 / 24389, np.cbrt(ratios), small)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize(("side", "least"), [(0, 30), (1, 27)])
def test_hues_are_apart_for_every_eye(side, least, eyes):
    labs = [cielab(SEEN[eyes] @ linear(pair[side])) for pair in PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in combinations(labs, 2)) >= least


@pytest.mark.parametrize(("side", "page"), [(0, "#ffffff"), (1, "#15171a")])
def test_hues_stand_out_from_the_page(side, page):
    """3:1 at least, as WCAG 2.2 wants of graphics (1.4.11)."""
    lights = [XYZ[1] @ linear(colour) + 0.05 for colour in (page, *(p[side] for p in PALETTE))]
    assert min(max(a / lights[0], lights[0] / a) for a in lights[1:]) >= 3
