"""The steps of a scheduler of diffusers: where its configuration puts so many of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from samplebench.answers.parameters import plain
from samplebench.answers.rounding import SINGLE, model_range
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

_INSTEAD = "its own parameters set them, e.g. use_karras_sigmas or timestep_spacing"
_OWN = ("rho", *RANGE)


@timelines.register("scheduled")
@dataclass(frozen=True)
class Scheduled(Timeline):
    """Noise levels that a scheduler sets by itself.

    Attributes:
        sampler: the sampler's name.
        asked: its number of steps; a step may be several evaluations.
        own: the scheduler's levels, each once, and the last that is left; the first is infinite
            where it begins without any image.
        levels: the same as the model is asked, which is not above the highest that it knows.
        factor: what latents are multiplied by for the state on the first level.
        said: of the scheduler's parameters those that were said as words of the steps.
    """

    kinds = ("sigma", "discrete")
    label = "scheduler's levels"
    needs = "D(x; sigma) at a scheduler's levels"
    least = 1
    # Of the latter a scheduler may have parameters of its own, as EDM's have.
    words = frozenset({"steps", "nfe", *_OWN})
    instead = f"sets its own noise levels; leave out {{words}}: {_INSTEAD}"
    supplied = ("num_inference_steps",)
    solved = True

    sampler: str
    asked: int
    own: tuple[float, ...]
    levels: np.ndarray
    factor: float
    said: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        said = {name: getattr(words, name) for name in words.said(*_OWN)}
        if foreign := said.keys() - sampler.defaults.keys():
            cls._refuse_levels(sampler.name, sorted(foreign)[0])
        own, _ = sorted_out(sampler, {**words.params, **said}, {})
        one_of(words, "steps", "nfe")
        effective = sampler.effective(own)
        said = {name: effective[name] for name in said}
        if words.nfe is None:
            steps = whole("steps", words.steps)
        else:
            steps = sampler.steps_for(whole("nfe", words.nfe), effective)
        found = sampler.levels(steps, model=model, **effective)
        return cls(sampler.name, steps, tuple(found.own), found.asked, found.start, said)

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words()

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words(steps=steps)

    @classmethod
    def toy(cls, steps: int) -> Self:
        levels = np.append(np.geomspace(10.0, 0.01, steps), 0.0)
        return cls("a scheduler", steps, tuple(levels.tolist()), levels, 10.0)

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        if name in _OWN:
            cls._refuse_levels(sampler, name)
        refuse_rules(sampler, name, "its own parameters set the end, e.g. final_sigmas_type")

    @classmethod
    def _refuse_levels(cls, sampler: str, name: str) -> None:
        raise UsageError(f"{sampler}.{name}: it sets its own noise levels; {_INSTEAD}")

    @property
    def steps(self) -> int:  # type: ignore[override]
        return self.asked

    @property
    def condition(self) -> Any:
        return {"name": self.label, "levels": [plain(level) for level in self.own]}

    @property
    def about(self) -> Mapping[str, Any]:
        asked = self.levels.tolist()
        return {} if asked == list(self.own) else {"asked": asked}

    @property
    def grid(self) -> Tensor:
        """The levels in float64, on the host."""
        import torch

        return torch.from_numpy(self.levels)

    @property
    def supplies(self) -> Mapping[str, Any]:
        return {"num_inference_steps": self.asked}

    def remarks(self, model: Any, name: str) -> Iterable[str]:
        first = self.own[0]
        if first == math.inf or first > model_range(model)[1] * (1 + SINGLE):
            begins = "no image at all" if first == math.inf else f"sigma={first:.4g}"
            yield (
                f"{self.sampler} begins with {begins}, above the highest noise level of {name}, "
                f"which is evaluated at sigma={self.levels[0]:.4g} there"
            )

    def starts(self) -> list[float]:
        raise UsageError("is a scheduler of diffusers, which begins at its first level")

    def settled(self, effective: dict[str, Any]) -> dict[str, Any]:
        return {**effective, **self.said}

    def toy_model(self) -> Model:
        return UnitPixel()

    def start(self, latents: Tensor) -> Tensor:
        return latents * self.factor

    def view(self, bound: Bound) -> Any:
        return bound
