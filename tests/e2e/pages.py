"""What tests read off a page in a real browser: its series, its rows, a column."""

from __future__ import annotations

import re
import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
# Width and colours of a page's reader; all but one are slow.
SIGHTS = [
    (390, "dark"),
    *(
        pytest.param(*each, marks=pytest.mark.slow)
        for each in ((390, "light"), (1440, "light"), (1440, "dark"))
    ),
]


def series(page):
    return int(page.locator(".plot").first.get_attribute("data-series"))


def shown_rows(page):
    return page.locator("table.sortable tbody tr:not([hidden])").count()


def column(page, head):
    """The texts of a column, top to bottom."""
    heads = page.locator("table.sortable th").all_inner_texts()
    place = next(i for i, text in enumerate(heads) if text.startswith(head))
    cells = page.locator(f"table.sortable tbody tr:not([hidden]) td:nth-child({place + 1})")
    return cells.all_inner_texts()


def head(page, name):
    page.locator("table.sortable th button", has_text=re.compile(rf"^{name}( \(|$)")).click()
