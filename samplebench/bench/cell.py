"""One cell to its images, and from these to what is kept of them and their scores."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from samplebench.answers.memory import memory_of
from samplebench.answers.parameters import unplain
from samplebench.bench.block import count_of, run_block
from samplebench.bench.loaded import Bench, score_key
from samplebench.bench.partial import Partial
from samplebench.bench.pictures import Pictures
from samplebench.bench.progress import Progress
from samplebench.bench.provenance import partial_stamp, provenance
from samplebench.bench.scores import Scoring, keep_statistics, scored_cell
from samplebench.bench.stop import Stop
from samplebench.errors import SamplebenchError
from samplebench.images import contact_sheet
from samplebench.metrics.blocks import Blocked, BlockedRows
from samplebench.metrics.moments import BlockedMoments
from samplebench.models.model import Model, threads_of
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.kept import IMAGES, LEVELS
from samplebench.results.record import Conditions, Record, Score
from samplebench.results.store import SCHEMA, Store
from samplebench.sampling.setting import Setting, prepare
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import of_condition

# At most this share of a cell's time goes into keeping its partial state.
_SAVE_SHARE = 0.05
_LESS = "take a smaller --batch-size or free memory; finished cells and blocks are kept"


def run_cell(
    cell: Cell,
    wanted: Sequence[PlannedScore],
    bench: Bench,
    store: Store,
    progress: Progress,
    stop: Stop,
    scoring: Scoring,
    keep: str = LEVELS[0],
    pictures: Pictures | None = None,
) -> tuple[Record, list[Score]]:
    """Computes one cell, from its partial state if there is one, files it and its scores."""
    setting = setting_of(bench.model, cell.conditions)
    partial = _partial(cell, bench, store, keep)
    if not cell.not_reusable and (kept := store.load_partial(cell.hash)) is not None:
        partial.resume(kept)
        if pictures is not None and not pictures.has(cell, partial.next_sample):
            # A run that saved none began it.
            partial = _partial(cell, bench, store, keep)
    try:
        _sample(cell, setting, partial, bench, store, progress, stop, pictures)
    except BaseException:
        if cell.not_reusable or any(bench.changes()):
            store.drop_partial(cell.hash)
        raise
    changes = tuple(bench.changes())
    partial.doubt(changes)
    if changes:
        # Made in part by another model than its name says.
        cell = replace(cell, not_reusable=cell.not_reusable or changes[0])
    statistics = dict(_statistics(cell, wanted, bench, partial))
    _keep(cell, bench, partial, store, keep, statistics)
    record = _record(cell, setting, bench, partial)
    scores = scored_cell(record, wanted, scoring, statistics, partial.failed)
    for score in scores:
        store.write_score(score)
    # Last: whoever finds it finds the rest, too.
    store.write_cell(record, contact_sheet(partial.sheet))
    return record, scores


def _partial(cell: Cell, bench: Bench, store: Store, keep: str) -> Partial:
    model = bench.model
    channels, height, width = model.shape
    files = {
        one.key: store.rows(cell.hash, one.key, (one.dim,), np.float64) for one in bench.extractors
    }
    if keep == "images":
        files["images"] = store.rows(cell.hash, "images", (height, width, channels), np.uint8)
    guide = bench.further(cell.conditions)
    unsteady = [*bench.unsteady, *(() if guide is None else guide.unsteady)]
    return Partial(partial_stamp(model), files, unsteady=unsteady)


def _sample(
    cell: Cell,
    setting: Setting,
    partial: Partial,
    bench: Bench,
    store: Store,
    progress: Progress,
    stop: Stop,
    pictures: Pictures | None,
) -> None:
    """Runs the blocks that are missing, and folds them in their order."""
    conditions, count = cell.conditions, count_of(cell.conditions)
    progress.start_cell(cell, done=partial.next_sample)
    saved, cost = time.monotonic(), 0.0
    for index in range(partial.next_block, count):
        try:
            with threads_of(bench.model), memory_of(bench.model.device, _LESS):
                block = run_block(bench, setting, conditions, index)
        except SamplebenchError:
            # Code of others that fails now and then: what is whole is kept.
            if partial.next_block and not cell.not_reusable:
                with suppress(OSError, SamplebenchError):  # the first failure is the one to tell
                    store.save_partial(cell.hash, partial.state())
            raise
        partial.fold(block)
        if pictures is not None:
            pictures.write(cell, block)
        progress.advance(len(block.images))
        now = time.monotonic()
        due = stop.requested or (index + 1 < count and now - saved > cost / _SAVE_SHARE)
        if due and not (cell.not_reusable or any(bench.changes())):
            store.save_partial(cell.hash, partial.state())
            saved = time.monotonic()
            cost = saved - now
        stop.check()


def setting_of(model: Model, conditions: Conditions) -> Setting:
    """What the conditions say, on the model as it was loaded."""
    steps = of_condition(conditions["discretization"])
    solver = Solver.of(conditions["sampler"], timeline=steps)
    words = steps.words_of(conditions["discretization"], conditions["steps"])
    params = {**unplain(conditions["params"]), **words.params}
    return prepare(model, solver, words=replace(words, params=params))


def _statistics(
    cell: Cell, wanted: Iterable[PlannedScore], bench: Bench, partial: Partial
) -> Iterator[tuple[tuple[str, str], Blocked]]:
    """By extractor's key and kind what the metrics are computed on, and the moments of all."""
    if partial.nonfinite:
        return
    kinds = {(score_key(score), score.conditions["statistic"]) for score in wanted}
    for key in (one.key for one in bench.extractors if one.key not in partial.failed):
        yield (key, "moments"), BlockedMoments.of(partial.rows(key))
        if (key, "features") in kinds:
            # As they are kept, so that a score of kept rows is the same.
            yield (key, "features"), BlockedRows(partial.rows(key).astype(np.float32))


def _keep(
    cell: Cell,
    bench: Bench,
    partial: Partial,
    store: Store,
    keep: str,
    statistics: dict[tuple[str, str], Blocked],
) -> None:
    """Keeps what was asked for, of a cell that has images."""
    if partial.nonfinite or cell.not_reusable:
        return
    for one in bench.extractors:
        moments = statistics.get((one.key, "moments"))
        if not isinstance(moments, BlockedMoments):
            continue
        rows = None if keep == LEVELS[0] else partial.rows(one.key)
        keep_statistics(store, cell.hash, one, moments, rows)
    if keep == "images":
        store.kept.write(cell.hash, "images", "", {IMAGES: partial.rows("images")})


def _record(cell: Cell, setting: Setting, bench: Bench, partial: Partial) -> Record:
    """The JSON record of a finished cell."""
    nfe = partial.nfe
    record: Record = {
        "schema": SCHEMA,
        "cell": cell.hash,
        "conditions": cell.conditions,
        "nfe": nfe,
        "gflop_per_evaluation": bench.gflop,
        "gflop_per_image": _gflop(cell, bench, partial),
        "nonfinite": partial.nonfinite,
        "seed_reproducible": not partial.unsteady,
        "seconds": {stage: round(value, 3) for stage, value in partial.seconds.items()},
        "provenance": provenance(bench.model),
    }
    if cell.nfe is not None:
        record["nfe_planned"] = cell.nfe
    if "guidance" in cell.conditions:
        record["guide_nfe"] = partial.guide_nfe
        if cell.guide_nfe is not None:
            record["guide_nfe_planned"] = cell.guide_nfe
    if cell.depth not in (None, cell.nfe):
        record["depth"] = cell.depth
    if about := setting.about:
        record["about"] = about
    if remarks := setting.remarks(bench.model, cell.conditions["model"]):
        record["remarks"] = remarks
    if partial.unsteady:
        record["unsteady"] = partial.unsteady
    if cell.not_reusable:
        record |= {"reusable": False, "not_reusable": cell.not_reusable}
    if partial.nonfinite:
        total = cell.conditions["num_samples"]
        record["failed"] = f"{partial.nonfinite} of {total} samples: {partial.why}"
    return record


def _gflop(cell: Cell, bench: Bench, partial: Partial) -> float | None:
    """Of an image, further passes of guidance included; None where one cannot be counted."""
    guide = bench.further(cell.conditions)
    further = bench.gflop if guide is None else guide.gflop
    if bench.gflop is None or (further is None and partial.guided):
        return None
    return bench.gflop * partial.nfe + (further or 0) * partial.guide_nfe
