"""A comparison as files."""

from __future__ import annotations

from pathlib import Path

from samplebench.compare.comparison import Comparison
from samplebench.compare.table import csv_of
from samplebench.files.atomic import write_atomic
from samplebench.report.names import safe_name


def folder_name(comparison: Comparison) -> str:
    """Of a folder for it, from the labels of its sides."""
    return safe_name("-".join(["compare", *(side.label for side in comparison.sides)]))


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Writes comparison.csv and compare.html into `out`, in this order.

    Each file is replaced atomically. The same folders give the same bytes.
    """
    from samplebench.compare.page import page_of

    table = csv_of(comparison)
    files = {"comparison.csv": table, "compare.html": page_of(comparison, table)}
    return [write_atomic(out / name, text.encode("utf-8")) for name, text in files.items()]
