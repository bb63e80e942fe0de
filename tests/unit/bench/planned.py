"""A request's words to its plan, its cells' hashes, its rows and what its cells share."""

from __future__ import annotations

import torch

from samplebench.bench import plan as planning
from samplebench.bench.loaded import Bench, load_extractors
from samplebench.bench.request import Request
from samplebench.bench.scores import Scoring

BASE = {"sampler": "edm", "param": "edm.S_churn=10", "nfe": 9}


def make(**words):
    return planning.make(Request.of(**words))


def cells(**words):
    """Hashes of all cells, in order."""
    return list(make(**words).cells)


def rows(**words):
    return [dict(row.columns) for row in make(**words).rows]


def loaded(plan, block=64):
    """`Bench` and `Scoring` of a plan's one model."""
    ((name, source),) = plan.sources.items()
    scores = [score for each in plan.scores_of(name).values() for score in each]
    device = torch.device("cpu")
    extractors = load_extractors(scores, source.measures, device)
    bench = Bench.of(source.checkpoint, extractors, block, device, None)
    return bench, Scoring(source.measures, device)


def planned(**words):
    """The one cell of a request, and its scores."""
    plan = make(**words)
    (cell,) = plan.cells.values()
    return cell, tuple(plan.scores[cell.hash].values())
