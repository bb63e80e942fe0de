"""Other charts in a real browser: the published values, and values that are hard to draw."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET

import pytest

from samplebench.report.chart import (
    Axis,
    Chart,
    DataTable,
    Facet,
    Figure,
    Mark,
    Series,
    TableCell,
    TableRow,
)
from samplebench.report.page import render_page
from tests.e2e.pages import NEEDS_CHROMIUM, SIGHTS, column, head, series, shown_rows

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def atlas(command, tmp_path_factory):
    """The page of all published values."""
    folder = tmp_path_factory.mktemp("atlas")
    done = command("published", "--out", "pub", "--quiet", cwd=folder)
    assert done.code == 0, done.err
    return folder / "pub" / "published.html"


def test_published_values_are_shown_and_say_their_source(atlas, opened):
    with opened(atlas) as page:
        assert series(page) > 20
        select = page.locator("#facet-checkpoint")
        assert select.input_value() == "edm-cifar10-uncond-vp"
        select.select_option("adm-imagenet64-nvlabs")
        rows = shown_rows(page)
        assert 0 < rows < 20
        assert set(column(page, "checkpoint")) == {"adm-imagenet64-nvlabs"}
        spots = [p.bounding_box() for p in page.locator(".plot .points path").all()]
        spot = max(spots, key=lambda box: box["y"])
        page.mouse.move(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
        text = page.locator(".hoverlayer .hovertext").first.text_content()
        assert "FID" in text and "Karras et al. 2022" in text


def test_a_row_lights_its_line_and_back_returns_to_the_checkpoint(atlas, opened):
    with opened(atlas) as page:
        page.locator("#facet-checkpoint").select_option("adm-imagenet64-nvlabs")
        assert page.url.endswith("#checkpoint=adm-imagenet64-nvlabs")
        page.go_back()
        page.wait_for_function(
            "document.getElementById('facet-checkpoint').value === 'edm-cifar10-uncond-vp'"
        )
        page.locator("#filter").fill("AdaSDE")  # lines that share every switch among them
        for row in page.locator("table.sortable tbody tr:not([hidden])").all()[:3]:
            row.hover()
            lit = page.locator(".plot .trace:not(.dim)", has=page.locator(".points path"))
            assert lit.count() == 1 and page.locator(".plot .trace.dim").count() > 20


def test_published_values_switch_sort_and_filter(atlas, opened):
    with opened(atlas) as page:
        before = series(page)
        page.locator('.facet[aria-label="sampler"] .chip[data-value="heun"]').click()
        assert series(page) < before
        assert "heun" not in column(page, "sampler")
        page.locator('.facet[aria-label="sampler"] .all', has_text="all").click()
        page.locator('.facet[aria-label="protocol"] .chip[data-value="edm"]').click()
        assert 0 < series(page) < before
        head(page, "NFE")
        numbers = [float(text) for text in column(page, "NFE") if text not in ("", "-")]
        assert numbers == sorted(numbers) and len(set(numbers)) > 5
        page.locator("#filter").fill("unipc")
        assert 0 < shown_rows(page) < 60


@pytest.mark.slow
def test_what_contradicts_and_what_was_measured_again_stand_below(atlas, opened):
    with opened(atlas) as page:
        heads = page.locator("#conflicts tbody th").all_inner_texts()
        (known,) = [each for each in heads if re.search("cifar10.*dpmpp, order 3.* NFE 4,", each)]
        assert known.startswith("edm-cifar10-uncond-vp: ")
        values = page.locator("#conflicts tbody", has_text=known).locator("td.value")
        assert values.all_inner_texts() == ["46.47", "46.52", "46.59"]
        again = page.locator("#remeasured tbody tr")
        assert again.count() == 23
        assert again.first.locator("td").all_inner_texts()[3:8] == [
            "FID", "1.79", "1.94966", "+0.16", "1.089",
        ]  # fmt: skip


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_atlas_fits(atlas, opened, width, scheme):
    with opened(atlas, width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if out := os.environ.get("SAMPLEBENCH_SHOTS"):
            page.screenshot(path=f"{out}/published-{width}-{scheme}.png")


@pytest.mark.slow
def test_a_downloaded_figure_of_many_series_shows_all_of_them(atlas, opened, tmp_path):
    with opened(atlas) as page:
        drawn = series(page)
        with page.expect_download() as download:
            page.locator("figure .svg").click()
        download.value.save_as(tmp_path / "published.svg")
        page.set_content((tmp_path / "published.svg").read_text())
        whole = page.locator("svg").first.bounding_box()
        names = [name.bounding_box() for name in page.locator(".legendtext").all()]
        assert len(names) == drawn > 14
        for name in names:
            assert name["x"] + name["width"] <= whole["x"] + whole["width"]
            assert name["y"] + name["height"] <= whole["y"] + whole["height"]
        ticks = [t.bounding_box()["x"] for t in page.locator(".xtick text").all()]
        assert max(ticks) - min(ticks) > 0.7 * whole["width"]
        below = page.locator(".xtitle").bounding_box()
        assert min(name["y"] for name in names) >= below["y"] + below["height"]


@pytest.fixture
def strange(tmp_path):
    """A page of names, values and conditions that are hard to draw."""
    name = "a<b> & $x$ \"q'"
    axes = (Axis("nfe", "NFE"), Axis("seconds", "seconds"))
    timed = [Mark({"nfe": n, "seconds": n / 9}, y) for n, y in ((5, 2.0), (9, 2.03))]
    bound = [Mark({"nfe": 7}, 2.01, hover=("more",), hollow=True, arrow=True)]
    made = [
        Series("f", name, {"certainty": "B"}, timed, colour=8),
        Series("f", "bound", {"certainty": "B"}, bound, line=False),
        Series("f", "same", {"certainty": "A"}, timed[:1], colour=8, line=False),
        Series("f", "unsure", {"certainty": "C"}, timed),
    ]
    facets = [Facet("certainty", "certainty", start=("A", "B"))]
    texts = (("3.5", 3.5), ("nan", None), ("12", 12.0), ("-", None), ("0.5", 0.5))
    table = DataTable(
        (("value", "value"),), [TableRow([TableCell(t, order)]) for t, order in texts]
    )
    path = tmp_path / "strange.html"
    chart = Chart([Figure("f", name, Axis("y", "y"), axes)], made, facets)
    path.write_text(render_page(title=name, lead="", chart=chart, table=table), encoding="utf-8")
    return path


def test_names_are_shown_as_they_are(strange, opened, tmp_path):
    with opened(strange) as page:
        assert page.locator(".legend li").first.inner_text() == "a<b> & $x$ \"q'"
        with page.expect_download() as download:
            page.locator("figure .svg").click()
        download.value.save_as(tmp_path / "strange.svg")
        texts = [e.text for e in ET.parse(tmp_path / "strange.svg").iter() if e.text]
        assert texts.count("a<b> & $x$ \"q'") == 2  # title and legend


def test_what_differs_is_never_drawn_filled(strange, opened):
    with opened(strange) as page:
        symbols = page.evaluate(
            "document.querySelector('.plot').data.map((t) => [].concat(t.marker?.symbol ?? []))"
        )
        assert symbols == [["circle-open", "circle-open"], ["arrow-up-open"], ["circle"]]
        assert page.locator(".legend li").all_inner_texts()[1] == "bound"
        assert page.locator(".legend li").nth(1).locator("path").count() == 1  # no line
        page.locator('.axes button[data-axis="seconds"]').click()
        assert page.locator(".legend li").count() == 2  # a bound has no seconds


def test_what_is_not_to_be_on_at_first_is_off(strange, opened):
    with opened(strange) as page:
        assert series(page) == 3
    text = strange.read_text(encoding="utf-8")
    for value in "AB":
        text = text.replace(f'"certainty":"{value}"', '"certainty":"C"')
    strange.write_text(text, encoding="utf-8")
    with opened(strange) as page:
        assert series(page) == 0
        page.locator('.chip[data-value="C"]').click()
        assert series(page) == 4


def test_a_plain_axis_has_a_place_for_every_value(tmp_path, opened):
    """Scores, or distances of which one is not positive: the band goes where the error says."""
    points = [Mark({"nfe": n}, y, y - 0.5, y + 0.5) for n, y in ((5, 0.9), (9, 0.0), (20, -0.2))]
    figure = Figure("f", "f", Axis("y", "y", log=False), [Axis("nfe", "NFE")])
    chart = Chart([figure], [Series("f", "s", {}, points)], [])
    path = tmp_path / "plain.html"
    path.write_text(render_page(title="plain", lead="", chart=chart), encoding="utf-8")
    with opened(path) as page:
        assert page.locator(".plot .points path").count() == 3
        band, line = page.evaluate("document.querySelector('.plot').data.map((t) => t.y)")
        assert line == [0.9, 0.0, -0.2]
        assert band == pytest.approx([1.4, 0.5, 0.3, -0.7, -0.5, 0.4])
        ticks = [
            float(t.replace("\u2212", "-")) for t in page.locator(".ytick text").all_text_contents()
        ]
        assert min(ticks) < 0 < max(ticks)


def test_a_level_is_there_for_any_x(tmp_path, opened):
    """From end to end of each axis, with its band, with and without a curve, on both scales."""
    axes = (Axis("nfe", "NFE"), Axis("seconds", "seconds"))
    curve = [Mark({"nfe": n, "seconds": n / 100}, 9 / n, hover=("c",)) for n in (5, 9, 20)]
    marks = [Mark({}, 0.3, 0.25, 0.35, hover=("exact",)), Mark({}, -0.1, -0.2, 0.0)]
    made = [Series("f", "curve", {"sampler": "a"}, curve)]
    made += [Series("f", f"level {m.y}", {"sampler": "b"}, [m], level=True) for m in marks]
    chart = Chart([Figure("f", "f", Axis("y", "y"), axes)], made, [Facet("sampler", "sampler")])
    path = tmp_path / "level.html"
    path.write_text(render_page(title="level", lead="", chart=chart), encoding="utf-8")

    def lines(page):
        """Of the level above 0: its line's x, and its band's y."""
        data = page.evaluate(
            "document.querySelector('.plot').data.map((t) => [t.x, t.y, t.fill ?? ''])"
        )
        (x,) = [x for x, y, fill in data if not fill and set(y) == {0.3}]
        (band,) = [y for _, y, fill in data if fill and max(y) == 0.35]
        return x, set(band)

    def seen(page):
        return page.evaluate("document.querySelector('.plot')._fullLayout.xaxis.range")

    with opened(path) as page:
        assert page.locator(".legend li").count() == 3
        for axis, first, last in (("nfe", 5, 20), ("seconds", 0.05, 0.2)):
            page.locator(f'.axes button[data-axis="{axis}"]').click()
            x, band = lines(page)
            low, high = (10**end for end in seen(page))
            # The axis is the curve's; the line goes beyond it.
            assert first / 1.2 < low < first and last < high < last * 1.2
            assert x[0] < low and high < x[-1] and band == {0.25, 0.35}
        assert "1 value at or below 0" in page.locator(".unseen").inner_text()
        page.locator('.axes button[data-axis="linear"]').click()
        assert page.evaluate("document.querySelector('.plot').data.length") == 5
        page.locator('.chip[data-value="b"]').dblclick()
        page.locator('.axes button[data-axis="log"]').click()
        assert lines(page)[1] == {0.25, 0.35}
        assert page.locator(".xtick").count() == 0  # alone it holds anywhere


def test_what_is_no_number_sorts_last(strange, opened):
    with opened(strange) as page:
        head(page, "value")
        assert column(page, "value") == ["0.5", "3.5", "12", "nan", "-"]
        head(page, "value")
        assert column(page, "value") == ["12", "3.5", "0.5", "nan", "-"]


@pytest.mark.parametrize(("metrics", "paper"), [(2, 680), (3, 1031)])
def test_printed_values_stay_on_one_line_on_the_paper(metrics, paper, tmp_path, opened):
    """A4 upright, or turned for a table with many of them."""
    heads = [("sampler", "text"), ("reference", "text"), ("NFE", "number"), ("budget", "number")]
    heads += [(f"precision-digits-{i}", "value") for i in range(metrics)]
    texts = ["a long name " * 5, "digits-kde@57ac2d93", "1,000", "1,000"]
    row = TableRow([TableCell(t) for t in texts] + [TableCell("0.0123 ± 0.0012")] * metrics)
    path = tmp_path / "table.html"
    table = DataTable(heads, [row])
    path.write_text(render_page(title="t", lead="", chart=Chart([], [], []), table=table), "utf-8")
    with opened(path, paper) as page:
        page.emulate_media(media="print")
        assert (page.locator("section.wide").count() == 1) == (paper > 680)
        box = page.locator("table").bounding_box()
        assert box["x"] + box["width"] <= paper + 1
        value = page.evaluate("""() => { const text = document.createRange();
            text.selectNodeContents(document.querySelector("td.value"));
            return text.getClientRects().length; }""")
        assert value == 1
