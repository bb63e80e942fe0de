"""Published FID values with their conditions, sources and certainty."""

from samplebench.published.conflicts import Conflict, conflicts
from samplebench.published.groups import Band, Line, bands, lines
from samplebench.published.load import csv_text, load
from samplebench.published.record import Published
from samplebench.published.remeasured import Remeasured, load_remeasured

__all__ = [
    "Band",
    "Conflict",
    "Line",
    "Published",
    "Remeasured",
    "bands",
    "conflicts",
    "csv_text",
    "lines",
    "load",
    "load_remeasured",
]
