"""Draws a few images from a model, adds noise to them and has it denoise them again."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from samplebench.doctor.data_range import DataRange, nearest
from samplebench.doctor.diagnosis import GRAINY, HEALTHY, NO_WORSE, Diagnosis, Finding
from samplebench.models.bound import Bound, listening
from samplebench.timelines.choice import of_model

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.model import Model

# What the last steps see, which shows wrong weights; and more, which shows wrong times.
SIGMAS = (0.1, 0.2, 0.5, 2.0, 5.0)
# Where the network is asked again, and what it is told, in units of the level that is there.
_AGAIN, _MISTOLD = (0.5, 5.0), (0.5, 2.0)
# Below it the noise in the images of a closed form hides what is added.
_GRAIN = 0.15
# Two of each label: a network that ignores its input shows.
_IMAGES = 4
# Of fewer elements more of them, so that as many numbers speak.
_ELEMENTS = 64
_STEPS = 16
_TIMED = 3


def images_for(model: Model) -> int:
    """How many images of a model are looked at."""
    return _IMAGES * math.ceil(_ELEMENTS / math.prod(model.shape))


def evaluations_for(model: Model) -> int:
    """How many evaluations of an image `examine` makes, at most."""
    return images_for(model) * (_STEPS + len(SIGMAS) + len(_AGAIN) * len(_MISTOLD))


def examine(model: Model, report: Callable[[int], None] | None = None) -> Diagnosis:
    """Denoises images that the model itself has made at several noise levels, and times it.

    The images are 4 samples of 16 steps, from seeds 0 to 3, more where an image has fewer than 64
    elements. Each gets noise of the levels `SIGMAS` times the half width of their range; where that
    is denoised, the network is told half and double of two of the levels, which must do no better.
    `evaluations_for` of one image in all, and 4 more for the time and the operations of one.
    Samples in a wider range than [-1, 1] are drawn twice.

    On a linear process the level is that of the lowest frequency of an image, whose states are
    drawn at the time that has it.

    Args:
        model: from `sb.load` or `sb.wrap`, or of one's own with the same attributes.
        report: called after every evaluation with the number of its images.
    """
    import torch

    from samplebench.bench.flops import gflop_per_evaluation
    from samplebench.bench.probe import probe
    from samplebench.models.model import threads_of

    taken: dict[int, list[float]] = defaultdict(list)

    def note(images: int, seconds: float) -> None:
        taken[images].append(seconds)
        if report:
            report(images)

    labels: Tensor | None = None
    if getattr(model, "num_classes", 0):
        labels = torch.arange(images_for(model)) // 2 % model.num_classes
        labels = labels.to(model.device)
    with torch.no_grad(), threads_of(model), listening(note):
        images, broken_at = _samples(model, labels)
        extremes = _extremes(images)
        own = nearest(extremes)
        if own and own.half > 1 and (wider := of_model(model).scaled(own.half)):
            # The usual noise hides too little of images of this size.
            images, broken_at = _samples(model, labels, wider)
            extremes = _extremes(images)
        difference = float((images[0] - images[1]).square().mean().sqrt())
        findings: tuple[Finding, ...] = ()
        if broken_at is None and 0 < extremes.half:
            findings = _findings(model, images, labels, extremes)
        ask = probe(model, 1)
        for _ in range(_TIMED):
            ask()
    with torch.no_grad(), threads_of(model):
        gflop = gflop_per_evaluation(model, 1)
    network: Any = getattr(model, "network", None)
    count = sum(p.numel() for p in network.parameters()) if hasattr(network, "parameters") else None
    seconds = {n: statistics.median(taken[n]) / n for n in (1, images_for(model))}
    return Diagnosis(findings, extremes, difference, broken_at, count, gflop, seconds)


def _samples(
    model: Any, labels: Tensor | None, wider: Mapping[str, Any] | None = None
) -> tuple[Tensor, str | None]:
    """Images [N, C, H, W], and the level or time from which on they are no numbers.

    Args:
        wider: words for noise levels, None for the usual ones.
    """
    import torch

    from samplebench.samplers.step import Step
    from samplebench.sampling.sample import sample

    broken: list[str] = []

    def look(step: Step) -> None:
        if not torch.isfinite(step.x).all():
            broken.append(f"sigma {step.sigma:.3g}" if step.t is None else f"time {step.t:.3g}")

    # Nothing is clipped on the way, so that the range of the data shows.
    words: dict[str, Any] = {"nfe": _STEPS, "seeds": range(images_for(model)), "labels": labels}
    images = sample(model, of_model(model).usual, callback=look, **words, **(wider or {}))
    if not broken and not torch.isfinite(images).all():
        broken.append("the last step")
    return images, broken[0] if broken else None


def _extremes(images: Tensor) -> DataRange:
    """Least and largest pixel of an image, or of a few small ones, the medians over these."""
    pixels = images.double().reshape(_IMAGES, -1)
    return DataRange(*(float(end.quantile(0.5)) for end in (pixels.amin(1), pixels.amax(1))))


def _findings(
    model: Any, images: Tensor, labels: Tensor | None, extremes: DataRange
) -> tuple[Finding, ...]:
    """What the model leaves of noise; what it is told wrongly only where it denoises."""
    import torch

    own = nearest(extremes)
    scale = 1.0 if own is None else own.half
    variance = float(images.double().var())
    kind = of_model(model)
    shape = (len(images), kind.channels(model), *images.shape[1:])
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(shape, generator=draw, dtype=torch.float64).to(images)
    bound = Bound(model, labels, len(images))

    def left(sigma: float, told: float) -> float:
        answer = kind.left(bound, images, noise, sigma, told)
        return float(answer.double().square().sum(1).mean())

    low, high = kind.span(model)
    closed = not hasattr(getattr(model, "network", None), "parameters")
    found = {}
    for sigma in SIGMAS:
        s = min(max(scale * sigma, low), high)
        limit = GRAINY if closed and s < scale * _GRAIN else HEALTHY
        if closed and images[0].numel() < _ELEMENTS:
            limit = NO_WORSE
        found[s] = Finding(s, left(s, s), variance / (variance + s * s), limit)
    if all(f.denoised for f in found.values()):
        for sigma in _AGAIN:
            s = min(max(scale * sigma, low), high)
            others = (min(max(s * factor, low), high) for factor in _MISTOLD)
            mistold = tuple((told, left(s, told)) for told in others if told != s)
            found[s] = replace(found[s], mistold=mistold)
    return tuple(found.values())
