"""Cells of one network, block by block, with the seconds of their stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from samplebench.bench import plan as planning
from samplebench.bench.block import Block, run_block
from samplebench.bench.conditions import setting_of
from samplebench.bench.engines.here import load_bench
from samplebench.bench.facts import BenchFacts
from samplebench.bench.filing import Filing
from samplebench.bench.loaded import Bench
from samplebench.bench.plan import Plan
from samplebench.bench.request import Request
from samplebench.bench.run import plan_device
from samplebench.bench.scores import Scoring
from samplebench.features.judged import extractor_of
from samplebench.metrics.moments import Moments
from samplebench.models.model import threads_of
from samplebench.references.reference import save
from samplebench.results.cell import Cell
from samplebench.results.store import Store
from timing.stages import Watch, watched

# More than the features of pixels, so that a covariance has no zeros.
_REFERENCE = 400


@dataclass(frozen=True)
class Variant:
    """One network as it is measured: loaded once, with a cell for each sampler.

    Attributes:
        name: of the precision, "compiled" after it where it is.
        plan, bench, cells: as the engine has them; cells by their sampler.
    """

    name: str
    plan: Plan
    bench: Bench
    cells: Mapping[str, Cell]

    @property
    def device(self) -> torch.device:
        return self.bench.model.device

    def sampled(self, sampler: str, index: int = 0) -> tuple[Watch, Block]:
        """One block of a cell, and the seconds of its stages: `run_block` and no more."""
        cell, watch = self.cells[sampler], Watch(self.device)
        setting = setting_of(self.bench.model, cell.conditions)
        with watched(watch), threads_of(self.bench.model), watch.stage("solver"):
            block = run_block(self.bench, setting, cell.conditions, index)
        return watch, block

    def whole(self, sampler: str, folder: Path) -> tuple[Watch, int]:
        """A whole cell with all that is filed, and the number of its images."""
        cell, watch = self.cells[sampler], Watch(self.device)
        model, store = self.bench.model, Store(folder, create=True)
        sources = self.plan.sources[cell.conditions["model"]]
        setting, scores = setting_of(model, cell.conditions), self.plan.scores[cell.hash].values()
        facts = BenchFacts.of(self.bench, [cell])
        scoring = Scoring(sources.measures, self.device)
        with store.locked(), watched(watch), threads_of(model), watch.stage("other"):
            with watch.stage("store"):
                filing = Filing(cell, tuple(scores), facts, store, scoring)
            for index in filing.missing:
                with watch.stage("solver"):
                    block = run_block(self.bench, setting, cell.conditions, index)
                with watch.stage("store"):
                    filing.take(block)
                    filing.save()
            with watch.stage("store"):
                filing.finish()
        return watch, cell.conditions["num_samples"]


def load(name: str, words: Mapping[str, Any], samplers: Sequence[str], folder: Path) -> Variant:
    """Plans a request, a row for each sampler, and loads what its cells share.

    Raises:
        UsageError, EnvironmentError_: what the network or this machine cannot do.
    """
    words = {"yes": True, "out": str(folder), **words}
    plan = planning.make(Request.of(sampler=list(samplers), **words))
    device, (model,) = plan_device(plan), plan.sources
    cells = {str(row.columns["sampler"]): row.cells[0] for row in plan.rows}
    bench = load_bench(plan, model, list(plan.cells.values()), device)
    return Variant(name, plan, bench, cells)


def random_reference(extractor: str, folder: Path) -> dict[str, Any]:
    """The words of a metric on an extractor's features, with random statistics to compare with."""
    made, path = extractor_of(extractor, torch.device("cpu")), folder / f"{extractor}.reference.npz"
    if not path.is_file():
        draw = np.random.default_rng(0)
        rows = draw.standard_normal((_REFERENCE + 2 * made.feature_dim, made.feature_dim))
        save(path, Moments.of(rows), made, "random numbers")
    metric = "fid" if extractor == "inception" else f"fd-{extractor}"
    return {"metric": metric, "reference": str(path)}
