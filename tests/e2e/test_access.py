"""Every page for readers with a keyboard, a screen reader, a small screen or dark mode."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e import invented
from tests.e2e.pages import NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM
KINDS = (
    "report", "trajectory", "published", "comparison", "board", "tune", "reproduction", "exposure",
)  # fmt: skip
# One combination is quick, the others are slow.
QUICK = {("report", 1440, "light")}
SEEN = [
    pytest.param(*each, marks=() if each in QUICK else pytest.mark.slow)
    for each in ((k, w, s) for k in KINDS for w in (390, 1440) for s in ("light", "dark"))
]
WORST = {"serious", "critical"}
# What a reader may open, opened.
OPEN = """document.querySelectorAll("details").forEach((each, i) => {
    if (!each.id.startsWith("cell-") || each.id === document.querySelector("[id^=cell-]").id)
        each.open = true; })"""
CONTROLS = "a[href], button, select, input, summary, [tabindex='0']"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`made(kind)`: the path of a page, made once."""
    paths = {}

    def make(kind):
        if kind not in paths:
            paths[kind] = getattr(invented, kind)(tmp_path_factory.mktemp(kind))
        return paths[kind]

    return make


@pytest.mark.parametrize(("kind", "width", "scheme"), SEEN)
def test_no_rule_of_axe_is_broken_badly(kind, width, scheme, made, opened):
    with opened(made(kind), width, scheme) as page:
        page.evaluate(OPEN)
        if page.locator("#pair").count():
            page.locator("#pair output", has_text="levels").wait_for()
        found = Axe().run(page).response
        assert len(found["passes"]) > 10
        assert [
            (each["id"], [node["target"] for node in each["nodes"]])
            for each in found["violations"]
            if each["impact"] in WORST
        ] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_is_reached_in_order_and_is_seen_to_have_the_focus(made, opened):
    with opened(made("report")) as page:
        page.evaluate("document.querySelector('#pair').open = true")
        page.locator("#pair .play", has_text="Pause").click()
        page.evaluate(
            f"""[...document.querySelectorAll("{CONTROLS}")].forEach((e, i) => e.dataset.place = i);
            document.activeElement.blur()"""
        )
        # Of radio buttons of one name the checked one is reached.
        wanted = page.evaluate(
            f"""[...document.querySelectorAll("{CONTROLS}")].filter((e) => !e.disabled
                && e.tabIndex === 0 && e.checkVisibility({{visibilityProperty: true}})
                && (e.type !== "radio" || e.checked)).map((e) => Number(e.dataset.place))"""
        )
        page.mouse.click(2, 2)
        reached, unseen = [], []
        for _ in wanted:
            page.keyboard.press("Tab")
            place, name, line = page.evaluate(
                """(() => { const e = document.activeElement, shown = e.closest(".tab") ?? e,
                    style = getComputedStyle(shown); return [Number(e.dataset.place),
                    e.textContent.trim() || e.ariaLabel || e.className,
                    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2]; })()"""
            )
            reached.append(place)
            unseen += [] if line else [name]
        assert reached == wanted and len(wanted) > 40
        assert unseen == []


@pytest.mark.slow
def test_the_first_stop_leads_past_the_header(made, opened):
    with opened(made("trajectory")) as page:
        page.keyboard.press("Tab")
        link = page.locator(":focus")
        assert link.inner_text() == "Skip to the content" and link.bounding_box()["height"] > 20
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.slow
def test_the_values_of_a_figure_are_told_as_a_table_of_what_is_shown(made, opened):
    """Also of the error after every step, of which the page's table has the last alone."""
    with opened(made("trajectory")) as page:
        box = page.locator("[data-figure=levels]")
        assert "values are below the legend" in box.locator(".plot").get_attribute("aria-label")
        assert box.locator(".figure-values table").count() == 0
        box.locator(".figure-values summary").click()
        rows = box.locator(".figure-values tbody tr")
        rows.first.wait_for()
        # Positive levels of 4, 8 and 16 steps, of two samplers with two rho.
        assert rows.count() == 4 * (3 + 7 + 15)
        heads = box.locator(".figure-values thead th").all_inner_texts()
        assert heads == ["curve", "noise level σ of the state", "error (RMS per sample)", "low",
                         "high"]  # fmt: skip
        page.locator('.chip[data-value="heun"]').click()
        assert rows.count() == 2 * (3 + 7 + 15)
        assert all(text.startswith("euler") for text in rows.all_inner_texts())


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.slow) for k in KINDS if k != "report"] + ["report"]
)
def test_a_page_prints_white_without_controls_and_within_the_paper(kind, made, opened):
    """Wide tables have their pages in landscape; all else fits A4 in portrait."""
    with opened(made(kind), 680, "dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_timeout(300)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
            "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)",
        )  # fmt: skip
        buttons = "button:not(.enlarge, .legend button)"
        shown = page.locator(f"{buttons}, select, input, #pair, .skip").all()
        # Heads of the table are words in buttons.
        names = [e.inner_text() for e in shown if e.is_visible()]
        heads = page.locator("table.sortable th").all_inner_texts()
        assert [name for name in names if name not in heads] == []
        too_wide = """(paper) => [...document.querySelectorAll("table, .main-svg, .legend, p, dl")]
            .filter((e) => e.getBoundingClientRect().right > paper
                && !(paper < 700 && e.closest(".wide"))).map((e) => e.className)"""
        assert page.evaluate(too_wide, 681) == []
        page.set_viewport_size({"width": 1031, "height": 700})  # A4 in landscape
        assert page.evaluate(too_wide, 1032) == []
