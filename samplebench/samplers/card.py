"""The sampler that a solver card describes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from samplebench.cards.card import Card
from samplebench.cards.read import solver_card
from samplebench.errors import InputError
from samplebench.processes.vp import VP
from samplebench.registry import SamplerEntry, samplers
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


class Clock(NamedTuple):
    """What a kind of time means: state = scale(t) (x0 + sigma(t) n)."""

    sigma: Callable[[float], float]
    scale: Callable[[float], float]


CLOCKS = {
    "sigma": Clock(float, lambda t: 1.0),
    "vp": Clock(VP().sigma, lambda t: 1 / math.hypot(1, VP().sigma(t))),
    "flow": Clock(lambda t: t / (1 - t), lambda t: 1 - t),
}
# v of D and x = x0 + sigma eps.
_ANSWERS: dict[str, Callable[[Any, Any, float], Any]] = {
    "eps": lambda x, denoised, sigma: (x - denoised) / sigma,
    "x0": lambda x, denoised, sigma: denoised,
    "flow": lambda x, denoised, sigma: (x - denoised) / sigma - denoised,
}


@samplers.scheme("card", "card:FILE.json", "a solver card: nodes and coefficients from a file")
def read(path: str) -> SamplerEntry:
    """The sampler of a card's file.

    Raises:
        InputError: the file is no card.
        UsageError: it is a list of noise levels.
    """
    card = solver_card(path)
    sigma = CLOCKS[card.time].sigma
    for j in card.evaluated:
        t = card.times[j] + card.shifts[j]
        if not 0 < sigma(t) < math.inf:
            raise InputError(
                f"{card.called}: the evaluation at state {j}, at time {t:g}, is at sigma "
                f"{sigma(t):g}; it must be a number above 0"
            )
    return SamplerEntry(
        card.called,
        CardSampler(card),
        summary=card.description,
        timeline="card",
        evaluations=lambda steps: card.nfe,
        depth=lambda steps, params: card.depth,
        about=card.about,
    )


@dataclass(frozen=True)
class CardSampler:
    """A card as a function (model, x, grid) -> x.

    Attributes:
        card: the coefficients.
    """

    card: Card

    @property
    def levels(self) -> list[float]:
        """The noise levels of the states, n + 1 numbers."""
        return [CLOCKS[self.card.time].sigma(t) for t in self.card.times]

    def __call__(
        self,
        model: Bound,
        x: Tensor,
        grid: Tensor,
        *,
        noise: Callable[[Tensor], Tensor] | None = None,
        callback: Callable[[Step], None] | None = None,
    ) -> Tensor:
        """From x0 + sigma_0 n to x0 + sigma_n n.

        Only what a later state still needs is held: of a multistep method as many states and
        evaluations as it has steps.
        """
        card, scale = self.card, CLOCKS[self.card.time].scale
        states, answers = {0: x * scale(card.times[0])}, {}
        denoised = None
        until = _last_uses(card)
        for i, (a, c) in enumerate(zip(card.a, card.c, strict=True)):
            for j in range(i + 1):
                if c[j] and j not in answers:
                    denoised, answers[j] = self._answer(model, states[j], j)
            terms = [weight * states[j] for j, weight in enumerate(a) if weight]
            terms += [weight * answers[j] for j, weight in enumerate(c) if weight]
            states[i + 1] = sum(terms[1:], terms[0])
            states = {j: state for j, state in states.items() if until[0].get(j, i + 1) > i}
            answers = {j: answer for j, answer in answers.items() if until[1][j] > i}
            if callback and denoised is not None:
                callback(Step(i, states[i + 1], float(grid[i + 1]), denoised))
        return states[len(card.c)] / scale(card.times[-1])

    def _answer(self, model: Bound, state: Tensor, j: int) -> tuple[Tensor, Tensor]:
        """D and v at a state."""
        t, clock = self.card.times[j] + self.card.shifts[j], CLOCKS[self.card.time]
        x, sigma = state / clock.scale(t), clock.sigma(t)
        denoised = model(x, sigma)
        return denoised, _ANSWERS[self.card.predicts](x, denoised, sigma)


def _last_uses(card: Card) -> tuple[dict[int, int], dict[int, int]]:
    """By state, and by evaluation, the last row that needs it; a state is needed for its own."""
    states: dict[int, int] = {}
    answers: dict[int, int] = {}
    for i, (a, c) in enumerate(zip(card.a, card.c, strict=True)):
        states |= {j: i for j, weight in enumerate(a) if weight}
        asked = [j for j, weight in enumerate(c) if weight]
        states |= {j: i for j in asked if j not in answers}
        answers |= dict.fromkeys(asked, i)
    return states, answers
