"""`sb.plot`: frames as pandas has them, one run's or several's, and what cannot be drawn."""

from __future__ import annotations

import math
import subprocess
import sys

import pandas as pd
import pytest

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.report.curves import plots_of
from samplebench.report.plots import draw
from samplebench.results.tables import to_frame, write_csv


@pytest.fixture
def frame(make_view):
    return to_frame(make_view().rows)


def lines(axes):
    """(NFE, values, colour, marker, dash) of every curve."""
    return {
        (tuple(line.get_xdata()), tuple(line.get_ydata()), line.get_color(), line.get_marker(),
         str(line.get_linestyle()))
        for line in axes.lines if line.get_linestyle() != "None"
    }  # fmt: skip


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_it_looks_as_in_the_report(make_view, frame):
    (plot,) = plots_of(make_view())
    expected = draw(plot)
    figure = sb.plot(frame)
    axes = figure.axes[0]
    assert len(lines(axes)) == 6
    assert {line[0] for line in lines(axes)} == {line[0] for line in lines(expected.axes[0])}
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", expected.axes[0].get_xlabel())
    bars = [c.get_segments() for c in axes.collections]
    shown = [c.get_segments() for c in expected.axes[0].collections]
    assert all(
        (a == b).all() for x, y in zip(bars, shown, strict=True) for a, b in zip(x, y, strict=True)
    )
    # What a frame does not say: that edm ran as heun.
    assert legend(figure) == ["euler", "heun", "edm S_churn=0", "ρ=7", "ρ=3"]


def test_a_table_that_pandas_reads_is_drawn_alike(make_view, frame, tmp_path):
    read = pd.read_csv(write_csv(make_view().rows, tmp_path / "results.csv"))
    # What is empty is NaN there, and a budget that is missing somewhere makes floats of all.
    assert read["guidance"].isna().all() and read["params"].isna().any()
    read["nfe_requested"] = read["nfe_requested"].astype(float)
    read.loc[0, "nfe_requested"] = math.nan
    ours, theirs = (lines(sb.plot(each).axes[0]) for each in (frame, read))
    assert [x[0] for x in sorted(ours)] == [x[0] for x in sorted(theirs)]
    for a, b in zip(sorted(ours), sorted(theirs), strict=True):
        assert a[1] == pytest.approx(b[1], rel=1e-11) and a[2:] == b[2:]


def test_some_rows_and_several_runs(frame):
    assert len(lines(sb.plot(frame[frame.rho == 7]).axes[0])) == 3
    assert len(lines(sb.plot(frame.query("sampler == 'heun' and rho == 3")).axes[0])) == 1
    other = frame.assign(**{"sampler": frame["sampler"] + "-new", "extra-stderr": 1})
    both = pd.concat([frame, other, frame], ignore_index=True)
    assert len(lines(sb.plot(both).axes[0])) == 12
    indexed = pd.concat({"a": frame, "b": other})
    assert lines(sb.plot(indexed).axes[0]) == lines(sb.plot(both).axes[0])


@pytest.mark.parametrize("column", ["protocol", "reference", "num_samples", "dtype", "guidance"])
def test_no_line_joins_points_of_different_conditions(frame, column):
    other = frame.assign(**{column: 7 if column == "num_samples" else "other"})
    figure = sb.plot(pd.concat([frame, other]))
    assert len(lines(figure.axes[0])) == 12
    assert any(("7" in text and "N=" in text) or "other" in text for text in legend(figure))


def test_several_models_share_axes_and_no_line(frame):
    other = frame.assign(model="other $x_1$")
    figure = sb.plot(pd.concat([frame, other]))
    found = lines(figure.axes[0])
    assert len(found) == 12 and len({line[2:] for line in found}) == 12
    assert "other $x_1$: heun" in " ".join(legend(figure))
    assert figure.texts[0].get_text() == "toy-model, other $x_1$"


def test_one_of_several_metrics_is_named(frame):
    frame = frame.assign(**{"fid": frame["fd-toy"] * 2, "fid_stderr": 0.1, "mine": 1.5})
    with pytest.raises(UsageError, match=r"2 metrics; name one, e.g. sb.plot\(frame, 'fd-toy'\)"):
        sb.plot(frame)
    ys = [y for line in lines(sb.plot(frame, "fid").axes[0]) for y in line[1]]
    assert sorted(ys) == sorted(frame["fid"])
    assert {y for line in lines(sb.plot(frame, "mine").axes[0]) for y in line[1]} == {1.5}


def wrong(frame, name):
    """Frames that cannot be drawn, and the words of what is said."""
    value = "fd-toy"
    return {
        "a list": (frame.to_dict("records"), "not list"),
        "no rows": (frame[:0], "no rows"),
        "no rho": (frame.drop(columns=["rho"]), "no column 'rho'"),
        "few columns": (frame[["sampler", "nfe", value]], "'model' and"),
        "no metric": (frame.drop(columns=[value, f"{value}_stderr"]), "no metric"),
        "only failed": (frame.assign(**{value: math.nan}), "of 24 rows none has a finite value"),
        "two values": (pd.concat([frame, frame.assign(**{value: 9.0})]), "differ in fd-toy alone"),
        "text": (frame.astype({value: str}), f"column '{value}' holds '"),
        "text of NFE": (frame.astype({"nfe": str}), "column 'nfe' holds '"),
        "error below 0": (frame.assign(**{f"{value}_stderr": -1.0}), "is not below 0"),
        "exact alone": (frame.assign(sampler="exact", nfe=0), "nothing to draw but exact draws"),
        "columns twice": (pd.concat([frame, frame[["rho"]]], axis=1), "two columns 'rho'"),
    }[name]


@pytest.mark.parametrize("name", ["a list", "no rows", "no rho", "few columns", "no metric",
                                  "only failed", "two values", "text", "text of NFE",
                                  "error below 0", "exact alone", "columns twice"])  # fmt: skip
def test_what_cannot_be_drawn_is_told_in_a_line(frame, refused, name):
    given, said = wrong(frame, name)
    refused(lambda: sb.plot(given), UsageError, said)


@pytest.mark.parametrize("metric", ["fd-toi", "steps", "sampler", "fd-toy_stderr", "words"])
def test_what_is_no_metric_is_told_with_those_that_are(frame, refused, metric):
    frame["words"] = "text"
    refused(lambda: sb.plot(frame, metric), UsageError, metric, "fd-toy")


def test_failed_points_are_left_out_beside_others(frame):
    frame.loc[0, "fd-toy"] = math.nan
    assert sum(len(line[0]) for line in lines(sb.plot(frame).axes[0])) == 23


def test_axes_of_the_users_are_drawn_on(frame):
    from matplotlib.figure import Figure

    own = Figure(figsize=(8, 3))
    left, right = own.subplots(1, 2)
    frame["model"] = "a_$b$"
    assert sb.plot(frame, ax=left) is own
    assert len(lines(left)) == 6 and not lines(right)
    assert left.get_title() == "a_$b$" and left.get_ylabel() == "fd-toy"
    assert left.get_legend() is not None and own.legends == []
    own.draw_without_rendering()


@pytest.mark.parametrize(("kind", "said"), [("array", "not ndarray"), ("polar", "not polar axes")])
def test_axes_that_cannot_be_drawn_on_are_told(frame, refused, kind, said):
    from matplotlib.figure import Figure

    own = Figure()
    ax = own.subplots(1, 2) if kind == "array" else own.add_subplot(projection=kind)
    refused(lambda: sb.plot(frame, ax=ax), UsageError, "ax takes plain axes", said)


def test_numbers_of_any_type_are_numbers(frame):
    drawn = lines(sb.plot(frame).axes[0])
    for given in (frame.astype({"fd-toy": object, "nfe": object}), frame.convert_dtypes()):
        assert lines(sb.plot(given, "fd-toy").axes[0]) == drawn


def test_a_notebook_shows_it_and_nothing_of_matplotlib_is_changed(frame, tmp_path):
    """In a fresh process: neither pyplot nor torch is loaded."""
    named = frame.rename(columns=lambda name: name.replace("fd-toy", "fd-digits"))
    named.to_csv(tmp_path / "results.csv", index=False)
    code = (
        "import sys, matplotlib, pandas, samplebench as sb\n"
        "before = {k: v for k, v in dict.items(matplotlib.rcParams)}\n"
        "figure = sb.plot(pandas.read_csv(sys.argv[1]))\n"
        "assert figure._repr_png_() == figure._repr_png_()\n"
        "assert figure._repr_png_()[:8] == b'\\x89PNG\\r\\n\\x1a\\n'\n"
        "figure.savefig(sys.argv[1] + '.pdf')\n"
        "after = {k: v for k, v in dict.items(matplotlib.rcParams)}\n"
        "assert str(before) == str(after)\n"
        "print(*sorted({'matplotlib.pyplot', 'torch'} & set(sys.modules)))\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "results.csv")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
