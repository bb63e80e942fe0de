"""How long a sweep will take, from a few evaluations; a stop before days are spent by accident."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from samplebench.bench.conditions import setting_of
from samplebench.bench.guides import Guide, id_of
from samplebench.bench.probe import probe
from samplebench.devices import synchronize
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.noise.streams import stream
from samplebench.results.fields import counted
from samplebench.ticker import duration

if TYPE_CHECKING:
    from samplebench.models.model import Model
    from samplebench.results.cell import Cell

# More than that is asked for explicitly.
MOST_HOURS = 24.0
_PROBES = 3
_FEWER = 5000
# By so many samples the NFE is seen where it is not planned.
_SAMPLES = 2
# A look is taken where the sweep is at least so many times as long.
_WORTH = 10


def seconds_per_block(model: Model, block: int) -> float:
    """Median wall-clock seconds of one evaluation of a block of images, after a first to warm up.

    Args:
        model: from `sb.load`.
        block: B, the number of images evaluated at once.
    """
    return _seconds(model, probe(model, block))


def _seconds(model: Model, ask: Callable[[], Any]) -> float:
    """The same of any pass."""
    import torch

    from samplebench.models.model import threads_of

    taken = []
    with torch.no_grad(), threads_of(model):
        for _ in range(_PROBES + 1):
            began = time.perf_counter()
            ask()
            synchronize(model.device)
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def evaluations(cells: Iterable[Cell], seen: Mapping[str, float] = MappingProxyType({})) -> int:
    """Evaluations of whole blocks that these cells take.

    Args:
        seen: of a sample, by the hash of a cell where none are planned; 0 where nobody knows.
    """
    return sum(
        math.ceil(
            (seen.get(cell.hash, 0.0) if cell.nfe is None else cell.nfe)
            * math.ceil(cell.conditions["num_samples"] / cell.conditions["block"])
        )
        for cell in cells
    )


def seen_nfe(model: Model, cell: Cell) -> float:
    """Evaluations of a sample of a cell where none are planned, as a few samples take them."""
    import torch

    from samplebench.models.model import threads_of

    conditions, setting = cell.conditions, setting_of(model, cell.conditions)
    seeds = range(conditions["seed"], conditions["seed"] + _SAMPLES)
    noise = stream(conditions["noise"], seeds, model.device, model.state_dtype)
    latents, labels = noise.start(setting.timeline.latent_shape(model.shape), model.num_classes)
    bound = Bound(model, labels, _SAMPLES)
    with torch.no_grad(), setting.solver.guarded(), threads_of(model):
        setting.run(bound, latents, noise)
    return bound.nfe


def estimate(
    model: Model,
    cells: Sequence[Cell],
    allowed: bool,
    guides: Mapping[str, Guide] = MappingProxyType({}),
    workers: int = 1,
) -> str | None:
    """How long these cells of a model will take, in words; None where a look costs too much.

    Args:
        model, cells, guides: as of `hours_of`.
        allowed: whether they may take more than a day.
        workers: how many share each cell.

    Raises:
        UsageError: they would, and nobody allowed it.
    """
    hours = hours_of(model, cells, guides)
    if hours is None:
        return None
    return told(hours, cells[0].conditions["num_samples"], allowed, workers)


def told(hours: Sequence[float], num_samples: int, allowed: bool, workers: int = 1) -> str:
    """The same of hours that are known, on so many workers that share each cell."""
    total = math.fsum(hours) / workers
    check(total, num_samples, allowed)
    on = f" on {counted(workers, 'worker')}" if workers > 1 else ""
    return f"about {said(total)} in all, {said(max(hours) / workers)} for the longest cell{on}"


def hours_of(
    model: Model, cells: Sequence[Cell], guides: Mapping[str, Guide] = MappingProxyType({})
) -> tuple[float, ...] | None:
    """Hours that each of these cells takes here; None where a look costs too much.

    What a method with adaptive steps takes is seen by a few samples, and guidance is taken to make
    a further pass for each of its evaluations.

    Args:
        model: from `sb.load`.
        cells: to compute; not none.
        guides: who makes the further passes of guidance, by id.
    """
    few = (cell for cell in cells if cell.nfe is None)
    worth = (cell for cell in few if cell.conditions["num_samples"] >= _WORTH * _SAMPLES)
    seen = {cell.hash: seen_nfe(model, cell) for cell in worth}
    count = evaluations(cells, seen)
    if count < _WORTH * _PROBES:
        return None
    own = seconds_per_block(model, cells[0].conditions["block"])
    seconds = {"": own, **{name: _seconds(model, guide.ask) for name, guide in guides.items()}}

    def hours(cell: Cell) -> float:
        taken = evaluations([cell], seen) * own
        if "guidance" in cell.conditions:
            further = seen if cell.guide_nfe is None else {cell.hash: cell.guide_nfe}
            passes = evaluations([replace(cell, nfe=None)], further)
            taken += passes * seconds[id_of(cell.conditions)]
        return taken / 3600

    return tuple(map(hours, cells))


def check(total: float, num_samples: int, allowed: bool) -> None:
    """Stops a sweep that would take longer than a day.

    Raises:
        UsageError: `total` hours are more than `MOST_HOURS` and nobody allowed it.
    """
    if total <= MOST_HOURS or allowed:
        return
    fewer = ""
    if num_samples > _FEWER:
        fewer = (
            f", or --num-samples {_FEWER} (about {said(total * _FEWER / num_samples)}; "
            "values with another N belong to another protocol)"
        )
    raise UsageError(
        f"this sweep takes about {said(total)} here, more than {MOST_HOURS:.0f} h; "
        f"add --yes to start it anyway{fewer}"
    )


def said(total: float) -> str:
    """Hours in words: "40 s", "12 min", "3.4 h"."""
    return duration(3600 * total)
