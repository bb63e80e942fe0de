"""Published FID values with their conditions, sources and certainty."""

from samplebench.published.groups import Band, Line, bands, lines
from samplebench.published.load import csv_text, load
from samplebench.published.record import Published

__all__ = ["Band", "Line", "Published", "bands", "csv_text", "lines", "load"]
