"""Noise levels: x = x0 + sigma n from a time discretization or a list (Karras et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from samplebench.answers.blame import line_of
from samplebench.answers.parameters import merge, split, word
from samplebench.answers.scalars import real, scalar, whole
from samplebench.discretizations import RANGE, Grid, build, explicit, grid_constants, name_of
from samplebench.errors import UsageError, unknown
from samplebench.models.bound import Bound
from samplebench.models.model import Model
from samplebench.registry import Entry, discretizations, timelines
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Counts, Sweep, Words, one_of, sorted_out

if TYPE_CHECKING:
    from torch import Tensor

_EXPLICIT = "explicit levels"


@timelines.register("sigma")
@dataclass(frozen=True)
class Sigma(Timeline):
    """Decreasing noise levels, the last 0; latents are scaled to the first.

    Attributes:
        discretization: a name, a function, or the levels themselves.
        levels: float64 [steps + 1].
        sigma_min, sigma_max: the range they were built from, within the model's.
        constants: of the discretization, rho among them, its range where it was given, and `final`
            where that is "sigma_min": the grid then ends there, at a positive level.
    """

    kinds = ("sigma", "discrete")
    needs = "D(x; sigma)"
    words = frozenset({"steps", "nfe", "discretization", "rho", *RANGE})
    instead = "steps in noise levels; {words} is for a discrete model's own steps: say steps or nfe"
    supplied = (*RANGE, "final")

    discretization: Any
    levels: np.ndarray
    sigma_min: float
    sigma_max: float
    constants: Mapping[str, Any]

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        params = {**{end: getattr(words, end) for end in RANGE}, **words.params}
        common = {name: params.pop(name, None) for name in cls.supplied}
        common = {name: value for name, value in common.items() if value is not None}
        final = _final(common.pop("final", "zero"))
        where = "edm" if words.discretization is None else words.discretization
        if not (isinstance(where, str) or callable(where)):
            sorted_out(sampler, params, {})
            return cls._listed(model, where, words, common, final)
        known = grid_constants(where)
        own, constants = sorted_out(sampler, params, known)
        one_of(words, "steps", "nfe")
        if words.nfe is None:
            steps = whole("steps", words.steps)
        else:
            given = {**sampler.effective(own), "final": final}
            steps = sampler.steps_for(whole("nfe", words.nfe), given)
        if words.rho is not None and "rho" not in known:
            raise UsageError(
                f"rho={words.rho}: discretization {getattr(where, '__name__', where)} has no rho; "
                f"drop it (its constants: {', '.join(known) or 'none'})"
            )
        constants = merge(f"constant of discretization {name_of(where)}", known, constants)
        if words.rho is not None:
            constants["rho"] = check_rho(words.rho)
        common = {end: real(f"{sampler.name}.{end}", level) for end, level in common.items()}
        grid = build(where, steps, model=model, final=final, **constants, **common)
        return cls._on(grid, where, {**constants, **common, **_said(final)})

    @classmethod
    def _listed(
        cls, model: Any, given: Any, words: Words, common: Mapping[str, Any], final: str
    ) -> Self:
        """The timeline of explicit levels, which are the whole grid."""
        listed = tuple(explicit(given).tolist())
        count = len(listed) - len(_said(final))
        if words.nfe is not None or scalar(words.steps) not in (None, count):
            raise UsageError(f"explicit noise levels fix the steps to {count}; drop steps and nfe")
        if drop := [*words.said("rho"), *common]:
            raise UsageError(f"explicit noise levels are the whole grid; drop {', '.join(drop)}")
        return cls._on(build(listed, count, model=model, final=final), listed, _said(final))

    @classmethod
    def _on(cls, grid: Grid, discretization: Any, constants: Mapping[str, Any]) -> Self:
        return cls(discretization, grid.levels, grid.sigma_min, grid.sigma_max, constants)

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        for where in asked.discretization:
            known = grid_constants(where) if isinstance(where, str) else {}
            common = cls.supplied if isinstance(where, str) else ("final",)
            taken = split(given, {**known, **dict.fromkeys(common)})[0]
            words = Words(discretization=where, params=taken)
            for rho in (asked.rho if "rho" in known else ()) or (None,):
                yield replace(words, rho=rho)

    @classmethod
    def words_of(cls, condition: Any, steps: int) -> Words:
        if not isinstance(condition, Mapping):
            return Words(discretization=tuple(condition))
        constants = {k: v for k, v in condition.items() if k not in ("name", "rho", "levels")}
        if "levels" in condition:
            return Words(discretization=tuple(condition["levels"]), params=constants)
        where, rho = condition["name"], condition.get("rho")
        return Words(steps=steps, discretization=where, rho=rho, params=constants)

    @classmethod
    def toy(cls, steps: int) -> Self:
        # Down from well above the data to well below, whatever the number of steps.
        levels = np.append(np.geomspace(10.0, 0.01, steps), 0.0)
        return cls("logsnr", levels, 0.01, 10.0, {})

    @classmethod
    def names(cls, asked: Sweep) -> set[str]:
        named = [grid for grid in asked.discretization if isinstance(grid, str)]
        constants = {name for grid in named for name in grid_constants(grid)} - {"rho"}
        return constants | ({*cls.supplied} if named else {"final"})

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        if name in RANGE:
            raise UsageError(
                f"{sampler}.{name}: explicit noise levels are the whole grid; write them from the "
                "first to the last that you mean, e.g. 40/10/2/0.5/0.1, or name a discretization"
            )

    @classmethod
    def shown(cls, condition: Any) -> str:
        explicit = not isinstance(condition, Mapping) or "levels" in condition
        return _EXPLICIT if explicit else super().shown(condition)

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.levels) - 1

    @property
    def condition(self) -> Any:
        if isinstance(self.discretization, tuple):
            listed = list(self.discretization)
            return (
                {"name": "list", "levels": listed, **self.constants} if self.constants else listed
            )
        return {"name": name_of(self.discretization), **self.constants}

    @property
    def grid(self) -> Tensor:
        """Levels in float64, [steps + 1]."""
        import torch

        return torch.from_numpy(self.levels)

    @property
    def column(self) -> str:
        if isinstance(self.discretization, tuple):
            return "/".join(map(word, self.discretization))
        return name_of(self.discretization)

    @property
    def uses(self) -> tuple[tuple[str, Entry], ...]:
        named = isinstance(self.discretization, str)
        return (("discretization", discretizations.entry(self.discretization)),) if named else ()

    @property
    def takes(self) -> frozenset[str]:
        if isinstance(self.discretization, tuple):
            return frozenset({"discretization"})
        return frozenset({"nfe", "discretization", *(self.constants.keys() & {"rho"})})

    @property
    def supplies(self) -> Mapping[str, Any]:
        return {
            "sigma_min": self.sigma_min,
            "sigma_max": self.sigma_max,
            "final": self.constants.get("final", "zero"),
        }

    def toy_model(self) -> Model:
        return UnitPixel()

    def start(self, latents: Tensor) -> Tensor:
        return latents * float(self.levels[0])

    def view(self, bound: Bound) -> Bound:
        return bound


class UnitPixel(Model):
    """The exact denoiser of one pixel of unit normal data."""

    shape = (1, 1, 1)

    def __call__(self, x: Tensor, sigma: Any, labels: Tensor | None = None) -> Tensor:
        return x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)


def check_rho(rho: Any) -> float:
    """rho as a positive finite float."""
    try:
        value = real("rho", rho)
    except UsageError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise UsageError(f"rho={line_of(str(rho))} must be a positive number, e.g. 7")
    return value


def _final(given: Any) -> str:
    """Where the grid ends: at 0, or at the last positive level."""
    if given not in ("zero", "sigma_min"):
        raise unknown("final", str(given), ("zero", "sigma_min"))
    return str(given)


def _said(final: str) -> dict[str, Any]:
    """`final` where it is not the usual one, so that older conditions stay what they are."""
    return {} if final == "zero" else {"final": final}
