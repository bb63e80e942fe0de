"""The report's page in a real browser: curves, hover, switches, sorting, downloads, silence."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from samplebench.images import contact_sheet
from samplebench.report.html import render_html
from samplebench.results.view import View
from tests.e2e.pages import NEEDS_CHROMIUM, SIGHTS, column, head, series, shown_rows

pytestmark = NEEDS_CHROMIUM
SWEEP = (
    "--sampler", "euler,heun,edm,ddim", "--param", "edm.S_churn=10,ddim.eta=1",
    "--nfe", "5,10,15,20,35", "--rho", "3,7", "--num-samples", "64",
)  # fmt: skip


@pytest.fixture(scope="module")
def sweep(command, tmp_path_factory):
    """The report folder of a sweep of 40 cells."""
    folder = tmp_path_factory.mktemp("page")
    done = command("run", *SWEEP, "--out", "sweep", cwd=folder)
    assert done.code == 0, done.err
    assert len(list((folder / "sweep" / "cells").glob("*.json"))) == 40
    return folder / "sweep"


def test_curves_are_drawn_and_say_their_values(sweep, opened):
    with opened(sweep / "report.html") as page:
        assert series(page) == 8
        points = page.locator(".plot .scatterlayer .points path")
        page.locator(".legend").first.scroll_into_view_if_needed()
        assert points.count() == 40
        box = page.locator(".plot .cartesianlayer").first.bounding_box()
        assert box["width"] > 500 and box["height"] > 300
        spot = points.nth(7).bounding_box()
        page.mouse.move(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
        text = page.locator(".hoverlayer .hovertext").first.text_content()
        assert re.search(r"fd-digits \d+\.\d+ ± \d", text)
        assert "NFE" in text and "N = 64" in text


def test_a_click_on_a_point_opens_its_provenance(sweep, opened):
    with opened(sweep / "report.html") as page:
        assert page.locator("#provenance details[open]").count() == 0
        page.locator(".legend").first.scroll_into_view_if_needed()
        # The lowest of all points: nothing lies over it.
        boxes = [p.bounding_box() for p in page.locator(".plot .points path").all()]
        spot = max(boxes, key=lambda box: box["y"])
        page.mouse.click(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
        page.wait_for_selector("#provenance details[open]")
        assert "NFE 35" in page.locator("#provenance details[open] summary").inner_text()


@pytest.mark.slow
def test_a_link_to_provenance_keeps_what_is_chosen_and_is_found_again(sweep, opened, browser):
    """By the keyboard without motion, in another tab, after a step back, and as a copied link."""
    facts = """() => [document.querySelector(".chip[data-value=heun]").ariaPressed,
        document.querySelector("#provenance details[open]")?.id,
        document.activeElement.closest("#provenance details")?.id]"""
    with opened(sweep / "report.html") as page:
        page.emulate_media(reduced_motion="reduce")
        page.locator('.chip[data-value="heun"]').click()
        link = page.locator("table.sortable tr:not([hidden]) td a").nth(9)
        cell = link.get_attribute("href").removeprefix("#")
        link.press("Enter")
        assert page.evaluate(facts) == ["false", cell, cell]
        place = page.locator(f"#{cell}").bounding_box()
        assert -1 <= place["y"] < 800  # it is there at once
        assert page.url.endswith(f"#at={cell}&sampler!=heun")
        again = browser.new_page()
        again.goto(page.url)
        again.wait_for_selector("html[data-ready]")
        assert again.evaluate(facts) == ["false", cell, cell]
        again.close()
        page.go_back()
        page.locator('.chip[data-value="heun"]').click()
        assert page.url.endswith("report.html")  # what was chosen since is all it says
        page.evaluate(f"document.getElementById('{cell}').open = false; location.hash = '{cell}'")
        page.wait_for_function("document.querySelector('#provenance details[open]')")
        assert page.evaluate(facts) == ["true", cell, cell]


def test_the_best_of_each_budget_stands_above_the_curves(sweep, opened):
    """A line per budget, and in the table the same rows are marked."""
    with opened(sweep / "report.html") as page:
        best = page.locator("#best tbody tr")
        budgets = [line.split("\t")[0] for line in best.all_inner_texts()]
        assert budgets == ["5", "10", "15", "20", "35"]
        ends = page.locator("#best").bounding_box()
        assert ends["y"] + ends["height"] <= page.locator(".plot").first.bounding_box()["y"]
        marked = page.locator("#values td.best")
        assert marked.count() == 5
        values = {text.split(" best")[0].strip() for text in marked.all_inner_texts()}
        assert values == set(page.locator("#best tbody td:nth-child(3)").all_inner_texts())
        # The cells name a few and count the others; their titles name all.
        cells = page.locator("#best tbody td:nth-child(4)").all()
        titles = [cell.get_attribute("title") for cell in cells]
        listed = sum(title.count("; ") + 1 for title in titles if title)
        assert page.locator("#values td.tied").count() == listed > 0
        page.locator("#filter").fill("best")
        assert shown_rows(page) == 5


def test_switches_act_on_curves_rows_and_pictures(sweep, opened):
    with opened(sweep / "report.html") as page:
        pictures = page.locator("[data-picture]:visible")
        assert (shown_rows(page), pictures.count()) == (40, 8)
        chip = page.locator('.chip[data-value="euler"]')
        chip.click()
        assert chip.get_attribute("aria-pressed") == "false"
        assert (series(page), shown_rows(page), pictures.count()) == (6, 30, 6)
        page.locator('.facet[aria-label="rho"] .chip[data-value="3"]').click()
        assert (series(page), shown_rows(page), pictures.count()) == (3, 15, 3)
        assert set(column(page, "discretization")) == {"edm ρ=7"}
        chip.dblclick()  # only this one
        assert (series(page), set(column(page, "sampler"))) == (1, {"euler"})
        for facet in ("sampler", "rho"):
            page.locator(f'.facet[aria-label="{facet}"] .all', has_text="all").click()
        assert (series(page), shown_rows(page)) == (8, 40)
        page.locator('.facet[aria-label="sampler"] .all', has_text="none").click()
        assert (series(page), shown_rows(page)) == (0, 0)
        assert "nothing to draw" in page.locator(".plot").first.text_content()


def test_horizontal_axis_and_bands(sweep, opened):
    with opened(sweep / "report.html") as page:
        plot = page.locator(".plot").first
        bands = page.locator(".plot .fills path, .plot .js-fill")
        assert bands.count() == 8
        for key, title in {
            "seconds": "seconds per image",
            "gflop": "network GFLOP per image",
            "nfe": "NFE (counted)",
        }.items():
            page.locator(f'.axes button[data-axis="{key}"]').click()
            page.locator(f'.plot[data-axis="{key}"]').first.wait_for()
            assert plot.locator(".xtitle").text_content() == title
            assert plot.locator(".points path").count() == 40
        page.locator("#bands").uncheck()
        bands.first.wait_for(state="detached")


def test_table_sorts_and_filters(sweep, opened):
    with opened(sweep / "report.html") as page:
        for name, number in (("NFE", float), ("fd-digits", lambda t: float(t.split()[0]))):
            head(page, name)
            values = [number(text) for text in column(page, name)]
            assert values == sorted(values) and len(set(values)) > 3
            head(page, name)
            assert [number(text) for text in column(page, name)] == values[::-1] or sorted(
                values, reverse=True
            ) == [number(text) for text in column(page, name)]
        page.locator("#filter").fill("39")  # ρ=3 and, in the next column, 9 evaluations
        assert not [row for row in page.locator("#values tbody tr:visible").all_inner_texts()
                    if "39" not in row]  # fmt: skip
        page.locator("#filter").fill("heun ρ=3")
        assert shown_rows(page) == 5
        assert page.locator("#count").inner_text() == "5 of 40 rows"
        assert set(column(page, "sampler")) == {"heun"}


def test_pictures_of_one_budget_stand_side_by_side(sweep, opened):
    with opened(sweep / "report.html") as page:
        page.locator("#budget").select_option("10")
        captions = page.locator("[data-picture]:visible figcaption").all_inner_texts()
        assert len(captions) == 8
        assert {re.search(r"NFE (\d+)", text)[1] for text in captions} == {"9", "10"}
        tops = [box.bounding_box()["y"] for box in page.locator("[data-picture]:visible").all()]
        assert len(set(tops)) < 8


def test_downloads(sweep, opened, tmp_path):
    with opened(sweep / "report.html", scheme="dark") as page:
        with page.expect_download() as download:
            page.locator("#csv").click()
        download.value.save_as(tmp_path / "rows.csv")
        assert download.value.suggested_filename == "results.csv"
        assert (tmp_path / "rows.csv").read_bytes() == (sweep / "results.csv").read_bytes()
        with page.expect_download() as download:
            page.locator("figure .svg").first.click()
        download.value.save_as(tmp_path / "figure.svg")
        assert download.value.suggested_filename == "digits-exact.fd-digits.svg"
        text = (tmp_path / "figure.svg").read_text()
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        # As printed: on white, with a legend, whatever the page looks like.
        assert "heun, ρ=7" in text and "rgb(255, 255, 255)" in text


def test_a_turned_phone_gets_a_figure_that_fits(sweep, opened):
    with opened(sweep / "report.html") as page:
        page.set_viewport_size({"width": 390, "height": 844})
        plot = page.locator(".plot").first
        page.locator('.plot .main-svg[height="340"]').first.wait_for(timeout=5000)
        box, below = plot.bounding_box(), page.locator(".legend").first.bounding_box()
        title = page.locator(".plot .xtitle").first.bounding_box()
        assert title["y"] + title["height"] <= box["y"] + box["height"] <= below["y"]
        ticks = [t.bounding_box() for t in page.locator(".xaxislayer-above .xtick text").all()]
        assert len(ticks) >= 3
        for left, right in pairwise(ticks):
            assert left["x"] + left["width"] < right["x"]


@pytest.mark.slow
def test_every_zoom_has_ticks(sweep, opened):
    with opened(sweep / "report.html") as page:
        for _ in range(3):
            box = page.locator(".plot .nsewdrag").first.bounding_box()
            page.mouse.move(box["x"] + 300, box["y"] + 200)
            page.mouse.down()
            page.mouse.move(box["x"] + 400, box["y"] + 250, steps=5)
            page.mouse.up()
            page.wait_for_timeout(300)
            for axis in ("x", "y"):
                ticks = page.locator(
                    f"figure:first-of-type .{axis}axislayer-above .{axis}tick text"
                )
                texts = ticks.all_text_contents()
                assert len(texts) >= 2 and len(set(texts)) == len(texts)


@pytest.mark.parametrize(("width", "scheme"), SIGHTS)
def test_nothing_overflows_or_overlaps(sweep, opened, width, scheme):
    with opened(sweep / "report.html", width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        parts = page.locator("header, .plot, .legend, figcaption:visible, #values table").all()
        boxes = [part.bounding_box() for part in parts[:4]]
        for above, below in pairwise(boxes):
            assert above["y"] + above["height"] <= below["y"] + 1
        ticks = [t.bounding_box() for t in page.locator(".xaxislayer-above .xtick text").all()]
        assert len(ticks) >= 3
        for left, right in pairwise(ticks):
            assert left["x"] + left["width"] < right["x"]
        shades = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.body).color].map((c) => Number(c.match(/\\d+/)[0]))"
        )
        assert (shades[0] > shades[1]) == (scheme == "light")
        if out := os.environ.get("SAMPLEBENCH_SHOTS"):
            page.screenshot(path=f"{out}/sweep-{width}-{scheme}.png", full_page=True)


LOOK = """[...document.querySelectorAll(".legend li")].map((li) => {
    const [line, mark] = li.querySelectorAll("path"), hue = line.style.stroke;
    const dash = line.getAttribute("stroke-dasharray");
    return [hue, dash, mark.getAttribute("d"), mark.style.fill === hue].join();
})"""
DRAWN = """document.querySelector(".plot").data.filter((t) => t.marker).map((t) =>
    [t.line.color, t.line.dash, t.marker.symbol[0]].join())"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A page of 24 curves: 4 samplers with 4 rho each, and 8 more samplers; each has a sheet."""
    settings = [(f"sampler-{i}", float(rho)) for i in range(4) for rho in (1, 3, 5, 7)]
    settings += [(f"another-sampler-of-a-long-name-{i} S_churn=40", 7.0) for i in range(8)]
    folder, rows, sheets = tmp_path_factory.mktemp("crowded"), [], {}
    for place, (sampler, rho) in enumerate(settings):
        for nfe in (5, 10):
            cell = f"{place:032x}{nfe:032x}"
            rows.append({
                "model": "toy", "sampler": sampler, "params": "", "discretization": "edm",
                "rho": rho, "steps": nfe, "nfe": nfe, "nfe_requested": nfe, "seed": 0,
                "repeats": 1, "num_samples": 64, "protocol": "toy", "dtype": "float64",
                "fd-toy": (place + 9) / nfe, "fd-toy_stderr": 0.1, "cell": cell,
            })  # fmt: skip
            sheets[cell] = folder / "sheet.png"
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8), dtype=np.uint8)
    Image.fromarray(contact_sheet(images[..., None])[..., 0]).save(folder / "sheet.png")
    (folder / "report.html").write_text(render_html(View("crowded", rows, {}, sheets)), "utf-8")
    return folder / "report.html"


@pytest.mark.parametrize("width", [390, pytest.param(1440, marks=pytest.mark.slow)])
def test_the_legend_of_many_curves_is_whole_and_tells_them_apart(crowded, opened, width):
    with opened(crowded, width) as page:
        assert len(set(page.evaluate(DRAWN))) == len(set(page.evaluate(LOOK))) == 24
        plot = page.locator(".plot").bounding_box()
        caption = page.locator("figcaption").first.bounding_box()
        boxes = [entry.bounding_box() for entry in page.locator(".legend li").all()]
        for place, box in enumerate(boxes):
            assert 0 <= box["x"] and box["x"] + box["width"] <= width
            assert plot["y"] + plot["height"] <= box["y"]
            assert box["y"] + box["height"] <= caption["y"]
            assert not any(overlap(box, other) for other in boxes[:place])
        inner = page.evaluate(
            "[...document.querySelectorAll('.legend li')]"
            ".every((e) => e.scrollWidth <= e.clientWidth)"
        )
        assert inner and page.evaluate("document.documentElement.scrollWidth") <= width


def overlap(one, other):
    return all(
        one[at] < other[at] + other[size] - 0.5 and other[at] < one[at] + one[size] - 0.5
        for at, size in (("x", "width"), ("y", "height"))
    )


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_the_printed_page_is_light_and_has_its_legend(crowded, opened, scheme):
    with opened(crowded, scheme=scheme) as page:
        screen = page.evaluate(DRAWN)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme=scheme)
        page.set_viewport_size({"width": 700, "height": 1000})  # of an A4 page
        page.wait_for_timeout(300)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
            "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)",
        )  # fmt: skip
        printed = page.evaluate(DRAWN)
        assert len(set(printed)) == 24 and (printed == screen) == (scheme == "light")
        paper = page.evaluate("document.querySelector('.plot').layout.paper_bgcolor")
        assert paper == "#ffffff"
        assert page.locator(".legend li:visible").count() == 24
        wide = page.evaluate(
            "[...document.querySelectorAll('.main-svg, table, .legend, .sheets, .sheets figure')]"
            ".map((e) => e.getBoundingClientRect().right)"
        )
        assert max(wide) <= 700
        rows = page.locator("table.sortable tbody tr").all()
        assert (
            len(rows) == 48
            and page.locator("#values .scroll.tall").evaluate(
                "e => e.scrollHeight - e.clientHeight"
            )
            <= 1
        )
        assert not page.locator(".controls, .search, .quiet-button").first.is_visible()
        page.emulate_media(media="screen", color_scheme=scheme)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.wait_for_timeout(300)
        assert page.evaluate(DRAWN) == screen


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 1440])
def test_a_sheet_is_enlarged_in_whole_multiples_by_mouse_and_keyboard(crowded, opened, width):
    with opened(crowded, width) as page:
        small = page.locator(".enlarge:visible").first
        thumbnail = small.locator("img").bounding_box()
        assert thumbnail["width"] % 71 == 0
        dialog, image = page.locator("#zoom"), page.locator("#zoom img")
        for begin, end in (
            (small.click, lambda: page.keyboard.press("Escape")),
            (lambda: small.press("Enter"), lambda: page.keyboard.press("Enter")),
            (small.click, image.click),
            (small.click, lambda: page.mouse.click(2, 2)),
        ):
            assert not dialog.is_visible()
            begin()
            dialog.wait_for(state="visible")
            box = image.bounding_box()
            assert box["width"] == box["height"] > 1.9 * thumbnail["width"]
            assert box["width"] % 71 == 0 and 0 <= box["x"] and box["x"] + box["width"] <= width
            assert image.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
            assert "sampler-0, ρ=1, NFE 10" in dialog.inner_text()
            end()
            dialog.wait_for(state="hidden")
        assert small.evaluate("e => e === document.activeElement")
