"""A block: what sampling one fixed batch of a cell comes to, as a value.

Blocks may be computed by any process in any order; folded in the order of their index they give
the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.bench.guides import classes_of
from samplebench.bench.loaded import Bench
from samplebench.bench.steady import watched_sampling
from samplebench.devices import resolve_dtype
from samplebench.errors import UsageError
from samplebench.images import to_uint8
from samplebench.models.bound import Bound
from samplebench.models.guidance import ClassifierGuidance
from samplebench.noise.streams import stream
from samplebench.results.record import Conditions
from samplebench.sampling.setting import Setting

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Block:
    """Samples first .. first + n - 1 of a cell.

    Attributes:
        index: of the block in its cell.
        first: index of its first sample.
        images: uint8 [n, H, W, C].
        rows: features by an extractor's key, float64 [n, D]; missing where it failed.
        failed: why it failed, by an extractor's key.
        guided: further passes of guidance over the same.
        evaluated, drawn: evaluations of the samples, and their number; of padding as well where a
            sampler evaluates a part of its batch without a word which.
        nonfinite: samples that are not finite, or had an answer of the network that was not.
        why: who was not finite first, and where; "" if nobody.
        doubts: reasons why the same seeds give other samples, each a line.
        seconds: by stage.
    """

    index: int
    first: int
    images: np.ndarray
    rows: Mapping[str, np.ndarray]
    failed: Mapping[str, str]
    evaluated: int
    guided: int
    drawn: int
    nonfinite: int
    why: str
    doubts: tuple[str, ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class BlockImages:
    """Images of a block, padding among them, on the device, before there are features.

    Attributes:
        images: uint8 [B, C, H, W].
        count: n, how many of them count.
        seed: of the first.
        seconds: that it took.
        others: as of `Block`.
    """

    index: int
    first: int
    images: Tensor
    count: int
    seed: int
    evaluated: int
    guided: int
    drawn: int
    nonfinite: int
    why: str
    doubts: dict[str, None]
    seconds: float


def count_of(conditions: Conditions) -> int:
    """The number of blocks of a cell."""
    return math.ceil(conditions["num_samples"] / conditions["block"])


def _unrecorded(setting: Setting, bound: Bound, compiled: bool) -> AbstractContextManager[Any]:
    """What keeps torch from recording for gradients: without any book-keeping where all code is our
    own, none asks for gradients, and none was compiled, which tells the two ways apart."""
    import torch

    further = False if bound.guide is None else bound.guide.foreign
    own = setting.solver.entry.builtin and not (bound.foreign or further)
    plain = not (isinstance(bound.guidance, ClassifierGuidance) or compiled)
    return torch.inference_mode() if own and plain else torch.no_grad()


def run_block(bench: Bench, setting: Setting, conditions: Conditions, index: int) -> Block:
    """Samples one block, padded to its fixed size by more seeds, and makes its features.

    Raises:
        UsageError: a network, sampler or extractor of others fails or answers wrongly.
    """
    return with_features(bench, sample_block(bench, setting, conditions, index))


def sample_block(bench: Bench, setting: Setting, conditions: Conditions, index: int) -> BlockImages:
    """Samples one block; raises as `run_block` does."""
    import torch

    model, size = bench.model, conditions["block"]
    first, doubts = index * size, dict[str, None]()
    n, start = min(size, conditions["num_samples"] - first), conditions["seed"] + first
    seeds = range(start, start + size)
    dtype = resolve_dtype(conditions["state_dtype"])
    assert dtype is not None
    began = time.perf_counter()
    noise = stream(conditions["noise"], seeds, model.device, dtype)
    guidance = bench.guidance(conditions)
    latents, labels = noise.start(
        setting.timeline.latent_shape(model.shape), classes_of(model, guidance)
    )
    images = None
    if "start" in conditions:
        images, labels = bench.start_of(conditions, range(first, first + size), latents)
    bound = Bound(model, labels, len(seeds), guidance, blamed=True, foreign=bench.foreign)
    with (
        _unrecorded(setting, bound, "compiled" in conditions),
        setting.solver.guarded(),
        watched_sampling(setting, bound, lambda text: doubts.setdefault(text), start),
    ):
        x = setting.run(bound, latents, noise, images=images)
    if setting.timeline.evaluates and not bound.images:
        raise UsageError(f"sampler {setting.solver.name} never evaluates the network")
    pixels = to_uint8(x, conditions["quantization"])
    # Read by the host, which so waits for all that was asked of the device in this stream.
    finite = torch.isfinite(x).flatten(1).all(1)[:n].cpu().numpy()
    lost = int((~finite | (bound.watch.look()[:n] > 0)).sum())
    why = bound.watch.why(n) or f"sampler {setting.solver.name} produced no finite image"
    evaluated, drawn = bound.evaluated(n)
    return BlockImages(
        index=index,
        first=first,
        images=pixels,
        count=n,
        seed=start,
        evaluated=evaluated,
        guided=bound.further(n),
        drawn=drawn,
        nonfinite=lost,
        why=why if lost else "",
        doubts=doubts,
        seconds=time.perf_counter() - began,
    )


def with_features(bench: Bench, sampled: BlockImages) -> Block:
    """The block of these images; raises as `run_block` does."""
    began, images, n = time.perf_counter(), sampled.images, sampled.count
    doubts = dict(sampled.doubts)
    rows: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for one in bench.extractors:
        try:
            rows[one.key] = one.features_of(images, n, sampled.seed, doubts)
        except Failed as failure:
            failed[one.key] = str(failure)
    return Block(
        index=sampled.index,
        first=sampled.first,
        images=images[:n].permute(0, 2, 3, 1).cpu().numpy(),
        rows=rows,
        failed=failed,
        evaluated=sampled.evaluated,
        guided=sampled.guided,
        drawn=sampled.drawn,
        nonfinite=sampled.nonfinite,
        why=sampled.why,
        doubts=tuple(doubts),
        seconds={"sampling": sampled.seconds, "features": time.perf_counter() - began},
    )
