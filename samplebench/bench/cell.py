"""One cell to its record: sample in fixed blocks, extract features, accumulate, estimate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samplebench.bench.chunks import Chunked
from samplebench.bench.flops import gflop_per_evaluation
from samplebench.bench.grids import RESPACING, TIME
from samplebench.bench.plan import Cell, Source
from samplebench.bench.progress import Progress
from samplebench.bench.provenance import partial_stamp, provenance
from samplebench.bench.stop import Stop
from samplebench.bench.store import SCHEMA, Store
from samplebench.errors import InputError
from samplebench.images import contact_sheet, to_uint8
from samplebench.loading import load, resolve_dtype
from samplebench.metrics.moments import BlockedMoments, Moments
from samplebench.metrics.uncertainty import jackknife
from samplebench.model import Bound, Model, threads_of
from samplebench.noise import stream
from samplebench.parameters import unplain
from samplebench.references import Reference
from samplebench.registry import extractors, metrics
from samplebench.sampling import Setting, prepare

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# At most this share of a cell's time goes into keeping its partial state.
_SAVE_SHARE = 0.05
_SHEET = 64
# Operations are counted on that many images: a quarter of the usual block, whole for exact models.
_COUNTED = 16


@dataclass
class Partial:
    """A cell under way: everything a resumed run needs to end with the same bits."""

    moments: BlockedMoments
    stamp: str
    next_block: int = 0
    evaluated: int = 0
    rows: int = 0
    nonfinite: int = 0
    seed_reproducible: bool = True
    sheet: np.ndarray = field(default_factory=lambda: np.zeros((0,), dtype=np.uint8))
    seconds: dict[str, float] = field(default_factory=lambda: {"sampling": 0.0, "features": 0.0})

    def state(self) -> dict[str, Any]:
        counts = (self.next_block, self.evaluated, self.rows, self.nonfinite)
        return {
            **self.moments.state(),
            "stamp": np.array(self.stamp),
            "counts": np.array([*counts, self.seed_reproducible], dtype=np.int64),
            "sheet": self.sheet,
            "seconds": np.array([self.seconds["sampling"], self.seconds["features"]]),
        }

    @property
    def nfe(self) -> float:
        """Network evaluations per sample, counted over all blocks."""
        nfe = self.evaluated / self.rows
        return int(nfe) if nfe.is_integer() else nfe

    def accepts(self, state: Mapping[str, np.ndarray]) -> bool:
        """Whether `load` may take it: the same arrays, from a machine and version like this one.

        Half a cell from another would end as a mixture of both.
        """
        blocks, dim = len(self.moments.blocks), len(self.moments.blocks[0].total)
        shapes = {
            "stamp": (), "count": (blocks,), "total": (blocks, dim), "outer": (blocks, dim, dim),
            "counts": (5,), "seconds": (2,),
        }  # fmt: skip
        fits = all(key in state and state[key].shape == shape for key, shape in shapes.items())
        return fits and "sheet" in state and str(state["stamp"]) == self.stamp

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        self.moments.load(dict(state))
        counts = state["counts"].tolist()
        self.next_block, self.evaluated, self.rows, self.nonfinite, reproducible = counts
        self.seed_reproducible = bool(reproducible)
        self.sheet = state["sheet"]
        self.seconds = dict(zip(("sampling", "features"), state["seconds"].tolist(), strict=True))


@dataclass(frozen=True)
class Bench:
    """What the cells of one model share, loaded once.

    Attributes:
        gflop: per evaluation of one image, None where it cannot be counted.
    """

    model: Model
    extractor: Callable[[Tensor], Tensor]
    reference: Reference
    gflop: float | None

    @classmethod
    def of(cls, source: Source, block: int, device: torch.device, dtype: str | None) -> Bench:
        """Loads model, extractor and reference.

        Raises:
            InputError: the reference was made with other weights than the extractor has.
        """
        model, reference = load(source.checkpoint, device=device, dtype=dtype), source.reference
        extractor = extractors.get(reference.extractor)(device=device)
        if reference.weights_sha256 not in ("", extractor.weights_sha256):
            raise InputError(
                f"reference {reference.id} was made with other weights of extractor "
                f"{reference.extractor}; make it again with 'samplebench reference make'"
            )
        gflop = gflop_per_evaluation(model, min(block, _COUNTED))
        return cls(cast(Model, Chunked(model)), extractor, reference, gflop)


def run_cell(
    cell: Cell, bench: Bench, store: Store, progress: Progress, stop: Stop
) -> tuple[dict[str, Any], np.ndarray]:
    """Computes one cell, from its partial state if there is one; its record and contact sheet."""
    conditions = cell.conditions
    setting = _setting(bench.model, conditions)
    n, size = conditions["num_samples"], conditions["block"]
    moments = BlockedMoments(n, conditions["extractor"]["feature_dim"])
    partial = Partial(moments, stamp=partial_stamp(bench.model))
    kept = store.load_partial(cell.hash)
    if kept is not None and partial.accepts(kept):
        partial.load(kept)
    blocks = math.ceil(n / size)
    progress.start_cell(cell, done=min(partial.next_block * size, n))
    saved, cost = time.monotonic(), 0.0
    for block in range(partial.next_block, blocks):
        first = block * size
        with threads_of(bench.model):
            _run_block(bench, setting, conditions, partial, first, min(first + size, n))
        partial.next_block = block + 1
        progress.advance(min(size, n - first))
        now = time.monotonic()
        if stop.requested or (block + 1 < blocks and now - saved > cost / _SAVE_SHARE):
            store.save_partial(cell.hash, partial.state())
            saved = time.monotonic()
            cost = saved - now
        stop.check()
    return _record(cell, bench, partial), contact_sheet(partial.sheet)


def _setting(model: Model, conditions: Mapping[str, Any]) -> Setting:
    grid = conditions["discretization"]
    params = unplain(conditions["params"])
    if isinstance(grid, list):
        return prepare(model, conditions["sampler"], discretization=tuple(grid), params=params)
    if grid["name"] == RESPACING:
        return prepare(model, conditions["sampler"], respacing=grid["spec"], params=params)
    steps = conditions["steps"]
    if grid["name"] == TIME:
        words = {k: v for k, v in grid.items() if k != "name"}
        return prepare(model, conditions["sampler"], steps=steps, params={**params, **words})
    constants = {k: v for k, v in grid.items() if k not in ("name", "rho")}
    return prepare(
        model,
        conditions["sampler"],
        steps=steps,
        discretization=grid["name"],
        rho=grid.get("rho"),
        params={**params, **constants},
    )


def _run_block(
    bench: Bench,
    setting: Setting,
    conditions: Mapping[str, Any],
    partial: Partial,
    first: int,
    end: int,
) -> None:
    """Samples first .. end - 1, padded to the fixed block by more seeds, into the moments."""
    import torch

    model, rules = bench.model, conditions["protocol"]
    start = conditions["seed"] + first
    seeds = range(start, start + conditions["block"])
    dtype = resolve_dtype(rules["state_dtype"])
    assert dtype is not None
    began = time.perf_counter()
    noise = stream(rules["noise"], seeds, model.device, dtype)
    latents, labels = noise.start(setting.latent_shape(model.shape), model.num_classes)
    bound = Bound(model, labels, len(seeds), rules["clip_x0"])
    watched = _watched_generator(setting, start, partial)
    with torch.no_grad(), setting.solver.guarded(), watched:
        x = setting.run(bound, latents, noise)
    images = to_uint8(x, rules["quantization"])
    finite = torch.isfinite(x).flatten(1).all(1)[: end - first]
    _synchronize(model.device)
    sampled = time.perf_counter()
    features = bench.extractor(images)[: end - first].cpu().numpy()
    done = time.perf_counter()

    partial.nonfinite += int((~finite).sum())
    partial.evaluated += bound.images
    partial.rows += len(seeds)
    partial.moments.add(features, first)
    if first < _SHEET:
        kept = images[: min(end, _SHEET) - first].permute(0, 2, 3, 1).cpu().numpy()
        partial.sheet = np.concatenate([partial.sheet.reshape(-1, *kept.shape[1:]), kept])
    partial.seconds["sampling"] += sampled - began
    partial.seconds["features"] += done - sampled


@contextmanager
def _watched_generator(setting: Setting, seed: int, partial: Partial) -> Iterator[None]:
    """Seeds torch's global generator for samplers of others, and notes when they draw from it."""
    import torch

    if setting.solver.entry.builtin:
        yield
        return
    cuda = torch.cuda.is_available()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        before = [torch.random.get_rng_state(), *(torch.cuda.get_rng_state_all() if cuda else [])]
        yield
        after = [torch.random.get_rng_state(), *(torch.cuda.get_rng_state_all() if cuda else [])]
        if not all(map(torch.equal, before, after)):
            partial.seed_reproducible = False


def _synchronize(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _record(cell: Cell, bench: Bench, partial: Partial) -> dict[str, Any]:
    """The JSON record of a finished cell."""
    began = time.perf_counter()
    values = {}
    for name in cell.conditions["metrics"]:
        values[name] = _estimate(metrics.get(name), bench.reference, partial)
    seconds = {**partial.seconds, "metrics": time.perf_counter() - began}
    return {
        "schema": SCHEMA,
        "cell": cell.hash,
        "conditions": dict(cell.conditions),
        "nfe": partial.nfe,
        "nfe_planned": cell.nfe,
        "gflop_per_evaluation": bench.gflop,
        "gflop_per_image": None if bench.gflop is None else bench.gflop * partial.nfe,
        "values": values,
        "nonfinite": partial.nonfinite,
        "seed_reproducible": partial.seed_reproducible,
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "provenance": provenance(bench.model),
    }


def _estimate(
    metric: Callable[[Moments, Reference], dict[str, float]], reference: Reference, partial: Partial
) -> dict[str, float | None]:
    """Value, its terms and the jackknife standard error; None where samples are not finite."""
    if partial.nonfinite:
        return {"value": None, "stderr": None}
    terms = metric(partial.moments.total(), reference)
    stderr = jackknife(partial.moments.blocks, lambda m: metric(m, reference)["value"])
    return {**terms, "stderr": None if math.isnan(stderr) else stderr}
