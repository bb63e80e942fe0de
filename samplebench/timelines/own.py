"""A sampler's own noise levels: its algorithm says where they are, not a time discretization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from samplebench.answers.parameters import split
from samplebench.answers.rounding import clamped
from samplebench.answers.scalars import real, whole
from samplebench.discretizations import RANGE, explicit
from samplebench.errors import UsageError
from samplebench.models.isotropic import own_process
from samplebench.processes.flow import Flow
from samplebench.registry import timelines
from samplebench.timelines.ends import Ends, refuse_rules
from samplebench.timelines.levels import Levels
from samplebench.timelines.words import Counts, Sweep, Words, one_of, sorted_out

# EDM's range, where neither request nor sampler says another (Karras et al. 2022, Table 1).
_USUAL = (0.002, 80.0)


@timelines.register("own")
@dataclass(frozen=True)
class Own(Levels):
    """Noise levels that a sampler declares by `levels`, which are the whole grid.

    Attributes:
        asked: the steps asked for; a step of the sampler may be several levels.
        process: name of the model's isotropic process, for a sampler with a parameter `process`.
    """

    label = "own levels"
    needs = "D(x; sigma) at levels of its own"
    least = 1
    usual = "dpm-solver-fast"
    words = frozenset({"steps", "nfe", *RANGE})
    instead = "sets its own noise levels; leave out {words} and give steps or nfe"

    asked: int | None = None
    process: str = "vp"

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        params = {**{end: getattr(words, end) for end in RANGE}, **words.params}
        rules = {name: params.pop(name, None) for name in cls.rules if name not in sampler.defaults}
        given = {end: params.pop(end) for end in RANGE}
        said = {end: real(f"{sampler.name}.{end}", v) for end, v in given.items() if v is not None}
        own, _ = sorted_out(sampler, params, {})
        process = _sde(model)
        effective = _settled(process, sampler.effective(own))
        beside = Ends.of(sampler.name, "sigma_min", rules).evaluations
        steps = cls._asked(words, sampler, effective, beside)
        span = dict(zip(RANGE, sampler.span(model=model, **effective) or _USUAL, strict=True))
        low, high = clamped(model, *({**span, **said}[end] for end in RANGE))
        if not 0 < low < high:
            raise UsageError(
                f"noise range [{low:g}, {high:g}] is empty; need 0 < sigma_min < sigma_max"
            )
        given = {**effective, "model": model, "sigma_min": low, "sigma_max": high}
        levels = np.asarray(sampler.levels(steps, **given), dtype=float)
        explicit(levels.tolist())
        usual = Ends("sigma_min" if levels[-1] > 0 else "zero")
        ends = Ends.of(sampler.name, usual.final, rules)
        constants = {**said, **ends.beside(usual)}
        return cls(levels, low, high, constants, ends, usual, steps, process)

    @classmethod
    def _asked(
        cls, words: Words, sampler: Counts, effective: dict[str, Any], beside: int
    ) -> int | None:
        """The number of steps that a request means, with so many evaluations beside theirs."""
        one_of(words, "steps", "nfe")
        if words.nfe is not None:
            return sampler.steps_for(whole("nfe", words.nfe), effective, beside)
        steps, least = whole("steps", words.steps), sampler.least(effective)
        if steps < least:
            raise UsageError(f"steps={steps}: sampler {sampler.name} needs at least {least}")
        return steps

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words(params=split(given, dict.fromkeys((*RANGE, *cls.rules)))[0])

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words(steps=steps, params={k: v for k, v in condition.items() if k != "name"})

    @classmethod
    def toy(cls, steps: int) -> Self:
        levels = np.geomspace(10.0, 0.01, steps + 1)
        ends = Ends("sigma_min")
        return cls(levels, 0.01, 10.0, {}, ends, ends, steps)

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        refuse_rules(sampler, name, "its own levels, and its own last step, say how it ends")

    @classmethod
    def names(cls, asked: Sweep) -> set[str]:
        return {*RANGE, *cls.rules}

    def starts(self) -> list[float]:
        raise UsageError("sets its own noise levels, and what it does at one follows from all")

    @property
    def steps(self) -> int | None:  # type: ignore[override]
        return self.asked

    @property
    def condition(self) -> Any:
        return {"name": self.label, **self.constants}

    def settled(self, effective: dict[str, Any]) -> dict[str, Any]:
        return _settled(self.process, effective)


def _sde(model: Any) -> str:
    """The process of score-SDE's that a model was trained on; "vp" where it has none of them."""
    own = own_process(model)
    name = own if isinstance(own, str) else own.name
    return "vp" if name == Flow.name else name


def _settled(process: str, effective: dict[str, Any]) -> dict[str, Any]:
    """Parameters with the model's own process where a sampler has one and none is said."""
    if effective.get("process", process) is None:
        return {**effective, "process": process}
    return effective
