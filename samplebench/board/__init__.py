"""The exact board: every sampler on models in closed form, where no network and no luck counts.

    from pathlib import Path
    from samplebench.board import Shelf, measure, points_of, rows_of
    from samplebench.checkpoints.catalog import checkpoint

    entry = checkpoint("exact-2d")
    points = points_of(entry, guests=[my_sampler], budgets=[6, 10])
    rows = rows_of(measure(entry, points, Shelf(Path("board"))))

Data whose law is known have exact draws and an exact denoiser. A sampler's error there is its own:
how far its samples are from exact draws (W2, by exact assignment), and how far each is from where
the ODE leads (truncation error).
"""

from __future__ import annotations

from samplebench.board.entrants import BUDGETS, MODELS, Absent, Entrant, absent, points_of
from samplebench.board.measure import ModelBoard, measure
from samplebench.board.store import Shelf
from samplebench.board.table import BoardRow, read_rows, rows_of, write_rows

__all__ = [
    "BUDGETS",
    "MODELS",
    "Absent",
    "BoardRow",
    "Entrant",
    "ModelBoard",
    "Shelf",
    "absent",
    "measure",
    "points_of",
    "read_rows",
    "rows_of",
    "write_rows",
]
