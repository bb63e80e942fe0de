"""Figures for papers: of a column's width, nothing cut off, letters embedded, stable bytes."""

from __future__ import annotations

import itertools
import re
import zlib

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from samplebench.report.curves import plots_of
from samplebench.report.paper.figure import draw_for_paper, write_paper_figures

TWELVE = ["ddim", "deis", "dpm-2", "dpm-solver-3", "dpmpp-2m", "dpmpp-2m-sde", "dpmpp-3m-order3",
          "edm", "euler", "heun", "ipndm", "unipc"]  # fmt: skip


def plot_of(make_view, samplers=("heun",), rhos=(7.0,), scale=1.0, error=0.05):
    """Four points per curve."""
    view = make_view()
    first = view.rows[:4]
    view.rows[:] = [
        row
        | {
            "sampler": sampler,
            "rho": rho,
            "cell": "",
            "fd-toy": value,
            "fd-toy_stderr": error * value,
        }
        for (i, sampler), rho in itertools.product(enumerate(samplers), rhos)
        for row in first
        for value in [scale * row["fd-toy"] * (1 + i / 3) * (1 + rho / 20)]
    ]
    (plot,) = plots_of(view)
    return plot


CASES = {
    "twelve curves": {"samplers": TWELVE},
    "one curve": {},
    "a sweep over rho": {"rhos": (1.0, 3.0, 5.0, 7.0, 9.0)},
    "samplers and rho": {"samplers": TWELVE[:4], "rhos": (3.0, 7.0, 11.0)},
    "long bars": {"samplers": TWELVE[:3], "error": 1.5},
    "small values": {"samplers": TWELVE[:3], "scale": 1e-6},
    "large values": {"samplers": TWELVE[:3], "scale": 1e9},
    "long names": {"samplers": ["x" * 90, "a name of many words " * 4, "$_{", "_b"]},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_as_wide_as_a_column_and_nothing_is_cut_off_or_covered(make_view, case):
    figure = draw_for_paper(plot_of(make_view, **case))
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert figure.get_figwidth() == 3.25 and figure.get_figheight() < 5
    (axes,), (legend,) = figure.axes, figure.legends
    boxes = [axes.get_tightbbox(renderer), legend.get_window_extent(renderer)]
    for box in boxes:
        # Half a pixel is rounding.
        assert figure.bbox.x0 - 0.5 <= box.x0 and box.x1 <= figure.bbox.x1 + 0.5
        assert figure.bbox.y0 - 0.5 <= box.y0 and box.y1 <= figure.bbox.y1 + 0.5
    assert not boxes[0].overlaps(boxes[1])
    # Neither title nor caption.
    assert figure.texts == [] and axes.get_title() == ""
    sizes = {text.get_fontsize() for text in [*legend.get_texts(), axes.xaxis.label,
             axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]}  # fmt: skip
    assert sizes == {8}


def test_the_legend_is_compact_and_leaves_out_what_all_curves_share(make_view):
    def legend(**case):
        (found,) = draw_for_paper(plot_of(make_view, **case)).legends
        return [text.get_text() for text in found.get_texts()], found._ncols

    assert legend(samplers=["euler", "heun", "edm"]) == (["euler", "heun", "edm"], 3)
    assert legend(rhos=(3.0, 7.0)) == (["heun, ρ=3", "heun, ρ=7"], 2)
    texts, columns = legend(samplers=TWELVE)
    assert texts == TWELVE and columns == 3
    assert legend(samplers=["word " * 30, "b"])[1] == 1


def test_axes_say_what_and_which_way_is_better(make_view):
    axes = draw_for_paper(plot_of(make_view)).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("NFE", "fd-toy ↓")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5", "9", "18", "36"]


def test_files_have_the_same_bytes_again_without_dates_and_with_their_letters(
    make_view, tmp_path, monkeypatch
):
    import matplotlib

    plot = plot_of(make_view, samplers=["é $σ$", "heun"])
    first = {p.name: p.read_bytes() for p in write_paper_figures([plot], tmp_path / "one")}
    assert list(first) == ["toy-model.fd-toy.pdf", "toy-model.fd-toy.svg"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    with matplotlib.rc_context({"svg.hashsalt": "x", "font.size": 30, "pdf.fonttype": 3}):
        again = {p.name: p.read_bytes() for p in write_paper_figures([plot], tmp_path / "two")}
    assert first == again
    pdf, svg = first.values()
    assert pdf.startswith(b"%PDF") and b"/CreationDate" not in pdf and b"Matplotlib" not in pdf
    # TrueType fonts are in it, and none of the bitmaps that publishers refuse.
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    width = float(re.search(rb"/MediaBox \[\s*0 0 ([\d.]+)", pdf)[1])
    assert width == pytest.approx(3.25 * 72)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    texts = b"".join(zlib.decompress(s) for s in streams if s[:1] == b"\x78")
    assert b"BT" in texts
    # Letters of an SVG are drawn: no font is needed where it is opened.
    assert b"<text" not in svg and b"<dc:date>" not in svg and svg.count(b"<path") > 20
