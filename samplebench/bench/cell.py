"""One cell to its record: sample in fixed blocks, extract features, accumulate, estimate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.answers.memory import memory_of
from samplebench.answers.parameters import unplain
from samplebench.bench.flops import gflop_per_evaluation
from samplebench.bench.partial import Partial
from samplebench.bench.plan import Source
from samplebench.bench.progress import Progress
from samplebench.bench.provenance import partial_stamp, provenance
from samplebench.bench.rehearsal import probed, try_network
from samplebench.bench.steady import watched_extractor, watched_metric, watched_sampling
from samplebench.bench.stop import Stop
from samplebench.devices import resolve_dtype, synchronize
from samplebench.errors import InputError, SamplebenchError, UsageError
from samplebench.features.judged import extractor_of, features
from samplebench.images import contact_sheet, to_uint8
from samplebench.loading import load
from samplebench.metrics.judged import judged
from samplebench.metrics.moments import BlockedMoments
from samplebench.metrics.uncertainty import delete_one, spread
from samplebench.models.bound import Bound
from samplebench.models.chunks import Chunks
from samplebench.models.model import Model, is_foreign, threads_of
from samplebench.noise.streams import stream
from samplebench.references.reference import Reference
from samplebench.registry import MetricEntry, metrics
from samplebench.results.cell import Cell
from samplebench.results.record import Conditions, Record, Value
from samplebench.results.store import SCHEMA, Store
from samplebench.sampling.setting import Setting, prepare
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import of_condition

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# At most this share of a cell's time goes into keeping its partial state.
_SAVE_SHARE = 0.05
_SHEET = 64
# Operations are counted on that many images: a quarter of the usual block, whole for exact models.
_COUNTED = 16
_LESS = "take a smaller --batch-size or free memory; finished cells and blocks are kept"


@dataclass(frozen=True)
class Bench:
    """What the cells of one model share, loaded once.

    Attributes:
        gflop: per evaluation of one image, None where it cannot be counted.
        foreign: whether samplebench did not write the network.
        unsteady: what makes every cell of the model irreproducible, lines.
    """

    model: Model
    extractor: Callable[[Tensor], Tensor]
    reference: Reference
    gflop: float | None
    foreign: bool = False
    unsteady: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: Source, block: int, device: torch.device, dtype: str | None) -> Bench:
        """Loads model, extractor and reference.

        Raises:
            InputError: the reference was made with other weights than the extractor has.
            UsageError: a network or an extractor of others that fails or answers wrongly.
        """
        model, reference = load(source.checkpoint, device=device, dtype=dtype), source.reference
        extractor = extractor_of(reference.extractor, device)
        if reference.weights_sha256 not in ("", extractor.weights_sha256):
            raise InputError(
                f"reference {reference.id} was made with other weights of extractor "
                f"{reference.extractor}; make it again with 'samplebench reference make'"
            )
        if extractor.feature_dim != reference.feature_dim:
            raise InputError(
                f"reference {reference.id} holds {reference.feature_dim} features an image, "
                f"extractor {reference.extractor} has {extractor.feature_dim}; make it again with "
                "'samplebench reference make'"
            )
        batch, foreign = min(block, _COUNTED), is_foreign(model)
        doubt = try_network(model, batch) if foreign else None
        with probed(model):
            gflop = gflop_per_evaluation(model, batch)
        unsteady = () if doubt is None else (doubt,)
        model.chunks = Chunks()
        return cls(model, extractor, reference, gflop, foreign, unsteady)


def run_cell(
    cell: Cell, bench: Bench, store: Store, progress: Progress, stop: Stop
) -> tuple[Record, np.ndarray]:
    """Computes one cell, from its partial state if there is one; its record and contact sheet."""
    conditions = cell.conditions
    setting = _setting(bench.model, conditions)
    n, size = conditions["num_samples"], conditions["block"]
    moments = BlockedMoments(n, conditions["extractor"]["feature_dim"])
    partial = Partial(moments, stamp=partial_stamp(bench.model), unsteady=list(bench.unsteady))
    kept = store.load_partial(cell.hash)
    if kept is not None and partial.accepts(kept):
        partial.load(kept)
    blocks = math.ceil(n / size)
    progress.start_cell(cell, done=min(partial.next_block * size, n))
    saved, cost, failed = time.monotonic(), 0.0, ""
    for block in range(partial.next_block, blocks):
        first = block * size
        try:
            with threads_of(bench.model), memory_of(bench.model.device, _LESS):
                _run_block(bench, setting, conditions, partial, first, min(first + size, n))
        except Failed as failure:
            failed = str(failure)
            break
        except SamplebenchError:
            # Code of others that fails now and then: what is whole is kept.
            if partial.next_block:
                store.save_partial(cell.hash, partial.state())
            raise
        partial.next_block = block + 1
        progress.advance(min(size, n - first))
        now = time.monotonic()
        due = stop.requested or (block + 1 < blocks and now - saved > cost / _SAVE_SHARE)
        if due and not cell.not_reusable:
            store.save_partial(cell.hash, partial.state())
            saved = time.monotonic()
            cost = saved - now
        stop.check()
    return _record(cell, bench, partial, failed), contact_sheet(partial.sheet)


def _setting(model: Model, conditions: Conditions) -> Setting:
    """What the conditions say, on the model as it was loaded."""
    steps = of_condition(conditions["discretization"])
    solver = Solver.of(conditions["sampler"], timeline=steps)
    words = steps.words_of(conditions["discretization"], conditions["steps"])
    params = {**unplain(conditions["params"]), **words.params}
    return prepare(model, solver, words=replace(words, params=params))


def _run_block(
    bench: Bench,
    setting: Setting,
    conditions: Conditions,
    partial: Partial,
    first: int,
    end: int,
) -> None:
    """Samples first .. end - 1, padded to the fixed block by more seeds, into the moments.

    Raises:
        Failed: features are not finite; nothing of the block is in the moments.
        UsageError: a network, sampler or extractor of others fails or answers wrongly.
    """
    import torch

    model, rules = bench.model, conditions["protocol"]
    start, n = conditions["seed"] + first, end - first
    seeds = range(start, start + conditions["block"])
    dtype = resolve_dtype(rules["state_dtype"])
    assert dtype is not None
    began = time.perf_counter()
    noise = stream(rules["noise"], seeds, model.device, dtype)
    latents, labels = noise.start(setting.timeline.latent_shape(model.shape), model.num_classes)
    bound = Bound(model, labels, len(seeds), blamed=True, foreign=bench.foreign)
    with (
        torch.no_grad(),
        setting.solver.guarded(),
        watched_sampling(setting, bound, partial, start),
    ):
        x = setting.run(bound, latents, noise)
    if not bound.images:
        raise UsageError(f"sampler {setting.solver.name} never asks the network for anything")
    images = to_uint8(x, rules["quantization"])
    finite = torch.isfinite(x).flatten(1).all(1)[:n].cpu().numpy()
    synchronize(model.device)
    sampled = time.perf_counter()
    lost = int((~finite | (bound.watch.look()[:n] > 0)).sum())
    why = bound.watch.why(n) or f"sampler {setting.solver.name} ended in no finite image"
    kept = images[: max(0, min(end, _SHEET) - first)].permute(0, 2, 3, 1).cpu().numpy()
    try:
        found = _features(bench.extractor, images, n, conditions, start, partial)
    except Failed:
        # The cell ends here, and says what it took so far.
        partial.count(bound.images, len(seeds), lost, why, kept)
        raise
    partial.count(bound.images, len(seeds), lost, why, kept)
    partial.moments.add(found, first)
    partial.seconds["sampling"] += sampled - began
    partial.seconds["features"] += time.perf_counter() - sampled


def _features(
    extractor: Any,
    images: Tensor,
    n: int,
    conditions: Conditions,
    seed: int,
    partial: Partial,
) -> np.ndarray:
    """Features of the first n images, float64 [n, D]."""
    name, dim = conditions["extractor"]["name"], conditions["extractor"]["feature_dim"]
    with watched_extractor(name, extractor, seed, images.device, partial):
        return features(extractor, images, name, dim, n)


def _record(cell: Cell, bench: Bench, partial: Partial, failed: str) -> Record:
    """The JSON record of a finished cell; `failed` says why it can have no value."""
    began = time.perf_counter()
    names = cell.conditions["metrics"]
    values: dict[str, Value] = {}
    lost = f"{partial.nonfinite} of {cell.conditions['num_samples']} samples: {partial.why}"
    failed = "; ".join(filter(None, (lost if partial.nonfinite else "", failed)))
    try:
        for name in () if failed else names:
            with watched_metric(name, cell.conditions["seed"], partial):
                values[name] = _estimate(judged(metrics.entry(name)), bench.reference, partial)
    except (Failed, UsageError) as error:
        failed = str(error)
    if failed:
        values = {name: {"value": None, "stderr": None} for name in names}
    seconds = {**partial.seconds, "metrics": time.perf_counter() - began}
    record: Record = {
        "schema": SCHEMA,
        "cell": cell.hash,
        "conditions": cell.conditions,
        "nfe": partial.nfe,
        "nfe_planned": cell.nfe,
        "gflop_per_evaluation": bench.gflop,
        "gflop_per_image": None if bench.gflop is None else bench.gflop * partial.nfe,
        "values": values,
        "nonfinite": partial.nonfinite,
        "seed_reproducible": not partial.unsteady,
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "provenance": provenance(bench.model),
    }
    if partial.unsteady:
        record["unsteady"] = partial.unsteady
    if cell.not_reusable:
        record |= {"reusable": False, "not_reusable": cell.not_reusable}
    if failed:
        record["failed"] = failed
    return record


def _estimate(metric: MetricEntry, reference: Reference, partial: Partial) -> Value:
    """Value, its terms, the jackknife's standard error and its delete-one values.

    Of a metric of others also which way is better, as a report may have to do without it.

    Raises:
        Failed: the value or a term of it is not finite.
    """
    terms = metric.obj(partial.moments.total(), reference)
    try:
        left_out = delete_one(partial.moments.blocks, lambda m: metric.obj(m, reference)["value"])
    except Failed:
        left_out = []
    stderr = spread(left_out)
    known = math.isfinite(stderr)
    errors = {"stderr": stderr if known else None, "deleted": left_out if known else []}
    found = cast(Value, {**terms, **errors})
    if metric.better and not metric.builtin:
        found["better"] = metric.better
    return found
