"""A plan to results: every cell that the store does not have, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplebench.answers.draws import watched_generators
from samplebench.answers.memory import memory_of
from samplebench.bench.cell import Bench, run_cell
from samplebench.bench.estimate import estimate
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.rehearsal import probed, try_measures
from samplebench.bench.stop import Stop
from samplebench.devices import resolve_device
from samplebench.results.store import Store

if TYPE_CHECKING:
    import torch

_LESS = "free memory or choose another --device; finished cells are kept"


def plan_device(plan: Plan) -> torch.device:
    """The device a plan runs on.

    Raises:
        EnvironmentError_: this machine does not have it, or it lacks a precision of the plan.
    """
    rules = [cell.conditions["protocol"]["state_dtype"] for cell in plan.cells.values()]
    dtypes = [cell.conditions["dtype"] for cell in plan.cells.values()]
    return resolve_device(plan.request.device, {*rules, *dtypes})


def execute(plan: Plan, store: Store, progress: Progress, stop: Stop) -> None:
    """Computes the cells of a plan that the store does not have.

    Raises:
        Interrupted: `stop` was asked for; all finished blocks are kept.
        UsageError: a network, sampler, extractor or metric of others fails, or returns something
            else than what is asked of it; all finished cells and blocks are kept.
    """
    device = plan_device(plan)
    missing = [cell for cell in plan.cells.values() if not store.has(cell.hash)]
    bench: Bench | None = None
    with progress.over(missing), memory_of(device, _LESS):
        for cell in missing:
            if bench is None or bench.model.provenance["id"] != cell.conditions["model"]:
                # Networks draw their first weights, before they are given others.
                with watched_generators(0, device):
                    bench = Bench.of(
                        plan.sources[cell.conditions["model"]],
                        cell.conditions["block"],
                        device,
                        cell.conditions["dtype"],
                    )
                name = bench.model.provenance["id"]
                own = [cell for cell in missing if cell.conditions["model"] == name]
                try_measures(bench.model, bench.extractor, bench.reference, cell.conditions)
                with probed(bench.model):
                    expected = estimate(bench.model, own, plan.request.yes)
                progress.note(expected)
            record, sheet = run_cell(cell, bench, store, progress, stop)
            store.write_cell(record, sheet)
            progress.finish_cell(cell, record)
