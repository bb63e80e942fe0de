"""The states of a solver card, whose times are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from samplebench.answers.parameters import split
from samplebench.answers.scalars import whole
from samplebench.cards.card import Card
from samplebench.discretizations import RANGE
from samplebench.errors import OutOfBudget, UsageError
from samplebench.registry import timelines
from samplebench.samplers.card import CLOCKS, CardSampler
from samplebench.timelines.ends import RULES, Ends
from samplebench.timelines.levels import Levels
from samplebench.timelines.mismatch import mismatches
from samplebench.timelines.words import Counts, Sweep, Words, sorted_out

# Where a card's grid ends is written in it.
_USUAL = Ends("sigma_min")
_RULES = ("thresholding",)
# Words of other steps, of which a card leaves no choice.
_OF_OTHERS = {*RANGE, "rho", "final", *RULES}.difference(_RULES)


@timelines.register("card")
@dataclass(frozen=True)
class CardSteps(Levels):
    """The noise levels of a card's states, stages among them, so that they need not decrease.

    Attributes:
        card: the solver.
    """

    label = "card"
    needs = "D(x; sigma) at the times of its card"
    least = 1
    words = frozenset({"steps", "nfe"})
    instead = "has the times of its card; leave out {words}"
    rules: ClassVar[tuple[str, ...]] = _RULES
    solved: ClassVar[bool] = True
    staged: ClassVar[bool] = True

    card: Card | None = None

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        """The states of the sampler's card; steps and nfe are the card's, and may be left out."""
        card = _card(sampler)
        if words.steps is not None and whole("steps", words.steps) != len(card.c):
            raise UsageError(
                f"steps={words.steps}: {sampler.name} has {len(card.c)} steps; leave steps out"
            )
        if words.nfe is not None and whole("nfe", words.nfe) < card.nfe:
            reason = f"its card has {card.nfe} evaluations"
            raise OutOfBudget(sampler.name, whole("nfe", words.nfe), "too small", reason)
        for name in words.params:
            cls.refuse(sampler.name, name)
        _, rules = sorted_out(sampler, words.params, dict.fromkeys(cls.rules))
        return cls._on(card, Ends.of(sampler.name, _USUAL.final, rules))

    @classmethod
    def _on(cls, card: Card, ends: Ends) -> Self:
        clock = CLOCKS[card.time]
        levels = np.array([clock.sigma(t) for t in card.times])
        asked = [clock.sigma(card.times[j] + card.shifts[j]) for j in card.evaluated]
        return cls(levels, min(asked), max(asked), ends.beside(_USUAL), ends, _USUAL, card)

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words(params=split(given, dict.fromkeys(cls.rules))[0])

    @classmethod
    def budgets(cls, sampler: Counts, asked: Sweep, words: Words) -> tuple[int | None, ...]:
        """One run whatever number of budgets admits it; the largest where none does."""
        fits = "nfe" not in asked.given or max(asked.nfe) >= _card(sampler).nfe
        return (None,) if fits else (max(asked.nfe),)

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words(params={k: v for k, v in condition.items() if k != "name"})

    @classmethod
    def toy(cls, steps: int) -> Self:
        """Euler's steps as a card."""
        times = np.geomspace(10.0, 0.01, steps + 1).tolist()
        kept = tuple((0.0,) * i + (1.0,) for i in range(steps))
        asked = tuple((0.0,) * i + (times[i + 1] - times[i],) for i in range(steps))
        card = Card("toy", "eps", "sigma", tuple(times), (0.0,) * steps, kept, asked)
        return cls._on(card, _USUAL)

    @classmethod
    def names(cls, asked: Sweep) -> set[str]:
        return {*cls.rules}

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        if name in _OF_OTHERS:
            raise UsageError(
                f"{sampler}.{name}: its card fixes the steps and the end; leave it out"
            )

    def starts(self) -> list[float]:
        raise UsageError("is a card, some of whose states are stages")

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.levels) - 1

    @property
    def condition(self) -> Any:
        return {"name": self.label, **self.constants}

    def remarks(self, model: Any, name: str) -> Iterator[str]:
        assert self.card is not None
        levels = (self.sigma_max, self.sigma_min)
        return mismatches(self.card, levels, model, name)


def _card(sampler: Counts) -> Card:
    """What the sampler runs.

    Raises:
        UsageError: it is none of the samplers that cards are.
    """
    function = sampler.function
    if not isinstance(function, CardSampler):
        raise UsageError(f"sampler {sampler.name} is not a card; register it on another timeline")
    return function.card
