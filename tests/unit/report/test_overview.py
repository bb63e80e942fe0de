"""The overview: which samples it shows, and that they are those of the contact sheets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from samplebench.images import contact_sheet
from samplebench.report import write_report
from samplebench.report.curves import plots_of
from samplebench.report.overview import STRIP, chosen, draw, strip_of, write_overviews
from samplebench.results.fields import hashes_of
from tests.unit.report.test_levels import OWN, beside

METRIC = "fd-toy"


def with_samplers(view, values, budgets=(5, 9, 35)):
    """The view with one curve a sampler, the best first at every budget; all cells have sheets."""
    row, (sheet, *_) = view.rows[0], view.sheets.values()
    view.rows[:] = [
        row
        | {"sampler": name, "params": "", "nfe": nfe, "nfe_requested": nfe, "cell": f"{i:064x}"}
        | {METRIC: value / nfe}
        for i, (name, value, nfe) in enumerate(
            (name, value, nfe) for name, value in values.items() for nfe in budgets
        )
    ]
    sheets = {cell: sheet for row in view.rows for cell in hashes_of(row)}
    return replace(view, sheets=sheets)


def names(choice):
    return [curve.name for curve, *_ in choice.curves]


def test_few_are_all_shown_the_best_first(make_view):
    view = with_samplers(make_view(), {"b": 2.0, "a": 1.0, "c": 3.0})
    found = chosen(plots_of(view)[0], view.sheets)
    assert names(found) == ["a", "b", "c"]
    assert (found.low, found.high) == (5, 35)
    assert all((low["nfe"], high["nfe"]) == (5, 35) for _, low, high in found.curves)


def test_of_many_those_that_spread_most(make_view):
    view = with_samplers(make_view(), {f"s{i}": float(i + 1) for i in range(10)})
    (plot,) = plots_of(view)
    assert names(chosen(plot, view.sheets)) == ["s0", "s3", "s6", "s9"]
    up = replace(plot, better="higher")
    assert names(chosen(up, view.sheets))[0] == "s9"


def test_a_sampler_is_shown_by_its_best_curve(make_view):
    view = make_view()
    view.rows[:] = [r for r in view.rows if r["sampler"] == "euler"]
    (plot,) = plots_of(view)
    found = chosen(plot, view.sheets)
    ((curve, low, _),) = found.curves
    rivals = [r for c in plot.curves for r in c.rows if r["nfe"] == found.low]
    assert low[METRIC] == min(row[METRIC] for row in rivals) and len(rivals) > 1
    assert curve.rows[0] is low


def test_budgets_are_those_that_most_have(make_view):
    view = with_samplers(make_view(), {"a": 1.0, "b": 2.0})
    # The one alone has the least and the most.
    view.rows[:] = [r for r in view.rows if (r["sampler"], r["nfe"]) not in (("a", 5), ("b", 35))]
    found = chosen(plots_of(view)[0], view.sheets)
    assert (found.low, found.high) == (9, 9)


@pytest.mark.parametrize("count", [3, 8, 20, 64])
@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 2, 1), (32, 32, 3), (64, 48, 3)])
def test_a_strip_is_the_first_tiles_of_the_sheet(make_view, tmp_path, shape, count):
    draws = np.random.default_rng(count)
    images = draws.integers(1, 255, (count, *shape), dtype=np.uint8)
    sheet = contact_sheet(images)
    Image.fromarray(sheet[..., 0] if shape[-1] == 1 else sheet).save(tmp_path / "sheet.png")
    view = make_view()
    row = view.rows[0] | {"num_samples": count}
    view = replace(view, sheets={hashes_of(row)[0]: tmp_path / "sheet.png"})
    strip = strip_of(row, view)
    strip = strip.reshape(*strip.shape[:2], -1)
    times = strip.shape[0] // shape[0]
    wide = (strip.shape[1] - (STRIP - 1) * max(2, times * shape[1] // 10)) // STRIP
    assert wide == times * shape[1]
    for i in range(min(STRIP, count)):
        left = i * (wide + max(2, wide // 10))
        assert (strip[::times, left : left + wide : times] == images[i]).all()


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_it_tells_samplers_nfe_values_and_the_floor(make_view):
    view = with_samplers(make_view(), {"a": 1.0, "b": 20.0})
    for each in view.rows:
        each |= OWN
    row = beside(view)
    view = replace(view, sheets={**view.sheets, row["cell"]: next(iter(view.sheets.values()))})
    figure = draw(plots_of(view)[0], view)
    said = texts(figure)
    assert {"NFE 5", "NFE 35", "exact draws", "0.0200 ± 0.0040"} <= set(said)
    assert said.count("a") == said.count("b") == 2
    assert any(text.startswith("the floor: 500 draws") for text in said)
    assert len(figure.axes) == 1 + 4 + 1


def test_a_counted_nfe_that_is_not_the_budget_is_said(make_view):
    view = with_samplers(make_view(), {"a": 1.0})
    for row in view.rows:
        row["nfe"] = row["nfe_requested"] - 1
    assert any(text.startswith("NFE 4: ") for text in texts(draw(plots_of(view)[0], view)))


def test_without_samples_there_is_none(make_view, tmp_path):
    view = replace(make_view(), sheets={})
    assert write_overviews(view, tmp_path) == []
    assert draw(plots_of(view)[0], view) is None


def test_the_report_has_it_beside_the_figures_with_stable_bytes(make_view, tmp_path):
    view = make_view()
    found = [write_report(view, tmp_path / name) for name in ("one", "two")]
    for kind in ("svg", "png"):
        one, two = (each[f"figures/toy-model.fd-toy.overview.{kind}"] for each in found)
        assert one.read_bytes() == two.read_bytes()
