"""Contact sheets as a page holds them: whole while they fit into its budget, else their first
samples, cut out and scaled down."""

from __future__ import annotations

import io
import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from samplebench.images import contact_sheet, sheet_layout

# Characters that all pictures of a page may take. The other data of 200 cells take about 1.3
# million, so that such a page stays below 4 MB beside Plotly's script.
BUDGET = 2_500_000
# Samples on a whole sheet.
WHOLE = 64


class Excerpt(NamedTuple):
    """How much of each sheet a page holds.

    Attributes:
        samples: the first of the sheet, at most.
        side: pixels of a sample's longer side, at most; 0 for all.
    """

    samples: int
    side: int = 0


# The first that fits the budget is taken, for all sheets of a page, so that equal positions are the
# same seed; the last one in any case. Samples are cut before they are scaled: pixels of a scaled
# sample are means, and two samplers differ in them by less.
LEVELS = (
    Excerpt(WHOLE),
    Excerpt(16),
    Excerpt(16, 64),
    Excerpt(16, 32),
    Excerpt(4, 32),
    Excerpt(4, 16),
    Excerpt(1, 16),
)


@dataclass(frozen=True)
class Thumbnail:
    """A picture in a page.

    Attributes:
        source: data URI of a PNG.
        width, height: of the picture, in pixels.
        count: samples on it.
        whole: samples on the whole sheet.
        columns: tiles in a row.
        tile: (H, W, g), sides of a tile and the gutter between two.
        factor: by which each side of a sample was divided.
    """

    source: str
    width: int
    height: int
    count: int
    whole: int
    columns: int
    tile: tuple[int, int, int]
    factor: int = 1


def fitted(sheets: Sequence[tuple[Path, int]]) -> list[Thumbnail]:
    """The sheets at the first of `LEVELS` at which all of them fit into `BUDGET`.

    Args:
        sheets: (PNG file, samples behind it) of each; at most `WHOLE` samples are on it.

    Raises:
        ValueError: a file is no contact sheet of so many samples.
    """
    for level in LEVELS:
        made, room = [], BUDGET
        for path, samples in sheets:
            made.append(_thumbnail(path, min(samples, WHOLE), level))
            room -= len(made[-1].source)
            if room < 0 and level is not LEVELS[-1]:
                break
        else:
            break
    return made


def _thumbnail(path: Path, count: int, level: Excerpt) -> Thumbnail:
    """The first samples of a sheet of `count`; the file itself where nothing is left out."""
    import numpy as np
    from PIL import Image

    data, columns = path.read_bytes(), 8
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        h, w, gap = sheet_layout(height, width, count)
        factor = math.ceil(max(h, w) / (level.side or max(h, w)))
        if count <= level.samples and factor == 1:
            return Thumbnail(_uri(data), width, height, count, count, columns, (h, w, gap))
        kept = min(count, level.samples)
        places = (divmod(i, columns) for i in range(kept))
        corners = [(c * (w + gap), r * (h + gap)) for r, c in places]
        # Means of whole blocks of pixels.
        tiles = [image.reduce(factor, (x, y, x + w, y + h)) for x, y in corners]
    columns = math.ceil(math.sqrt(kept))
    sheet = contact_sheet(np.stack([np.atleast_3d(np.asarray(tile)) for tile in tiles]), columns)
    buffer = io.BytesIO()
    picture = sheet[..., 0] if sheet.shape[-1] == 1 else sheet
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    height, width = sheet.shape[:2]
    layout = sheet_layout(height, width, kept, columns)
    return Thumbnail(_uri(buffer.getvalue()), width, height, kept, count, columns, layout, factor)


def _uri(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode("ascii")
