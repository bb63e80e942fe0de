"""What a preset takes: evaluations, images, and GPU-hours by operations over a stated speed."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

from samplebench.bench.plan import Plan

# TFLOP/s that a network achieves on a GPU: assumed, as in docs/scaling.md; none was measured.
SPEEDS = (40, 150)
# Of an image: the features of FID.
_INCEPTION = 11.4


@dataclass(frozen=True)
class Cost:
    """Of one plan.

    Attributes:
        images: to be drawn, all ranges of seeds together.
        evaluations: of the network.
        passes: of guidance, beside these.
        pflop: of all of it and of FID's features; None where a network's operations are not known.
    """

    images: int
    evaluations: int
    passes: int
    pflop: float | None

    def hours(self, speed: float) -> float | None:
        """On one GPU of so many TFLOP/s.

        The network's operations are counted, the seconds beside them (docs/scaling.md) are not.
        """
        return None if self.pflop is None else self.pflop / speed / 3.6


@cache
def gflop() -> dict[str, float]:
    """GFLOP (2 x multiply-adds) of one evaluation of one image, by id; of a classifier's gradient.

    gflop.csv was counted on the released networks' shapes.
    """
    text = (resources.files("samplebench.reproduce") / "gflop.csv").read_text(encoding="utf-8")
    return {row["model"]: float(row["gflop"]) for row in csv.DictReader(io.StringIO(text))}


def cost_of(plan: Plan) -> Cost:
    """What the cells of a plan take; nothing is read of what is there already."""
    cells = list(plan.cells.values())
    images = sum(cell.conditions["num_samples"] for cell in cells)
    each = [(cell.conditions["num_samples"], cell.nfe or 0, cell.guide_nfe or 0) for cell in cells]
    evaluations = sum(n * nfe for n, nfe, _ in each)
    passes = round(sum(n * guide for n, _, guide in each))
    known = gflop()
    (source,) = plan.sources.values()
    guides = sum(known.get(name, 0.0) for name in source.guides)
    pflop = None
    if source.checkpoint.id in known and all(name in known for name in source.guides):
        own = known[source.checkpoint.id]
        pflop = (evaluations * own + passes * guides + images * _INCEPTION) / 1e6
    return Cost(images, evaluations, passes, pflop)
