"""What timelines in noise levels share, x = x0 + sigma n, whoever says where the levels are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from samplebench.discretizations import RANGE
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model
from samplebench.samplers.step import Step
from samplebench.timelines.ends import OFF, RULES, Ends
from samplebench.timelines.timeline import Timeline

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Levels(Timeline):
    """Decreasing noise levels; latents are scaled to the first.

    Attributes:
        rules: the end rules that are a request's to say, `final` apart.
        levels: float64, the last 0 or positive.
        sigma_min, sigma_max: the range they were built from, within the model's.
        constants: of the request what decides the levels, and the end rules that are not off.
        ends: the end rules.
        usual_ends: those that the sampler has where none are said.
    """

    kinds = ("sigma", "discrete")
    settles = frozenset({"final", *RULES})
    supplied = (*RANGE, "final")
    rules: ClassVar[tuple[str, ...]] = RULES

    levels: np.ndarray
    sigma_min: float
    sigma_max: float
    constants: Mapping[str, Any]
    ends: Ends = OFF
    usual_ends: Ends = OFF

    @classmethod
    def differs(cls, planned: Any, loaded: Any) -> str:
        # Processes of equal law may end at other levels, as far as the model knows any.
        names = [getattr(each, "name", None) for each in (planned, loaded)]
        known = None not in names
        return f"process {names[1]}, not {names[0]}" if known and names[0] != names[1] else ""

    @property
    def grid(self) -> Tensor:
        """Levels in float64, on the host."""
        import torch

        return torch.from_numpy(self.levels)

    @property
    def supplies(self) -> Mapping[str, Any]:
        return {
            "sigma_min": self.sigma_min,
            "sigma_max": self.sigma_max,
            "final": self.ends.final,
        }

    @property
    def written(self) -> Mapping[str, Any]:
        others = {k: v for k, v in self.constants.items() if k not in self.settles}
        return {**others, **self.ends.beside(self.usual_ends)}

    @property
    def evaluations(self) -> int:
        return self.ends.evaluations

    def end_levels(self) -> tuple[float, float]:
        if self.ends.thresholding:
            raise UsageError("thresholding is not linear, leave it out")
        return float(self.levels[0]), 0.0 if self.ends.denoise_to_zero else float(self.levels[-1])

    def toy_model(self) -> Model:
        return UnitPixel()

    def start(self, latents: Tensor) -> Tensor:
        return latents * float(self.levels[0])

    def starts(self) -> list[float]:
        return self.levels[:-1].tolist()

    def tail(self, first: int) -> Self:
        # The slope without an evaluation is that of the whole run's first step.
        ends = replace(self.ends, afs=self.ends.afs and first == 0)
        return replace(self, levels=self.levels[first:], ends=ends)

    def noised(self, images: Tensor, latents: Tensor) -> Tensor:
        return images + self.start(latents)

    def view(self, bound: Bound) -> Any:
        return self.ends.view(bound)

    def finish(self, x: Tensor, view: Any, callback: Callable[[Step], None] | None) -> Tensor:
        return self.ends.finish(x, view, self.levels.tolist(), callback)


class UnitPixel(Model):
    """The exact denoiser of one pixel of unit normal data."""

    shape = (1, 1, 1)

    def __call__(self, x: Tensor, sigma: Any, labels: Tensor | None = None) -> Tensor:
        return x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)

    def draw_from(self, uniforms: Tensor, normals: Tensor, labels: Tensor | None) -> Tensor:
        return normals
