"""A figure that notebooks show."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from samplebench.report.plots import settings

# Twice what a page of a notebook has, so that letters are sharp.
_DOTS_PER_INCH = 144


class ShownFigure(Figure):
    """A figure of matplotlib's that a notebook shows, whether or not pyplot was ever imported.

    Pyplot does not know it: it needs no closing.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with settings():
            self.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
        return buffer.getvalue()
