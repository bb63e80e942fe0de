"""How a model's errors add up along a chain: samples from real images at several noise levels.

Exposure bias (Ning et al. 2023): a network is trained on real images with noise, and asked in a
chain on what it made itself. Here the same chain begins later and later, with real images.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from samplebench.ambient import own_settings
from samplebench.bench.plan import Plan
from samplebench.bench.request import Request
from samplebench.bench.stop import Stop
from samplebench.registry import metrics
from samplebench.results.cell import PlannedRow
from samplebench.results.record import Score
from samplebench.results.store import Store
from samplebench.results.view import failure
from samplebench.scoring.real_images import RealImages, real_images
from samplebench.trajectory.accumulation import (
    DATA,
    IMAGES,
    NOISE,
    Accumulation,
    AccumulationCurve,
    Chain,
    compared,
)
from samplebench.trajectory.chains import Chains, chains_of, planned
from samplebench.trajectory.floor import Floor
from samplebench.trajectory.starting_levels import USUAL, Asked, asked_levels
from samplebench.trajectory.starts import notes_of, starts_of


def exposure(data: str, *, levels: Any = USUAL, quiet: bool = False, **words: Any) -> Accumulation:
    """Scores of chains that begin with real images at several of their noise levels.

    Args:
        data: "digits" for the held-out digits, or the path of a folder, zip, npy or npz of images.
        levels: how many of a run's noise levels, evenly over its steps, or near which levels.
        quiet: no progress, no notes.
        words: as of `sb.run`: model, sampler, nfe, rho, discretization, param, num_samples (the
            number of images), seed, metric, reference, device, checkpoints, file, offline, yes,
            out.

    Returns:
        The scores; finished chains are kept in `out` and not computed again.

    Raises:
        UsageError: an unknown name, a sampler that cannot be started at a level, images of another
            size, or labels that a model needs and the images do not have.
        InputError: no set of images, or a file is damaged.
        Interrupted: by Ctrl-C or SIGTERM; what was computed is kept.
    """
    with own_settings():
        asked, real = asked_levels(levels), real_images(data, "--from-data", quiet=quiet)
        plan = planned(Request.of(**words), real.count)
        return measured(plan, real, asked, quiet=quiet)


def measured(plan: Plan, real: RealImages, asked: Asked, *, quiet: bool = False) -> Accumulation:
    """The scores of a plan's chains; raises as `exposure` does."""
    from samplebench.bench.engines.here import here
    from samplebench.bench.progress import Progress
    from samplebench.bench.ready import ready
    from samplebench.bench.run import execute

    number = next(iter(plan.cells.values())).conditions["num_samples"]
    starts, progress = starts_of(plan, real, number), Progress(quiet)
    # What cannot be is told before anything is fetched.
    chains_of(plan, starts, asked)
    plan = ready(plan, quiet)
    chains, floor = chains_of(plan, starts, asked), Floor(starts, number)
    remarks = (
        *notes_of(real, number),
        *dict.fromkeys(t for each in chains for t in each.moved(asked)),
    )
    for note in (*plan.notes, *remarks):
        progress.note(f"note: {note}")
    every = replace(plan, rows=tuple(row for each in chains for row in each.rows))
    store, stop = Store(plan.folder, create=True), Stop()
    with store.locked(), stop.listening():
        floors = floor.scored(plan, chains, store, quiet)
        execute(every, store, progress, stop, partial(here, starts=starts))
    curves = [
        _curve(each, metric, store, floors[floor.planned(each.whole.scores[metric][0]).hash])
        for each in chains
        for metric in each.whole.metrics
    ]
    return Accumulation(starts.description, starts.count, compared(curves), remarks)


def _curve(chains: Chains, metric: str, store: Store, floor: Score) -> AccumulationCurve:
    columns, levels = chains.whole.columns, chains.levels
    themselves = Chain(IMAGES, None, 0.0, 0, 0, floor["value"], failed=floor.get("failed", ""))
    begun = [
        _chain(DATA, row, metric, step, levels, store)
        for step, row in sorted(chains.begun.items(), reverse=True)
    ]
    plain = _chain(NOISE, chains.whole, metric, 0, levels, store)
    return AccumulationCurve(
        model=columns["model"],
        sampler=columns["sampler"],
        params=columns["params"],
        discretization=columns["discretization"],
        rho=columns["rho"],
        nfe_requested=columns["nfe_requested"],
        steps=len(levels),
        metric=metric,
        reference=columns["reference"],
        better=metrics.entry(metric).better,
        protocol=columns["protocol"],
        seed=columns["seed"],
        num_samples=columns["num_samples"],
        chains=(themselves, *begun, plain),
    )


def _chain(
    start: str, row: PlannedRow, metric: str, step: int, levels: list[float], store: Store
) -> Chain:
    (cell,), (planned_score,) = row.cells, row.scores[metric]
    record, score = store.cell(cell.hash), store.score(planned_score.hash)
    return Chain(
        start=start,
        step=step,
        sigma=levels[step],
        steps=len(levels) - step,
        nfe=record["nfe"],
        value=score["value"],
        cell=cell.hash,
        failed=failure(record, [score]),
    )
