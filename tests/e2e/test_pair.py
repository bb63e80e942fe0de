"""Two contact sheets in one place: by turns, as their difference, by mouse and keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from samplebench.images import contact_sheet
from samplebench.report.html import render_html
from samplebench.results.view import View
from tests.e2e.pages import NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM
# What the second curve adds to the samples of the first, place by place.
STEP = 8


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 200, (64, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def path(images, tmp_path_factory):
    """Two curves of equal seeds at NFE 5 and 10, and one of other seeds."""
    folder, rows, sheets, cells = tmp_path_factory.mktemp("pair"), [], {}, {}
    for place, (sampler, seed) in enumerate((("one", 0), ("two", 0), ("three", 64))):
        for nfe in (5, 10):
            cell = f"{place:032x}{nfe:032x}"
            rows.append({
                "model": "toy", "sampler": sampler, "params": "", "discretization": "edm",
                "rho": 7.0, "steps": nfe, "nfe": nfe, "nfe_requested": nfe, "seed": seed,
                "repeats": 1, "num_samples": 64, "protocol": "toy", "dtype": "float64",
                "fd-toy": 9 / nfe, "fd-toy_stderr": 0.1, "cell": cell,
            })  # fmt: skip
            cells[cell] = {"conditions": {"seed": seed, "num_samples": 64}}
            sheets[cell] = folder / f"{cell}.png"
            # At NFE 10 half of the samples are those of the first curve.
            moved = images.copy()
            moved[32 if nfe == 10 else 0 :] += STEP * place
            Image.fromarray(contact_sheet(moved)).save(sheets[cell])
    (folder / "report.html").write_text(render_html(View("pair", rows, cells, sheets)), "utf-8")
    return folder / "report.html"


def curves(page, side):
    return page.locator(f"#pair [data-side={side}] .curve")


def budget(page, side):
    return page.locator(f"#pair [data-side={side}] .budget")


def seen(page):
    """What stands in the one place: "first", "second" or "difference"."""
    return page.evaluate(
        "['first', 'second', 'difference'].filter((_, i) =>"
        " getComputedStyle(document.querySelector('#pair .stage').children[i]).visibility"
        " === 'visible').join()"
    )


def opened_panel(page):
    page.locator("#pair summary").click()
    page.locator("#pair output", has_text="levels").wait_for()


def pixels(page):
    """The canvas, [H, W, 3]."""
    height, width, data = page.evaluate(
        "(() => { const c = document.querySelector('#pair canvas'), d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height); return [d.height, d.width, [...d.data]]; })()"
    )
    return np.array(data).reshape(height, width, 4)[..., :3]


def test_the_difference_is_that_of_the_samples(path, images, opened):
    with opened(path) as page:
        page.emulate_media(reduced_motion="reduce")
        opened_panel(page)
        assert (page.locator("#pair .play").inner_text(), seen(page)) == ("Play", "first")
        assert curves(page, "first").locator("option").all_inner_texts() == [
            "one, ρ=7, seed 0", "two, ρ=7, seed 0", "three, ρ=7, seed 64",
        ]  # fmt: skip
        # Other seeds cannot be set on these.
        assert curves(page, "second").locator("option").all_inner_texts() == [
            "one, ρ=7, seed 0", "two, ρ=7, seed 0",
        ]  # fmt: skip
        said = page.locator("#pair output")
        assert f"mean absolute difference {STEP / 2:.2f} of 255" in said.inner_text()
        for gain in (1, 4):
            page.locator("#pair label", has_text="difference").click()
            page.locator("#pair label", has_text=f"{gain}×").click()
            shown = pixels(page)
            expected = contact_sheet(np.where(np.arange(64) < 32, 0, STEP)[:, None, None, None]
                                     * np.ones((1, 8, 8, 3), int))  # fmt: skip
            expected[expected == 128] = 0  # gutters are equal in both
            assert (shown == 128 + gain * expected / 2).all()
        budget(page, "first").select_option(label="5")
        budget(page, "second").select_option(label="5")
        said.filter(has_text=f"{STEP:.2f} of 255").wait_for()
        curves(page, "second").select_option(label="one, ρ=7, seed 0")
        said.filter(has_text="0.00 of 255").wait_for()
        assert (pixels(page) == 128).all()
        assert seen(page) == "difference"  # nothing moves by itself
        # A curve of other seeds takes its partner along.
        curves(page, "first").select_option(label="three, ρ=7, seed 64")
        said.filter(has_text=re.compile("^three.*NFE 5 and three.*NFE 10")).wait_for()


@pytest.mark.slow
def test_keys_buttons_and_the_clock_swap_the_pictures(path, opened):
    with opened(path) as page:
        opened_panel(page)
        play, radio = page.locator("#pair .play"), page.locator("#pair [name=pair-view]")
        assert play.inner_text() == "Pause"  # it began by itself
        now = seen(page)
        page.wait_for_function(
            "now => document.querySelector('#pair [name=pair-view]:checked').value !== now",
            arg=now, timeout=2000,
        )  # fmt: skip
        play.click()
        assert play.inner_text() == "Play"
        still = seen(page)
        page.wait_for_timeout(700)
        assert seen(page) == still
        radio.first.check(force=True)
        assert seen(page) == "first"
        for key, view in (
            (" ", "second"), (" ", "first"), ("ArrowRight", "second"), ("ArrowRight", "difference"),
            ("ArrowLeft", "second"), (" ", "first"),
        ):  # fmt: skip
            page.keyboard.press(key)
            assert seen(page) == view
        page.locator("#pair .swap").click()
        assert seen(page) == "second"
        page.locator("#pair .stage").click()
        assert seen(page) == "first"
