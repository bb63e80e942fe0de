"""Linear multistep methods: one loop. A method is its weights, made per step from the levels.

    x_{i+1} = keep x_i + sum_j past_j m_{i-j} + fresh e_i

m_i is what the model predicts at sigma_i, D or eps = (x - D) / sigma; e_i is unit normal noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError, unknown
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

PREDICTIONS = ("x0", "eps")


@dataclass(frozen=True)
class Weights:
    """Of one step.

    Attributes:
        keep: of the state.
        past: of the predictions, newest first; those beyond are not used.
        fresh: standard deviation of the noise that is added.
    """

    keep: float
    past: tuple[float, ...]
    fresh: float = 0.0

    def __call__(self, x: Tensor, predictions: Iterable[Tensor]) -> Tensor:
        """The next state without its noise."""
        x = self.keep * x
        for weight, prediction in zip(self.past, predictions, strict=False):
            x = x + weight * prediction
        return x


# (levels, index of the step, points that it may use) -> weights of the step.
Rule = Callable[[Sequence[float], int, int], Weights]


@dataclass(frozen=True)
class Method:
    """A linear multistep method.

    Attributes:
        step: weights from the predictions at sigma_i, sigma_{i-1}, ...
        order: points that a step uses where the history has as many.
        predicts: "x0" or "eps", of what the history is.
        corrector: weights of the step made again with the prediction at sigma_{i+1} before the
            others, or None.
        lower_order_final: whether the last steps use fewer points, the last one 1.
    """

    step: Rule
    order: int
    predicts: str = "eps"
    corrector: Rule | None = None
    lower_order_final: bool = False

    def __post_init__(self) -> None:
        check_prediction(self.predicts)

    def points(self, i: int, steps: int) -> int:
        """How many predictions step i of so many uses: fewer while the history grows."""
        if i + 1 < self.order or not self.lower_order_final:
            return min(i + 1, self.order)
        return min(self.order, steps - i)

    def corrects(self, i: int, levels: Sequence[float]) -> bool:
        """Whether step i is corrected.

        The last one is not, which spares its evaluation; but where there are fewer steps than the
        order, it is (UniPC's release). At 0 there is nothing to evaluate.
        """
        steps = len(levels) - 1
        last_too = steps < self.order and levels[-1] > 0
        return self.corrector is not None and (i < steps - 1 or last_too)


def multistep(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    method: Method,
    *,
    noise: Callable[[Tensor], Tensor] | None = None,
    stochastic: bool = False,
    callback: Callable[[Step], None] | None = None,
) -> Tensor:
    """Runs a linear multistep method down a grid.

    Args:
        stochastic: whether it draws noise, once a step, also where `fresh` is 0.
    """
    levels = grid.tolist()
    past: deque[Tensor] = deque(maxlen=method.order)
    ahead = None
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        if ahead is None:
            denoised = model(x, sigma)
            ahead = predicted(method.predicts, x, denoised, sigma)
        past.appendleft(ahead)
        points = method.points(i, len(levels) - 1)
        weights = method.step(levels, i, points)
        x_next, ahead = weights(x, past), None
        if method.corrector and method.corrects(i, levels):
            denoised = model(x_next, sigma_next)
            ahead = predicted(method.predicts, x_next, denoised, sigma_next)
            x_next = method.corrector(levels, i, points)(x, [ahead, *past])
        if stochastic:
            x_next = x_next + weights.fresh * draw(noise, x)
        x = x_next
        if callback:
            callback(Step(i, x, sigma_next, denoised))
    return x


def late(params: dict[str, Any], steps: int, left: int) -> dict[str, Any]:
    """The last steps of a run end as they do there: where it has at least `order` steps, their
    points are counted from its end, and not as those of a run of fewer steps than its order."""
    order = params["order"] if steps < params["order"] else min(params["order"], left)
    return {**params, "order": order}


def predicted(predicts: str, x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """D itself, or the noise eps = (x - D) / sigma."""
    return denoised if predicts == "x0" else (x - denoised) / sigma


def check_prediction(predicts: str) -> None:
    """Raises `UsageError` for another word than "x0" and "eps"."""
    if predicts not in PREDICTIONS:
        raise unknown("predicts", predicts, PREDICTIONS)


def check_order(name: str, order: int, most: int) -> int:
    """The order as a whole number from 1 to `most`.

    Raises:
        UsageError: another.
    """
    if order not in range(1, most + 1):
        raise UsageError(f"{name}.order={order}: whole numbers from 1 to {most}")
    return int(order)
