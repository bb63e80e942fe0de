"""`samplebench compare` as a user runs it, and its page in a real browser."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from samplebench.files.sealed import CHECKSUM, json_checksum
from tests.e2e.pages import NEEDS_CHROMIUM, column, series, shown_rows


@pytest.fixture(scope="module")
def made(command, finished, tmp_path_factory):
    """A working folder with a sweep, one in which all values but one are larger, and both
    compared."""
    folder = tmp_path_factory.mktemp("compare")
    _, other = (shutil.copytree(finished, folder / name) for name in ("base", "<b>other"))
    for place, path in enumerate(sorted((other / "scores").glob("*.json"))):
        score = json.loads(path.read_text())
        for key in ("value", "deleted") if place else ():
            old = score["value"][key]
            score["value"][key] = [d + 0.5 for d in old] if key == "deleted" else old + 0.5
        score[CHECKSUM] = json_checksum(score)
        path.write_text(json.dumps(score))
    done = command("compare", "base", "<b>other", "--out", "out", cwd=folder)
    assert done.code == 0, done.err
    return folder, done


def test_files_and_table(made, command):
    folder, done = made
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["compare.html", "comparison.csv"]
    with (folder / "out" / "comparison.csv").open(newline="") as file:
        verdicts = [row["verdict"] for row in csv.DictReader(file)]
    assert sorted(verdicts) == ["tie", "worse", "worse", "worse"]
    assert "<b>other against base: 3 worse, 1 tie" in done.out and done.err == ""
    assert done.out.splitlines()[-1] == "page: out/compare.html"
    before = [p.read_bytes() for p in (folder / "out").iterdir()]
    again = command("compare", "base", "<b>other", "--out", "out", "--json", cwd=folder)
    assert (again.code, again.err) == (0, "")
    assert [one["verdict"] for one in json.loads(again.out)["differences"]] == verdicts
    assert [p.read_bytes() for p in (folder / "out").iterdir()] == before
    quiet = command("compare", "base", "<b>other", "--quiet", "--metric", "fd-digits", cwd=folder)
    assert "page:" not in quiet.out
    assert len(list((folder / "reports").glob("compare-base-*/compare.html"))) == 1


WRONG = {
    "base": (2, "needs two results folders"),
    "base base": (2, "base is given twice"),
    "base bse": (2, "unknown results folder 'bse'; did you mean 'base'?"),
    "base .": (2, ". is not a results folder; in it are"),
    "base base/cells": (2, "base/cells is not a results folder"),
    "base <b>other --metric fd-digit": (2, "did you mean 'fd-digits'?"),
    "base <b>other --metric fd-digits,": (2, "--metric is empty or has an empty item"),
    "base <b>other --out base/results.csv": (2, "exists and is not a folder"),
    "base <b>other --metrik fid": (2, "did you mean '--metric'?"),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_mistake_is_one_line(made, command, one_line, words):
    folder, _ = made
    code, message = WRONG[words]
    one_line(command("compare", *words.split(), cwd=folder), code, message)


def test_it_needs_no_torch(made, python):
    folder, _ = made
    code = (
        "import sys; sys.modules['torch'] = None; from samplebench.cli import main; "
        f"code = main(['compare', '{folder}/base', '{folder}/<b>other', '--quiet']); "
        "print(code, *({'scipy', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.out.splitlines()[-1] == "0", done.err


@NEEDS_CHROMIUM
@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 1440])
def test_the_page_in_a_browser(made, opened, width):
    folder, _ = made
    with opened(folder / "out" / "compare.html", width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (series(page), shown_rows(page)) == (4, 4)
        assert sorted(column(page, "verdict")) == ["≈ tie", "✗ worse", "✗ worse", "✗ worse"]
        assert "<b>other" in page.locator("h1").inner_text()
        curves, apart = page.locator(".plot").all()
        # A line at zero below the differences alone, which have no log axis.
        assert (curves.locator(".zl").count(), apart.locator(".zl").count()) == (0, 1)
        switches = page.locator("figure .scale")
        assert [s.locator("button").count() for s in switches.all()] == [2, 0]
        drawn = apart.evaluate("e => e.data.flatMap((t) => t.marker.symbol)")
        assert sorted(s.endswith("-open") for s in drawn) == [False, False, False, True]
        assert apart.locator(".errorbar").count() == 4
        if width > 1000:
            page.locator('.chip[data-value="heun"]').click()
            assert (series(page), shown_rows(page)) == (2, 2)
            page.locator('.chip[data-value="<b>other"]').click()
            assert (series(page), shown_rows(page)) == (1, 0)


@pytest.mark.slow
@NEEDS_CHROMIUM
def test_colours_of_verdicts_stand_out_from_the_page(made, opened):
    """At least 4.5 : 1 on white and on near-black, as text needs it."""
    folder, _ = made
    luminance = """(name) => {
        const probe = document.createElement("i");
        probe.style.color = `var(${name})`; document.body.append(probe);
        const part = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number).map(part);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }"""
    for scheme in ("light", "dark"):
        with opened(folder / "out" / "compare.html", scheme=scheme) as page:
            ground = page.evaluate(luminance, "--page")
            for name in ("--accent", "--worse"):
                text = page.evaluate(luminance, name)
                high, low = max(ground, text), min(ground, text)
                assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, name)


@pytest.mark.slow
@NEEDS_CHROMIUM
def test_the_printed_page_is_whole(made, opened):
    folder, _ = made
    with opened(folder / "out" / "compare.html") as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 700, "height": 1000})  # of an A4 page
        page.wait_for_timeout(300)
        wide = page.evaluate(
            "[...document.querySelectorAll('.main-svg, table, .legend')]"
            ".map((e) => e.getBoundingClientRect().right)"
        )
        assert max(wide) <= 700
        assert not page.locator(".controls, .search, .quiet-button").first.is_visible()


@pytest.mark.slow
@NEEDS_CHROMIUM
def test_the_page_is_used_by_keyboard(made, opened):
    """The switches, the heads of the table and both tables that scroll are reached."""
    folder, _ = made
    with opened(folder / "out" / "compare.html") as page:
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(
                "(document.activeElement.getAttribute('aria-label') "
                "|| document.activeElement.textContent).trim()"
            ))  # fmt: skip
        assert {"What differs", "Table of values", "heun", "verdict", "Download CSV"} <= reached
