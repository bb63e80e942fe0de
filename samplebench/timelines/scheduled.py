"""The steps of a scheduler of diffusers: where its configuration and its number of steps put them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from samplebench.answers.rounding import model_range
from samplebench.answers.scalars import whole
from samplebench.discretizations import RANGE
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model
from samplebench.registry import timelines
from samplebench.timelines.ends import refuse_rules
from samplebench.timelines.levels import UnitPixel
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Counts, Sweep, Words, one_of, sorted_out

if TYPE_CHECKING:
    from torch import Tensor

_INSTEAD = "its own parameters say where they are, e.g. use_karras_sigmas or timestep_spacing"


@timelines.register("scheduled")
@dataclass(frozen=True)
class Scheduled(Timeline):
    """Noise levels that a scheduler sets by itself.

    Attributes:
        who_steps: the sampler's name.
        asked: its number of steps; a step may be several evaluations.
        levels: at which the model is asked, each once, and the last that is left.
        factor: what latents are multiplied by for the state on the first level.
        highest: the scheduler's own first level.
    """

    kinds = ("sigma", "discrete")
    label = "scheduler's levels"
    needs = "D(x; sigma) at a scheduler's levels"
    least = 1
    instead = f"sets its own noise levels; drop {{words}}: {_INSTEAD}"
    supplied = ("num_inference_steps",)

    who_steps: str
    asked: int
    levels: np.ndarray
    factor: float
    highest: float
    constants: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        own, _ = sorted_out(sampler, words.params, {})
        one_of(words, "steps", "nfe")
        effective = sampler.effective(own)
        if words.nfe is None:
            steps = whole("steps", words.steps)
        else:
            steps = sampler.steps_for(whole("nfe", words.nfe), effective)
        found = sampler.levels(steps, model=model, **effective)
        return cls(sampler.name, steps, found.levels, found.start, found.highest)

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words()

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words(steps=steps)

    @classmethod
    def toy(cls, steps: int) -> Self:
        return cls(
            "a scheduler", steps, np.append(np.geomspace(10.0, 0.01, steps), 0.0), 10.0, 10.0
        )

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        if name in RANGE:
            raise UsageError(f"{sampler}.{name}: it sets its own noise levels; {_INSTEAD}")
        refuse_rules(sampler, name, "its own parameters say how it ends, e.g. final_sigmas_type")

    @property
    def steps(self) -> int:  # type: ignore[override]
        return self.asked

    @property
    def condition(self) -> Any:
        return {"name": self.label, "levels": self.levels.tolist()}

    @property
    def grid(self) -> Tensor:
        """The levels in float64, on the host."""
        import torch

        return torch.from_numpy(self.levels)

    @property
    def supplies(self) -> Mapping[str, Any]:
        return {"num_inference_steps": self.asked}

    def remarks(self, model: Any, name: str) -> Iterable[str]:
        most = model_range(model)[1]
        first = float(self.levels[0])
        if self.highest == math.inf or self.highest > max(most, first) * (1 + 1e-6):
            begins = "no image at all" if self.highest == math.inf else f"sigma={self.highest:.4g}"
            yield (
                f"{self.who_steps} begins with {begins}, beyond what {name} knows; it is asked at "
                f"sigma={min(first, most):.4g} there"
            )

    def toy_model(self) -> Model:
        return UnitPixel()

    def start(self, latents: Tensor) -> Tensor:
        return latents * self.factor

    def view(self, bound: Bound) -> Any:
        return bound
