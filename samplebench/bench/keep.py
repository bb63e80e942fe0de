"""What is kept of a plan's images takes so much room: said, and looked for, before it starts."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from samplebench.bench.plan import Plan
from samplebench.errors import EnvironmentError_
from samplebench.metrics.blocks import BLOCKS
from samplebench.metrics.moments import MOST_PARTS, packed_bytes
from samplebench.results.cell import Cell


@dataclass(frozen=True)
class Room:
    """Bytes of one cell.

    Attributes:
        kept: when it is finished.
        underway: beside these while it is sampled.
    """

    kept: int
    underway: int


def moments_bytes(dim: int, count: int) -> int:
    """What moments of `count` samples take, those of their blocks where these are kept."""
    one, blocks = packed_bytes(dim), min(BLOCKS, count)
    return one + (one * blocks if one * blocks < MOST_PARTS else 0)


def room_of(level: str, count: int, dims: tuple[int, ...], shape: tuple[int, ...]) -> Room:
    """What a cell takes.

    Args:
        level: "moments", "features" or "images".
        count: N.
        dims: features of an image, of each extractor.
        shape: of an image, (C, H, W).
    """
    kept = sum(moments_bytes(dim, count) for dim in dims)
    underway = sum(8 * count * dim for dim in dims)
    if level != "moments":
        kept += sum(4 * count * dim for dim in dims)
        underway += sum(4 * count * dim for dim in dims)
    if level == "images":
        kept += count * math.prod(shape)
        underway += count * math.prod(shape)
    return Room(kept, underway)


def rooms(plan: Plan, cells: list[Cell]) -> list[Room]:
    """What each of these cells takes."""
    scores, found = plan.scores, []
    for cell in cells:
        extractors = {
            score.conditions["extractor"]["name"]: score.conditions["extractor"]["feature_dim"]
            for score in scores[cell.hash].values()
        }
        shape = plan.sources[cell.conditions["model"]].checkpoint.shape
        count = cell.conditions["num_samples"]
        found.append(room_of(plan.request.keep, count, tuple(extractors.values()), shape))
    return found


def keeping(plan: Plan) -> str:
    """In words, e.g. "moments, 0.4 MB a cell, 1.6 MB in all"."""
    found = rooms(plan, list(plan.cells.values()))
    each, total = max(room.kept for room in found), sum(room.kept for room in found)
    text = f"{plan.request.keep}, {size(each)} a cell, {size(total)} in all"
    underway = max(room.underway for room in found)
    return f"{text}; {size(underway)} more while running"


def check_room(plan: Plan, cells: list[Cell], folder: Path) -> None:
    """Raises `EnvironmentError_` where the disk has no room for what these cells take."""
    found = rooms(plan, cells)
    if not found:
        return
    needed = sum(room.kept for room in found) + max(room.underway for room in found)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise EnvironmentError_(
            f"keeping {plan.request.keep} of {len(cells)} cells takes {size(needed)}, and {folder} "
            f"has {size(free)} free; make room, choose another --out, or keep less with --keep"
        )


def size(count: int) -> str:
    """Bytes in words: "17 MB", "0.4 MB", "1.2 GB"."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale or unit == "kB":
            value = count / scale
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return ""
