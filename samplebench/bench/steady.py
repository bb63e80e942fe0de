"""Do the same seeds give the same numbers? Code of others runs seeded and is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from samplebench.answers.draws import watched_generators
from samplebench.models.bound import Bound
from samplebench.models.model import in_training
from samplebench.registry import metrics
from samplebench.sampling.setting import Setting

if TYPE_CHECKING:
    pass

# What is told of each reason for doubt, a line.
Doubt = Callable[[str], None]


@contextmanager
def watched_sampling(setting: Setting, bound: Bound, doubt: Doubt, seed: int) -> Iterator[None]:
    """Tells when a sampler or a network of others is random."""
    of_others = not setting.solver.entry.builtin
    networks = [each for each in (bound, bound.guide) if each is not None]
    if not (of_others or any(each.foreign for each in networks)):
        yield
        return
    with watched_generators(seed, bound.model.device) as draws:  # type: ignore[attr-defined]
        yield
    for each in networks:
        if each.foreign and in_training(each.model):
            doubt(f"{each.name} is in training mode")
        if each.drew:
            doubt(f"{each.name} draws from torch's global generator")
    # What moved outside the networks' evaluations is the sampler's.
    drew = any(each.drew for each in networks)
    draws.of = [name for name in draws.of if not (drew and name == "torch")]
    if draws.of:
        foreign = next((each.name for each in networks if each.foreign), bound.name)
        doubt(f"{'the sampler' if of_others else foreign} draws from {draws}")


@contextmanager
def watched_metric(name: str, seed: int, doubt: Doubt) -> Iterator[None]:
    """Tells when a metric of others is random."""
    import torch

    if metrics.entry(name).builtin:
        yield
        return
    with watched_generators(seed, torch.device("cpu")) as draws:
        yield
    if draws.of:
        doubt(f"metric {name} draws from {draws}")
