"""What a report is made from: rows, cell records and sample sheets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from samplebench.results.record import Record
from samplebench.results.row import Row


@dataclass(frozen=True)
class View:
    """The state of one sweep, ready to be shown.

    Attributes:
        title: name of the sweep, e.g. of its output folder.
        rows: one per curve point.
        cells: records by cell hash.
        sheets: cell hash -> lossless PNG of its first 64 samples, 8 x 8 tiles of H x W pixels with
            gutters between them (`images.gutter`; older ones have none).
        pending: number of planned cells that have no result yet.
    """

    title: str
    rows: list[Row]
    cells: dict[str, Record]
    sheets: dict[str, Path]
    pending: int = 0


def failure(record: Record) -> str:
    """Why a cell has no value, a line; "" where it has one."""
    if record.get("failed"):
        return str(record["failed"])
    if record.get("nonfinite"):  # a record of an older version
        n = record["conditions"].get("num_samples", 0)
        return f"{record['nonfinite']} of {n} samples are not finite"
    return ""


def caveats(record: Record) -> list[str]:
    """What a reader must know beside a cell's values, in words."""
    found = []
    if reason := failure(record):
        found.append(f"{reason}: no value")
    if record.get("nfe_planned", record.get("nfe")) != record.get("nfe"):
        found.append(f"{record['nfe']} evaluations counted, {record['nfe_planned']} planned")
    doubts = record.get("unsteady", [])
    if not (doubts or record.get("seed_reproducible", True)):  # a record of an older version
        doubts = ["the sampler draws from torch's global generator"]
    found += [f"not seed-reproducible: {doubt}" for doubt in doubts]
    if record.get("not_reusable"):
        found.append(f"computed anew each time: {record['not_reusable']}")
    if few := few_samples(record):
        found.append(few)
    return found


def few_samples(record: Record) -> str:
    """That a cell has no more samples than features, a line; "" where it has."""
    conditions = record["conditions"]
    n, dim = conditions.get("num_samples", 0), conditions.get("extractor", {}).get("feature_dim", 0)
    if not 0 < n <= dim:
        return ""
    return f"N = {n} is not above the {dim} features: the value means little"
