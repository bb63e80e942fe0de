"""Draws a few images from a model, adds noise to them and has it denoise them again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.doctor.data_range import DataRange, nearest
from samplebench.doctor.diagnosis import Diagnosis, Finding
from samplebench.doctor.watched import Watched

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.model import Model
    from samplebench.processes.linear import LinearProcess

# Light noise is what the last steps see. Of much noise a network with wrong times makes the most.
SIGMAS = (0.2, 0.5, 2.0, 5.0)
# What else the network is told, in units of the level that is there.
_MISTOLD = (0.5, 2.0)
# Two of each label: a network that ignores its input shows.
_IMAGES = 4
_STEPS = 16
_TIMED = 3
EVALUATIONS = _IMAGES * (_STEPS + len(SIGMAS) * (1 + len(_MISTOLD)))


def examine(model: Model, report: Callable[[int], None] | None = None) -> Diagnosis:
    """Denoises images that the model itself has made at several noise levels, and times it.

    The images are 4 samples of 16 steps, from seeds 0 to 3. Where they are images, each gets noise
    of the levels `SIGMAS` times the half width of their range; where that is denoised, the network
    is asked again with half and double the level, which must do no better. `EVALUATIONS` of one
    image in all, and 4 more for the time and the operations of one.

    On a linear process the level is that of the lowest frequency of an image, whose states are
    drawn at the time that has it.

    Args:
        model: from `sb.load` or `sb.wrap`, or of one's own with the same attributes.
        report: called after every evaluation with the number of its images.
    """
    import torch

    from samplebench.bench.flops import gflop_per_evaluation
    from samplebench.bench.probe import probe
    from samplebench.model import threads_of

    watched: Any = Watched(model, report)
    labels: Tensor | None = None
    if getattr(model, "num_classes", 0):
        labels = torch.arange(_IMAGES) // 2 % model.num_classes
        labels = labels.to(model.device)
    with torch.no_grad(), threads_of(model):
        images, broken_at = _samples(watched, labels)
        extremes = _extremes(images)
        difference = float((images[0] - images[1]).square().mean().sqrt())
        findings: tuple[Finding, ...] = ()
        if broken_at is None and 0 < extremes.half:
            findings = _findings(watched, images, labels, extremes)
        alone = Watched(model, report)
        ask = probe(alone, 1)  # type: ignore[arg-type]
        for _ in range(_TIMED):
            ask()
        gflop = gflop_per_evaluation(model, 1)
    taken = {**alone.seconds, **watched.seconds}
    network: Any = getattr(model, "network", None)
    count = sum(p.numel() for p in network.parameters()) if hasattr(network, "parameters") else None
    seconds = {n: statistics.median(taken[n]) / n for n in (1, _IMAGES)}
    return Diagnosis(findings, extremes, difference, broken_at, count, gflop, seconds)


def _samples(model: Any, labels: Tensor | None) -> tuple[Tensor, str | None]:
    """Images [N, C, H, W], and the level or time from which on they are no numbers."""
    import torch

    from samplebench.model import is_linear
    from samplebench.sampling import sample
    from samplebench.samplers.step import Step

    broken: list[str] = []

    def look(step: Step) -> None:
        if not torch.isfinite(step.x).all():
            broken.append(f"sigma {step.sigma:.3g}" if step.t is None else f"time {step.t:.3g}")

    # Nothing is clipped on the way, so that the range of the data shows.
    sampler = "gddim" if is_linear(model) else "euler"
    seeds = range(_IMAGES)
    images = sample(model, sampler, nfe=_STEPS, seeds=seeds, labels=labels, callback=look)
    if not broken and not torch.isfinite(images).all():
        broken.append("the last step")
    return images, broken[0] if broken else None


def _extremes(images: Tensor) -> DataRange:
    """Least and largest pixel of an image, the medians over images."""
    pixels = images.double().flatten(1)
    return DataRange(*(float(end.quantile(0.5)) for end in (pixels.amin(1), pixels.amax(1))))


def _findings(
    model: Any, images: Tensor, labels: Tensor | None, extremes: DataRange
) -> tuple[Finding, ...]:
    """What the model leaves of noise; what it is told wrongly only where it denoises."""
    import torch

    own = nearest(extremes)
    scale = 1.0 if own is None else own.half
    variance = float(images.double().var())
    law: LinearProcess | None = getattr(model, "law", None)
    channels = 1 if law is None else law.channels
    draw = torch.Generator().manual_seed(0)
    shape = (len(images), channels, *images.shape[1:])
    noise = torch.randn(shape, generator=draw, dtype=torch.float64).to(images)

    def left(sigma: float, told: float) -> float:
        answer = _error(model, images, noise, labels, sigma, told)
        return float(answer.double().square().sum(1).mean())

    low, high = _range_of(model)
    sigmas = sorted({min(max(scale * sigma, low), high) for sigma in SIGMAS})
    found = [Finding(s, left(s, s), variance / (variance + s * s)) for s in sigmas]
    if not all(f.denoised for f in found):
        return tuple(found)
    asked = []
    for f in found:
        others = (min(max(f.sigma * factor, low), high) for factor in _MISTOLD)
        mistold = tuple((told, left(f.sigma, told)) for told in others if told != f.sigma)
        asked.append(Finding(f.sigma, f.left, f.scaling, mistold))
    return tuple(asked)


def _error(
    model: Any, images: Tensor, noise: Tensor, labels: Tensor | None, sigma: float, told: float
) -> Tensor:
    """The noise of images at one level less what the model takes for it, [N, D, C, H, W].

    Args:
        told: the level that the model is told.
    """
    law = getattr(model, "law", None)
    if law is None:
        return (model(images + sigma * noise[:, 0], told, labels) - images)[:, None] / sigma
    from samplebench.processes.linear import apply

    t = _time(law, sigma)
    u = apply(law.signal(t), law.encode(images)) + apply(law.R(t), noise)
    error: Tensor = noise - model.eps(u, _time(law, told), labels)
    return error


def _range_of(model: Any) -> tuple[float, float]:
    """The noise levels that a model knows; on a linear process of the lowest frequency."""
    from samplebench.model import model_range

    law = getattr(model, "law", None)
    return model_range(model) if law is None else (_level(law, law.t_min), _level(law, law.T))


def _level(law: LinearProcess, t: float) -> float:
    """Of the noise at the lowest frequency, over which all channels tell."""
    seen = law.signal(t)[0, 0, :, 0] @ law.score_factor(t)[0, 0]
    return 1 / math.sqrt(float(seen @ seen))


def _time(law: LinearProcess, sigma: float) -> float:
    """When the noise has a level."""
    from scipy.optimize import brentq  # type: ignore[import-untyped]

    ends = {_level(law, t): t for t in (law.t_min, law.T)}
    if sigma in ends:
        return ends[sigma]
    return float(brentq(lambda t: math.log(_level(law, t) / sigma), law.t_min, law.T))
