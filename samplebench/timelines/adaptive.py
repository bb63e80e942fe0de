"""Noise levels that a sampler chooses as it goes: only where it starts and ends is planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from samplebench.discretizations import RANGE
from samplebench.errors import UsageError
from samplebench.registry import timelines
from samplebench.timelines.own import Own
from samplebench.timelines.words import Counts, Words


@timelines.register("adaptive")
@dataclass(frozen=True)
class Adaptive(Own):
    """Steps that a tolerance decides, sample by sample; neither they nor the NFE are planned.

    A sampler's `levels` are the first and the last. A first slope without an evaluation would
    mislead its step control, and its last step has an end of its own: of the end rules
    thresholding is left.
    """

    label = "adaptive steps"
    needs = "D(x; sigma) at levels that it chooses itself"
    usual = "rk45"
    words = frozenset(RANGE)
    instead = "chooses its own steps; leave out {words} and set the tolerance, e.g. rtol=1e-4"
    rules = ("thresholding",)
    budgeted = False

    @classmethod
    def _asked(cls, words: Words, sampler: Counts, effective: dict[str, Any], beside: int) -> None:
        return None

    @property
    def takes(self) -> frozenset[str]:
        return frozenset()

    def end_levels(self) -> tuple[float, float]:
        raise UsageError("it chooses its steps adaptively, by a tolerance")
