"""No time at all: images are drawn from a model's own law, without an evaluation of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model, draws_exactly, name_of
from samplebench.models.views import ExactView
from samplebench.registry import adapters, timelines
from samplebench.timelines.levels import UnitPixel
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Counts, Sweep, Words, sorted_out

if TYPE_CHECKING:
    from torch import Tensor


@timelines.register("no-steps")
@dataclass(frozen=True)
class NoSteps(Timeline):
    """For samplers that ask a model for exact draws, and for nothing else.

    Latents are the normal numbers of the draws. No word of a request changes anything.
    """

    kinds = ("sigma", "discrete", "linear")
    label = "no steps"
    needs = "exact draws of its model"
    least = 0
    usual = "exact"
    words = frozenset()
    instead = "makes no steps; drop {words}"
    budgeted = False
    evaluates = False

    steps = 0
    constants = MappingProxyType({})

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        sorted_out(sampler, words.params, {})
        if not draws_exactly(model):
            who = getattr(model, "id", None) or name_of(model)
            raise UsageError(
                f"sampler {sampler.name} needs {cls.needs}, and {who} has none; models in closed "
                f"form have them: {', '.join(_in_closed_form())}, and a model of yours with a "
                "method draw_from(uniforms, normals, labels)"
            )
        return cls()

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words()

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words()

    @classmethod
    def toy(cls, steps: int) -> Self:
        return cls()

    @property
    def condition(self) -> Any:
        return {"name": self.label}

    @property
    def grid(self) -> Tensor:
        """The level of an image, 0, and no other."""
        import torch

        return torch.zeros(1, dtype=torch.float64)

    @property
    def takes(self) -> frozenset[str]:
        return frozenset()

    def toy_model(self) -> Model:
        return UnitPixel()

    def start(self, latents: Tensor) -> Tensor:
        return latents

    def view(self, bound: Bound) -> ExactView:
        return ExactView(bound)


def _in_closed_form() -> list[str]:
    """Models of the catalogue that have exact draws."""
    from samplebench.checkpoints.catalog import catalog

    return [entry.id for entry in catalog().values() if adapters.entry(entry.format).exact]
