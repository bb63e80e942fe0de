"""A figure of a page in a real browser: highlighting, names at lines, the address, downloads,
ticks at measured values, slopes of orders."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

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
from tests.e2e.pages import NEEDS_CHROMIUM, column, head, shown_rows

pytestmark = NEEDS_CHROMIUM
NFE = (5, 6, 7, 8, 9, 10, 12, 15, 20, 35, 36, 50)
NAMES = ("euler", "heun", "a=b&c, d+e", "100% <ρ>", "lms", "unipc")
ORDERS = (1, 2, 3)


def points(place: int, steps: int = 1) -> list[Mark]:
    """Of an order of convergence between 1 and 3, with bands."""
    errors = {n: (1 + place) / 3 * (n / 5) ** -(1 + place % 3) for n in NFE[::steps]}
    return [
        Mark({"nfe": n, "time": n / 3}, e, 0.9 * e, 1.2 * e, (f"{e}",)) for n, e in errors.items()
    ]


def page_of(count: int = len(NAMES)) -> str:
    """Two figures and a table of six samplers and two rho."""
    made, rows = [], []
    for place in range(2 * count):
        name, rho = NAMES[place // 2 % len(NAMES)] + f" {place // 12}" * (place > 11), 3 + place % 2
        facets = {"sampler": name, "rho": str(rho)}
        marks = points(place // 2)
        made += [Series("f", f"{name}; ρ={rho}", facets, marks, place % 14, place // 14)]
        made += [Series("g", name, facets, points(place, 3)[:2], place % 14, line=False)]
        cells = [[TableCell(name), TableCell(str(n), n)] for n in NFE[:2]]
        rows += [TableRow(each, facets) for each in cells]
    axes = Axis("nfe", "NFE", at_values=True), Axis("time", "time")
    figures = [Figure("f", "errors", Axis("e", "error"), axes, orders=ORDERS, name="errors")]
    figures += [Figure("g", "others", Axis("e", "error"), axes, name="others")]
    facets = [Facet("sampler", "sampler"), Facet("rho", "rho")]
    table = DataTable((("sampler", "text"), ("NFE", "number")), rows)
    return render_page(title="a page", lead="", chart=Chart(figures, made, facets), table=table)


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    path = tmp_path_factory.mktemp("figure") / "page.html"
    path.write_text(page_of(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Forty curves, all of which end at one NFE, in few decades."""
    path = tmp_path_factory.mktemp("figure") / "page.html"
    path.write_text(page_of(20), encoding="utf-8")
    return path


# The names of the curves that are not dimmed, by figure, and the places of the lit rows.
BRIGHT = """[...document.querySelectorAll("figure")].map((figure) => {
    const traces = [...figure.querySelectorAll(".scatterlayer > .trace")];
    const named = traces.filter((g) => g.querySelector(".points path"));
    const bright = named.filter((g) => Number(getComputedStyle(g).opacity) > 0.5);
    return [named.length, bright.map((g) => g.__data__[0].trace.name),
        named.at(-1).__data__[0].trace.name];
})"""
ROWS = "[...document.querySelectorAll('table.sortable tbody tr')].flatMap((r, i) => r.classList.contains('lit') ? [i] : [])"  # noqa: E501


def bright(page):
    page.emulate_media(reduced_motion="reduce")  # without the fade
    return page.evaluate(BRIGHT)


def settle(page):
    """Until what the page does after a choice is done."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")


def keyboard(page, selector):
    """Puts the keyboard on an element as a Tab does, which a call of focus() after a key is."""
    page.keyboard.press("Shift")
    page.locator(selector).first.focus()


def test_a_curve_its_name_and_its_rows_light_each_other(figures, opened):
    with opened(figures) as page:
        everything = [[12, 12], [12, 12]]
        assert [[n, len(names)] for n, names, _ in bright(page)] == everything
        entry = page.locator("figure .legend li").nth(2)
        entry.hover()
        (_, names, top), (_, others, _) = bright(page)
        assert names == [top] == ["heun; ρ=3"] and others == ["heun"]
        assert page.evaluate(ROWS) == [4, 5]
        page.mouse.move(2, 2)
        assert [[n, len(names)] for n, names, _ in bright(page)] == everything
        assert page.evaluate(ROWS) == []
        keyboard(page, "figure .legend li:nth-child(3) button")
        assert bright(page)[0][1] == ["heun; ρ=3"] and page.evaluate(ROWS) == [4, 5]
        page.locator("table.sortable tbody tr").nth(23).hover()  # goes before the keyboard
        assert [names for _, names, _ in bright(page)] == [["unipc; ρ=4"], ["unipc"]]
        page.mouse.move(2, 2)
        assert bright(page)[0][1] == ["heun; ρ=3"]
        page.keyboard.press("Tab")
        assert bright(page)[0][1] == ["heun; ρ=4"]
        page.evaluate("document.activeElement.blur()")
        assert [[n, len(names)] for n, names, _ in bright(page)] == everything
        spot = page.locator("figure .points path").nth(13).bounding_box()
        page.mouse.move(spot["x"] + 4, spot["y"] + 4)
        page.locator(".hovertext").wait_for()
        (_, names, top), _ = bright(page)
        assert names == [top] and len(page.evaluate(ROWS)) == 2


@pytest.mark.slow
def test_the_keyboard_walks_the_rows_and_hides_curves(figures, opened):
    with opened(figures) as page:
        head(page, "NFE")
        rows = page.locator("table.sortable tbody tr[tabindex='0']")
        assert rows.count() == 1
        keyboard(page, "table.sortable tbody tr[tabindex='0']")
        first = bright(page)[0][1]
        page.keyboard.press("ArrowDown")
        second = bright(page)[0][1]
        assert [len(first), len(second)] == [1, 1] and first != second and rows.count() == 1
        page.keyboard.press("End")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Home")
        assert bright(page)[0][1] == first
        page.locator("#filter").fill("unipc")
        assert "unipc" in rows.inner_text()
        keyboard(page, ".legend button")
        page.keyboard.press("Enter")
        page.locator('.plot[data-series="11"]').wait_for()
        assert page.locator("figure:first-of-type .legend li").count() == 12
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
        assert len(bright(page)[0][1]) == 11  # what is hidden is not in front
        page.keyboard.press("Enter")
        page.locator('.plot[data-series="12"]').first.wait_for()


def boxes(page, selector):
    found = "(all) => all.map((e) => e.getBoundingClientRect()).map((b) => [b.x, b.y, b.right, b.bottom])"  # noqa: E501
    return page.locator(selector).evaluate_all(found)


def touch(one, other, gap=0.5):
    return all(one[i] + gap < other[i + 2] and other[i] + gap < one[i + 2] for i in (0, 1))


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_names_at_lines_are_legible_and_clear_of_everything(crowd, opened, scheme):
    with opened(crowd, scheme=scheme) as page:
        names = boxes(page, "figure:first-of-type .ends text")
        assert 8 <= len(names) < 40
        markers = boxes(page, "figure:first-of-type .points path")
        assert not any(touch(one, other) for one in names for other in markers)
        assert not any(touch(one, other) for i, one in enumerate(names) for other in names[:i])
        stage = boxes(page, "figure:first-of-type .canvas")[0]
        assert all(stage[0] <= x and right <= stage[2] for x, _, right, _ in names)
        shades = page.locator(".ends text").evaluate_all(
            "(all) => [getComputedStyle(document.body).backgroundColor, ...all.map((e) => getComputedStyle(e).fill)]"  # noqa: E501
        )
        ground, *inks = (luminance(shade) for shade in shades)
        assert all(max(i, ground) / min(i, ground) >= 4.5 for i in inks) and len(set(inks)) > 3
        page.locator("figure .legend li").nth(3).hover()
        faint = page.locator(".ends g.dim").count()
        assert faint in (len(names), len(names) - 1)
        page.set_viewport_size({"width": 390, "height": 800})
        page.locator('.plot .main-svg[height="340"]').first.wait_for()
        assert page.locator(".ends text").count() == 0


def luminance(shade: str) -> float:
    """WCAG 2, plus 0.05, of "rgb(r, g, b)"."""
    c = np.array([int(part) for part in re.findall(r"\d+", shade)[:3]]) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05


@pytest.mark.slow
def test_a_zoom_moves_the_names(figures, opened):
    with opened(figures) as page:
        before = boxes(page, "figure:first-of-type .ends text")
        box = page.locator(".plot .nsewdrag").first.bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 300, steps=4)
        page.mouse.up()
        settle(page)
        frame = boxes(page, ".plot .nsewdrag")[0]
        after = boxes(page, "figure:first-of-type .ends text")
        assert after and after != before
        assert all(frame[1] - 8 <= y and bottom <= frame[3] + 8 for _, y, _, bottom in after)
        (_, drawn), ends = (
            ticks(page),
            page.evaluate(
                "document.querySelector('.plot')._fullLayout.xaxis.range.map((v) => 10 ** v)"
            ),
        )
        assert len(drawn) >= 2 and all(ends[0] <= t <= ends[1] for t in drawn)


def ticks(page):
    """(All places of ticks, the labelled ones) of the first figure."""
    axis = page.evaluate(
        "(({tickvals, minor}) => [minor?.tickvals ?? [], tickvals])"
        "(document.querySelector('.plot').layout.xaxis)"
    )
    return axis[0], axis[1]


def ticks_stand_at_measured_values(page, width):
    every, labelled = ticks(page)
    assert every == list(NFE) and set(labelled) <= set(NFE) and {5, 50} <= set(labelled)
    assert len(labelled) == 11 if width > 600 else 4 <= len(labelled) < 11  # 35 or 36
    texts = boxes(page, "figure:first-of-type .xaxislayer-above .xtick text")
    assert len(texts) == len(labelled)
    assert all(left[2] < right[0] for left, right in pairwise(sorted(texts)))


SLOPES = """document.querySelector(".plot").layout.shapes.map((s) =>
    [s.name, ...[s.x0, s.y0, s.x1, s.y1].map(Math.log)])"""


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 1440])
def test_ticks_and_slopes_stand_at_the_points(figures, opened, width):
    with opened(figures, width) as page:
        ticks_stand_at_measured_values(page, width)
        drawn = page.evaluate(SLOPES)
        assert len(drawn) >= 2 and {name for name, *_ in drawn} <= {f"order {p}" for p in ORDERS}
        marks = [mark for place in range(6) for mark in points(place)]
        curves = [(math.log(m.x["nfe"]), math.log(e)) for m in marks for e in (m.low, m.high)]
        for name, x0, y0, x1, y1 in drawn:
            order = -(y1 - y0) / (x1 - x0)
            assert order == pytest.approx(int(name[-1]))
            sides = [y + order * x > y0 + order * x0 for x, y in curves]
            assert all(sides) or not any(sides)
        told = page.locator("figure:first-of-type .annotation-text")
        assert told.all_text_contents() == [name for name, *_ in drawn]
        labels = boxes(page, "figure:first-of-type .annotation-text")
        markers = boxes(page, "figure:first-of-type .points path")
        assert not any(touch(one, other) for one in labels for other in markers)
        ranges = "['xaxis', 'yaxis'].map((a) => document.querySelector('.plot').layout[a].range)"
        with_them = page.evaluate(ranges)
        page.evaluate("document.getElementById('guides').click()")
        settle(page)
        assert page.evaluate("document.querySelector('.plot').layout.shapes ?? []") == []
        assert page.evaluate(ranges) == with_them and page.url.endswith("#guides=off")
        page.evaluate("document.getElementById('guides').click()")
        page.locator('.axes button[data-axis="linear"]').first.click()  # there they are no lines
        settle(page)
        assert page.evaluate("document.querySelector('.plot').layout.shapes ?? []") == []


# All that can be chosen, as it is shown.
SEEN = """() => [
    [...document.querySelectorAll("[aria-pressed]")].map((e) =>
        [e.textContent, e.getAttribute("aria-pressed")]),
    [...document.querySelectorAll(".plot")].map((e) =>
        [e.dataset.series, e.dataset.axis, e.layout.yaxis.type]),
    [...document.querySelectorAll("input")].map((e) => [e.value, e.checked]),
    [...document.querySelectorAll("tbody tr:not([hidden])")].map((e) => e.textContent),
    [...document.querySelectorAll("th")].map((e) => e.getAttribute("aria-sort")),
]"""
# Which of some addresses change it.
CHANGING = f"""async (hashes) => {{
    const seen = {SEEN}, first = JSON.stringify(seen()), found = [];
    for (const hash of hashes) {{
        location.hash = hash;
        await new Promise((done) => addEventListener("hashchange", () => setTimeout(done, 20)));
        if (JSON.stringify(seen()) !== first) found.push(hash);
    }}
    return found;
}}"""


def seen(page):
    return page.evaluate(SEEN)


CHOICES = {
    "a hidden curve": lambda p: p.locator(".legend button").nth(5).click(),
    "a sampler off": lambda p: p.locator('.chip[data-value="a=b&c, d+e"]').click(),
    "one sampler": lambda p: p.locator('.chip[data-value="100% <ρ>"]').dblclick(),
    "none": lambda p: p.locator('[aria-label="rho"] .all', has_text="none").click(),
    "another axis": lambda p: p.locator('.axes button[data-axis="time"]').nth(1).click(),
    "linear": lambda p: p.locator('.axes button[data-axis="linear"]').first.click(),
    "no bands": lambda p: p.locator("#bands").uncheck(),
    "sorted": lambda p: (head(p, "NFE"), head(p, "NFE")),
    "filtered": lambda p: p.locator("#filter").fill("100% <ρ> 5"),
}


@pytest.mark.slow
def test_the_address_has_what_is_chosen(figures, opened, browser):
    with opened(figures) as page, opened(figures) as other:
        first, addresses = seen(page), []
        for choose in CHOICES.values():
            choose(page)
            settle(page)
            addresses.append(page.url)
            other.evaluate("(hash) => { location.hash = hash; }", page.url.partition("#")[2])
            settle(other)
            assert seen(other) == seen(page) != first, page.url
        assert len(set(addresses)) == len(CHOICES)
        again = browser.new_page(viewport={"width": 1440, "height": 900})
        again.goto(page.url)
        again.wait_for_selector("html[data-ready]")
        assert seen(page) == seen(again)
        again.close()
        other.evaluate("location.hash = ''")
        settle(other)
        assert seen(other) == first
        other.go_back()
        settle(other)
        assert seen(other) == seen(page)


FOREIGN = (
    "#%", "#%E0%A4%A", "#sampler=%E0", "#=", "#&&=&", "#foo=bar", "#values", "#sampler", "#x=nfe",
    "#sampler=nobody", "#sampler!=nobody", "#x.f=nothing", "#sort=NFE", "#sort=none+up", "#y.f=",
    "#guides=maybe", "#__proto__=1&constructor=2", "#curve.f=%ff", "#filter", "#" + 9999 * "a&",
)  # fmt: skip


@pytest.mark.slow
def test_a_broken_or_foreign_address_changes_nothing(figures, opened):
    with opened(figures) as page:
        assert page.evaluate(CHANGING, list(FOREIGN)) == []
        page.evaluate("location.hash = '#sampler=nobody&sampler=heun&foo=%'")  # what it knows
        settle(page)
        assert set(column(page, "sampler")) == {"heun"} and shown_rows(page) == 4
        page.evaluate("location.hash = '#values'")  # a link to a part of the page
        settle(page)
        assert shown_rows(page) == 4


def test_svg_png_and_pdf_of_a_figure(figures, opened, tmp_path):
    with opened(figures, scheme="dark") as page:
        page.locator(".legend button").first.click()
        with page.expect_download() as download:
            page.locator("figure .svg").first.click()
        texts = [e.text for e in ET.parse(download.value.path()).iter()]
        assert "order 2" in texts and "euler; ρ=4" in texts and "euler; ρ=3" not in texts
        with page.expect_download() as download:
            page.locator("figure .png").first.click()
        assert download.value.suggested_filename == "errors.png"
        download.value.save_as(tmp_path / "errors.png")
        image = Image.open(tmp_path / "errors.png").convert("RGB")
        assert image.width == 1800 and image.height > 1160 and image.getpixel((3, 3)) == (255,) * 3
        assert len(image.getcolors(1 << 20)) > 50
        page.evaluate("window.print = () => { window.printed = document.title; }")
        page.locator("figure .pdf").first.click()
        page.wait_for_function("window.printed")
        assert page.evaluate("window.printed") == "errors"
        pdf = page.pdf(prefer_css_page_size=True)
        assert page.title() == "a page: sampler benchmark" and page.locator(".sheet").count() == 0
    # One page of the figure's size, in points, of letters and vectors and without a picture.
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    sides = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert len(sides) == 1
    assert [float(side) for side in sides[0]] == pytest.approx([900 * 0.75, image.height * 0.375], abs=1)  # noqa: E501  # fmt: skip
    assert b"/Font" in pdf and b"/Subtype /Image" not in pdf
