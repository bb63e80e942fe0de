"""Several metrics on one page in a real browser: one at a time, values of any sign."""

from __future__ import annotations

import os

import pytest

from samplebench.report.html import render_html
from samplebench.results.view import View
from tests.e2e.pages import NEEDS_CHROMIUM, column, head

pytestmark = NEEDS_CHROMIUM
METRICS = {"fd-toy": "lower", "kd-toy": "lower", "recall-toy": "higher"}
SHOWN = """[...document.querySelectorAll("figure[data-figure]:not([hidden])")].map((f) =>
    f.querySelector("h3").textContent)"""
DRAWN = """[...document.querySelectorAll("figure:not([hidden]) .plot")].map((plot) =>
    plot.data.filter((t) => t.marker).map((t) => t.y))"""


@pytest.fixture(scope="module")
def page_of_three(tmp_path_factory):
    """Two models, two samplers, three budgets; kd-toy goes down through zero."""
    rows, scores = [], {}
    for model in ("first", "second"):
        for place, sampler in enumerate(("euler", "heun")):
            for nfe in (5, 10, 20):
                cell = f"{len(rows):064x}"
                distance = (9 + place) / nfe
                values = {"fd-toy": distance, "kd-toy": 1e-4 * (distance - 0.6)}
                values["recall-toy"] = 1 / (1 + distance)
                rows.append({
                    "model": model, "sampler": sampler, "params": "", "discretization": "edm",
                    "rho": 7.0, "steps": nfe, "nfe": nfe, "nfe_requested": nfe, "seed": 0,
                    "repeats": 1, "num_samples": 64, "protocol": "toy", "dtype": "float64",
                    "reference": "toy@cdcdcdcd", "cell": cell,
                    **{k: v for name, value in values.items()
                       for k, v in ((name, value), (f"{name}_stderr", abs(value) / 20))},
                })  # fmt: skip
                if (model, sampler, nfe) == ("second", "heun", 20):
                    rows[-1]["fd-toy_stderr"] = 1.1 * distance
                for name, value in values.items():
                    scores[cell, name, "toy@cdcdcdcd"] = {
                        "conditions": {"cell": cell, "metric": name},
                        "value": {"value": value, "stderr": 0.1, "better": METRICS[name]},
                    }
    path = tmp_path_factory.mktemp("three") / "report.html"
    path.write_text(render_html(View("three", rows, {}, {}, scores=scores)), "utf-8")
    return path


def switch(page, metric):
    page.locator(".tab:visible", has_text=metric).first.click()
    page.wait_for_function(f"{SHOWN}.every((title) => title.includes('{metric}'))")


def said(page):
    return page.locator("#best tbody:visible th").all_inner_texts()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), pytest.param(390, "dark", marks=pytest.mark.slow)]
)
def test_one_metric_at_a_time_for_every_model(page_of_three, opened, width, scheme):
    with opened(page_of_three, width, scheme) as page:
        table = page.locator("table.sortable").inner_text()
        for metric, better in METRICS.items():
            if metric == "kd-toy":
                page.locator(".side input[type=radio]").first.focus()
                page.keyboard.press("ArrowRight")
            elif metric != "fd-toy":
                switch(page, metric)
            title = f"{metric} ({better} is better)"
            page.wait_for_function(f"{SHOWN}.join() === 'first: {title},second: {title}'")
            assert page.locator(".plot:visible").count() == 2
            for plot in page.locator(".plot:visible").all():
                assert plot.locator(".points path").count() == 6
            # The switch stands at the best and at the figures, and both say the same.
            assert page.locator(".tab:has(:checked)").all_inner_texts() == [metric, metric]
            assert said(page) == [f"first, {title}", f"second, {title}"]
            winners = page.locator("#best tbody:visible tr td:nth-child(2)").all_inner_texts()
            assert winners == ["euler, ρ=7"] * 6
            assert page.locator("table.sortable").inner_text() == table
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if out := os.environ.get("SAMPLEBENCH_SHOTS"):
                page.screenshot(path=f"{out}/{metric}-{width}-{scheme}.png", full_page=True)
        for metric in METRICS:
            head(page, metric)
            orders = [float(text.strip("(").split(" ")[0]) for text in column(page, metric)]
            assert orders == sorted(orders) and len(set(orders)) > 3
        # Printed is what is shown.
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        page.wait_for_timeout(300)
        assert page.locator("figure[data-figure]:visible").count() == 2
        assert said(page)[0] == "first, recall-toy (higher is better)"
        assert page.locator(".tab:visible, .choices:visible").count() == 0


def test_what_a_log_axis_does_not_show_is_said(page_of_three, opened):
    with opened(page_of_three) as page:
        # An error bar of the second model's reaches zero: its axis is plain until it is switched.
        first, second = (page.locator("figure:not([hidden])").nth(place) for place in (0, 1))
        for figure, scale in ((first, "log"), (second, "linear")):
            assert figure.locator('.scale [aria-pressed="true"]').inner_text() == scale
        assert page.locator(".unseen:visible").count() == 0
        second.locator(".scale button", has_text="log").click()
        second.locator(".unseen:visible").wait_for()
        text = "1 error band reaches 0 or below and is cut off."
        assert second.locator(".unseen").inner_text() == text
        page.locator("#bands").uncheck()
        second.locator(".unseen").wait_for(state="hidden")

        switch(page, "kd-toy")
        drawn = page.evaluate(DRAWN)[0]
        assert min(map(min, drawn)) < 0 < max(map(max, drawn))
        assert any("e−" in text for text in first.locator(".ytick text").all_text_contents())
        first.locator(".scale button", has_text="log").click()
        first.locator(".unseen:visible").wait_for()
        text = "Not shown on a log axis: 2 values at or below 0."
        assert first.locator(".unseen").inner_text() == text
        left = [y for ys in page.evaluate(DRAWN)[0] for y in ys]
        assert left.count(None) == 2 and min(y for y in left if y is not None) > 0
        first.locator(".scale button", has_text="linear").click()
        page.wait_for_function(f"{DRAWN}[0].flat().every((y) => y !== null)")
        assert page.evaluate(DRAWN)[0] == drawn and page.locator(".unseen:visible").count() == 0


def test_one_metric_has_no_switch(opened, tmp_path):
    rows = [{
        "model": "m", "sampler": s, "params": "", "discretization": "edm", "rho": 7.0, "steps": 5,
        "nfe": 5, "nfe_requested": 5, "seed": 0, "repeats": 1, "num_samples": 64, "cell": "",
        "protocol": "toy", "dtype": "float64", "fd-digits": 1.5, "fd-digits_stderr": 0.1,
    } for s in ("euler", "heun")]  # fmt: skip
    path = tmp_path / "one.html"
    path.write_text(render_html(View("one", rows, {}, {})), "utf-8")
    with opened(path) as page:
        assert page.locator(".tab").count() == 0
        assert page.locator(".plot:visible").count() == 1
        assert page.locator("#best tbody:visible").count() == 1
