"""What a page holds of its contact sheets: whole ones, or their first samples, scaled."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from samplebench.images import contact_sheet, gutter, sheet_layout
from samplebench.report import thumbnails
from samplebench.report.html import render_html
from samplebench.report.sheets import sheets_of
from samplebench.report.thumbnails import BUDGET, LEVELS, fitted
from samplebench.results.view import View

SHAPES = [(8, 8, 1), (1, 2, 1), (32, 32, 3), (64, 64, 3), (28, 20, 1), (128, 128, 3)]


def samples(shape, count=64):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def saved(path, images):
    sheet = contact_sheet(images)
    Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(path)
    return path


def pixels(thumbnail):
    data = base64.b64decode(thumbnail.source.removeprefix("data:image/png;base64,"))
    return np.atleast_3d(np.asarray(Image.open(io.BytesIO(data))))


def tiles(thumbnail):
    """The samples on it, [n, H, W, C]."""
    (h, w, gap), found = thumbnail.tile, pixels(thumbnail)
    assert found.shape[:2] == (thumbnail.height, thumbnail.width)
    places = [divmod(i, thumbnail.columns) for i in range(thumbnail.count)]
    return np.stack([found[r * (h + gap) :, c * (w + gap) :][:h, :w] for r, c in places])


@pytest.mark.parametrize("count", [1, 7, 8, 12, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_layout_of_a_sheet_is_found_from_its_size(shape, count):
    height, width = contact_sheet(samples(shape, count)).shape[:2]
    assert sheet_layout(height, width, count) == (*shape[:2], gutter(*shape[:2]))


def test_sheets_of_an_older_version_have_no_gutters_and_others_are_no_sheets():
    assert sheet_layout(64, 64, 64) == (8, 8, 0)
    assert sheet_layout(512, 512, 64) == (64, 64, 0)
    with pytest.raises(ValueError, match="65 x 64 pixels are no contact sheet of 64 samples"):
        sheet_layout(65, 64, 64)


def test_what_fits_is_the_file_itself(tmp_path):
    path = saved(tmp_path / "a.png", samples((8, 8, 1)))
    (found,) = fitted([(path, 50_000)])
    assert base64.b64decode(found.source.partition(",")[2]) == path.read_bytes()
    assert (found.count, found.whole, found.columns, found.factor) == (64, 64, 8, 1)


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_thumbnail_has_the_first_samples_scaled_by_a_whole_factor(
    shape, level, tmp_path, monkeypatch
):
    monkeypatch.setattr(thumbnails, "LEVELS", (level,))
    images = samples(shape)
    (found,) = fitted([(saved(tmp_path / "a.png", images), 64)])
    assert (found.count, found.whole) == (level.samples, 64)
    shown, (h, w, _) = tiles(found), found.tile
    assert max(h, w) <= (level.side or max(shape))
    if h * found.factor == shape[0] and w * found.factor == shape[1]:
        blocks = images[: found.count].reshape(found.count, h, found.factor, w, found.factor, -1)
        assert np.abs(shown - blocks.mean((2, 4))).max() <= 0.5


@pytest.mark.parametrize("cells", [1, 60, pytest.param(200, marks=pytest.mark.slow)])
def test_all_sheets_of_a_page_fit_its_budget_at_the_same_level(cells, tmp_path):
    """Noise, which no PNG makes smaller, of 32 x 32 pixels."""
    path = saved(tmp_path / "a.png", samples((32, 32, 3)))
    found = fitted([(path, 64)] * cells)
    assert len(found) == cells and len(set(found)) == 1
    assert sum(len(one.source) for one in found) <= BUDGET
    assert found == fitted([(path, 64)] * cells)


def test_the_page_says_what_it_holds_and_links_the_rest(tmp_path, monkeypatch):
    (tmp_path / "cells").mkdir()
    rows, sheets = [], {}
    for nfe in (5, 10):
        cell = f"{nfe:064x}"
        rows.append({
            "model": "toy", "sampler": "euler", "params": "", "discretization": "edm", "rho": 7.0,
            "steps": nfe, "nfe": nfe, "nfe_requested": nfe, "seed": 0, "repeats": 1,
            "num_samples": 64, "protocol": "toy", "dtype": "float64", "fid": 9 / nfe, "cell": cell,
        })  # fmt: skip
        sheets[cell] = saved(tmp_path / "cells" / f"{cell}.png", samples((32, 32, 3)))
    view = View("toy", rows, {}, sheets)
    text = render_html(view, folder=tmp_path)
    assert "The first 64 samples of each cell." in text and "whole sheet" not in text
    for budget, said in (
        (150_000, "The first 16 of 64 samples of each cell."),
        (20_000, "The first 4 of 64 samples of each cell, scaled to 16 × 16 pixels."),
    ):
        monkeypatch.setattr(thumbnails, "BUDGET", budget)
        text = render_html(view, folder=tmp_path)
        assert said in text and "PNG files in the folder <code>cells</code>" in text
        linked = re.findall(r'href="(cells/\w+\.png)"', text)
        assert [tmp_path / link for link in linked] == list(sheets.values())
        assert re.findall(r'href="([^"]*\.png)"', render_html(view).partition("<script")[0]) == []
        assert sheets_of(view).comparable
