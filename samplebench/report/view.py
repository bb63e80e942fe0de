"""What a report is made from: plain rows, cell records and sample sheets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class View:
    """The state of one sweep, ready to be shown.

    Attributes:
        title: name of the sweep, e.g. of its output folder.
        rows: one per curve point; keys as in `fields.LEADING`, then `<metric>` and
            `<metric>_stderr` for every metric, then `cell`.
        cells: cell hash -> cell record (the parsed JSON).
        sheets: cell hash -> lossless PNG of its first 64 samples, 8 x 8 tiles of H x W pixels.
        pending: number of planned cells that have no result yet.
    """

    title: str
    rows: list[dict[str, Any]]
    cells: dict[str, dict[str, Any]]
    sheets: dict[str, Path]
    pending: int = 0
