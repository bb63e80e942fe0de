"""Curves and figures: what is joined, what is told apart, and stable bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from samplebench.report.axes import spaced
from samplebench.report.curves import DASHES, MARKERS, PALETTE, plots_of
from samplebench.report.html import render_html
from samplebench.report.names import figure_stem, safe_name
from samplebench.report.plots import draw, write_figures
from samplebench.report.sweep import chart_of
from samplebench.report.terminal import view_text


def drawn(figure):
    """(NFE values, distances) of every line that joins points."""
    return {
        (tuple(line.get_xdata()), tuple(line.get_ydata()))
        for line in figure.axes[0].lines
        if line.get_linestyle() != "None"
    }


@pytest.mark.parametrize(
    ("condition", "other", "said"),
    [
        ("protocol", "toy-half", "protocol toy-half"),
        ("reference", "toy@12345678", "reference toy@12345678"),
        ("guidance", "cfg 2", "guidance cfg 2"),
        ("num_samples", 1000, "N=1000"),
        ("dtype", "float32", "dtype float32"),
        ("seed", 3, "seed 3"),
        ("repeats", 3, "3 repeats"),
    ],
)
def test_no_line_joins_points_of_different_conditions(make_view, condition, other, said):
    view = make_view()
    for row in view.rows[1::2]:
        row[condition] = other
    (plot,) = plots_of(view)
    expected = set()
    for start in range(0, 24, 4):
        for rows in (view.rows[start : start + 4 : 2], view.rows[start + 1 : start + 4 : 2]):
            expected.add((tuple(r["nfe"] for r in rows), tuple(r["fd-toy"] for r in rows)))
    figure = draw(plot)
    assert drawn(figure) == expected
    assert len(expected) == 12
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text for text in legend if said in text]


def test_models_and_metrics_have_their_own_figures(make_view, tmp_path):
    view = make_view()
    view.rows[1] |= {"fid": 2.5, "fid_stderr": None}
    for row in view.rows[12:]:
        row["model"] = "other"
    assert [(p.model, p.metric) for p in plots_of(view)] == [
        ("toy-model", "fd-toy"),
        ("other", "fd-toy"),
        ("toy-model", "fid"),
    ]
    first, other, fid = plots_of(view)
    assert {r["model"] for curve in first.curves for r in curve.rows} == {"toy-model"}
    assert drawn(draw(fid)) == {((9,), (2.5,))}
    names = {path.name for path in write_figures(view, tmp_path / "figures")}
    stems = ("toy-model.fd-toy", "toy-model.fid", "other.fd-toy")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png")}
    # A sampler keeps its colour in every figure.
    hues = {c.name: c.hue for c in first.curves}
    assert all(hues.get(c.name, c.hue) == c.hue for c in other.curves)


def test_points_are_in_the_order_of_nfe(make_view):
    view = make_view()
    view.rows.reverse()
    (plot,) = plots_of(view)
    assert len(plot.curves) == 6
    for nfe, _ in drawn(draw(plot)):
        assert list(nfe) == sorted(nfe)


def test_forty_lines_look_different_and_the_legend_names_each(make_view):
    view = make_view()
    row = view.rows[0]
    view.rows[:] = [
        row | {"sampler": f"s{i}", "rho": float(rho), "cell": ""}
        for i in range(10)
        for rho in range(1, 5)
    ]
    (plot,) = plots_of(view)
    looks = {(c.hue, *map(str, c.look.values())) for c in plot.curves}
    assert len(looks) == 40
    figure = draw(plot)
    handles = figure.legends[0].legend_handles
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:10] == [f"s{i}" for i in range(7)] + [f"s{i}, hollow markers" for i in (7, 8, 9)]
    assert texts[10:] == ["ρ=1", "ρ=2", "ρ=3", "ρ=4"]
    assert [to_hex(h.get_color()) for h in handles[:7]] == [light for light, _ in PALETTE]
    assert [h.get_marker() for h in handles[10:]] == list(MARKERS[:4])
    assert len(set(map(str, DASHES))) == len(DASHES)


def test_axes_are_logarithmic_and_labelled_at_the_nfe_that_occur(make_view):
    (plot,) = plots_of(make_view())
    figure = draw(plot)
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5", "9", "17", "35", "71"]
    assert set(axes.get_xticks(minor=True)) == {18, 36}
    caption = figure.texts[-1].get_text().replace("\n", " ")
    assert caption == (
        "N=500; protocol toy; reference toy-reference; discretization edm; 1 repeat; seed 0; "
        "dtype float64. Error bars: ± 1 standard error."
    )


def test_legend_caption_and_title_do_not_cover_the_data(make_view):
    (plot,) = plots_of(make_view(protocols=("toy", "toy-half"), model="m" * 300))
    figure = draw(plot)
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0].get_tightbbox(renderer)
    boxes = [figure.legends[0].get_window_extent(renderer)]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    boxes.append(axes)
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_error_bars_are_one_standard_error(make_view):
    view = make_view()
    (plot,) = plots_of(view)
    row = plot.curves[0].rows[0]
    bar = draw(plot).axes[0].collections[0].get_segments()[0]
    assert bar[:, 0].tolist() == [row["nfe"], row["nfe"]]
    expected = [row["fd-toy"] - row["fd-toy_stderr"], row["fd-toy"] + row["fd-toy_stderr"]]
    assert bar[:, 1].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("share", "scale"), [(0.9, "log"), (1.0, "linear"), (2.0, "linear")])
def test_long_error_bars_stay_whole_in_the_axes(make_view, share, scale):
    """A log axis has no place for the end of a bar that reaches zero."""
    view = make_view()
    values = [row["fd-toy"] for row in view.rows]
    for row in view.rows:
        row["fd-toy_stderr"] = share * row["fd-toy"]
    (plot,) = plots_of(view)
    axes = draw(plot).axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == scale
    assert high > (1 + share) * max(values)
    assert low < min((1 - share) * value for value in values)


def test_a_metric_without_error_bars_says_so(make_view):
    """In the figure, on the page, and where ties are told."""
    view = make_view()
    (plot,) = plots_of(view)
    assert plot.caption.endswith("Error bars: ± 1 standard error.")
    view.rows[0]["fd-toy_stderr"] = None
    assert plots_of(view)[0].caption == plot.caption
    for row in view.rows:
        row["fd-toy_stderr"] = None
    assert plots_of(view)[0].caption.endswith("; dtype float64. Without error bars.")
    assert "or without a standard error" in view_text(view)
    page = render_html(view)
    assert "Without error bars." in page and "± 1 standard error" not in page
    assert "or has no standard error" in page


def test_a_long_metric_keeps_its_direction_in_the_figure(make_view):
    view = make_view()
    name = "m" * 200
    for row in view.rows:
        row[name] = row["fd-toy"]
    *_, plot = plots_of(view)
    figure = draw(replace(plot, better="higher"))
    said = [text for text in figure.texts if text.get_text().startswith("mmm")]
    assert [text.get_text().lstrip("m") for text in said] == ["… (higher is better)"]
    assert said[0].get_window_extent(FigureCanvasAgg(figure).get_renderer()).x1 < figure.bbox.x1


def test_values_without_a_place_on_the_axes_are_counted_in_the_caption(make_view):
    view = make_view()
    view.rows[0]["fd-toy"] = float("inf")
    view.rows[1]["fd-toy"] = float("nan")
    view.rows[2]["fd-toy"] = None
    (plot,) = plots_of(view)
    assert plot.caption.endswith("Not drawn: 2 without a finite value.")
    assert [row["nfe"] for row in plot.curves[0].rows] == [36]


@pytest.mark.parametrize("value", [0.0, -0.1])
def test_a_value_that_is_not_positive_is_drawn_and_the_axis_is_then_plain(make_view, value):
    view = make_view()
    view.rows[0]["fd-toy"] = value
    (plot,) = plots_of(view)
    assert "Not drawn" not in plot.caption
    figure = draw(plot)
    assert (figure.axes[0].get_xscale(), figure.axes[0].get_yscale()) == ("log", "linear")
    assert [y for _, ys in drawn(figure) for y in ys if y <= 0] == [value]
    low, high = figure.axes[0].get_ylim()
    assert low < value and high > max(row["fd-toy"] for row in view.rows)


@pytest.mark.parametrize(
    ("better", "scale", "said"),
    [
        ("lower", "log", "fd-toy (lower is better)"),
        ("higher", "linear", "fd-toy (higher is better)"),
        (None, "log", "fd-toy"),
    ],
)
def test_a_figure_says_which_way_is_better(make_view, better, scale, said):
    view = make_view()
    for score in view.scores.values():
        score["value"]["better"] = better
    (plot,) = plots_of(view)
    figure = draw(plot)
    assert figure.axes[0].get_yscale() == scale
    assert said in [text.get_text() for text in figure.texts]
    (shown,) = chart_of(view, "").figures
    assert (shown.title, shown.y.log) == (f"toy-model: {said}", scale == "log")


def test_names_are_not_read_as_math_or_dropped(make_view):
    view = make_view(model=r"$\frac{$")
    for row in view.rows:
        row["sampler"] = "_" + row["sampler"]
    (plot,) = plots_of(view)
    figure = draw(plot)
    assert figure.texts[0].get_text() == r"$\frac{$"
    assert len(figure.legends[0].get_texts()) == 5
    figure.draw_without_rendering()


def test_figures_have_the_same_bytes_again_whatever_the_settings(make_view, tmp_path):
    import matplotlib

    view = make_view()
    first = {p.name: p.read_bytes() for p in write_figures(view, tmp_path / "one")}
    with matplotlib.rc_context({"svg.hashsalt": "other", "font.size": 30, "axes.linewidth": 9}):
        again = {p.name: p.read_bytes() for p in write_figures(view, tmp_path / "two")}
        assert matplotlib.rcParams["font.size"] == 30
    assert first == again
    assert b"<dc:date>" not in first["toy-model.fd-toy.svg"]
    assert first["toy-model.fd-toy.png"].startswith(b"\x89PNG")


def test_file_names_are_safe_and_distinct():
    assert figure_stem("edm-cifar10.v1", "fd-toy") == "edm-cifar10.v1.fd-toy"
    hostile = ["../../etc/passwd", "a/b", "a_b", "a\\b", "..", "", ".hidden", "x" * 300, "ü", "\0"]
    names = [safe_name(name) for name in hostile]
    assert len(set(names)) == len(hostile)
    for name in names:
        assert name.isascii() and len(name) < 100 and not name.startswith(".")
        assert not set(name) & set("/\\\0 ")
    assert figure_stem("a.b", "c") != figure_stem("a", "b.c")


def test_labels_leave_room_for_each_other():
    assert spaced([10, 11, 20, 40], length=200, room=20) == [10, 20, 40]
    assert spaced([10], length=0, room=20) == [10]


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_lacks_warn_of_nothing(make_view, tmp_path):
    view = make_view()
    for row in view.rows:
        row["sampler"] = "日本"
    assert write_figures(view, tmp_path / "figures")
