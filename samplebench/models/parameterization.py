"""What a network's answer says of the images: its prediction, and the range they have there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Of images y0 and noise n in y_t = a y0 + b n.
PREDICTS = ("eps", "x0", "v", "score", "flow", "D")


@dataclass(frozen=True)
class Parameterization:
    """What a network sees of a state, and what of the images it means by its answer.

    The network knows images y0 = center + half x0 in its own range, in states y_t = a y0 + b n, and
    answers with

        eps: n.  x0: y0.  v: a n - b y0 (Salimans & Ho 2022), where a^2 + b^2 = 1.
        score: -n / b.  flow: n - y0 (Lipman et al. 2023), where a + b = 1.
        D: y0, of a state that is not scaled, y0 + b / a n.

    Attributes:
        predicts: one of those.
        low, high: the range.
    """

    predicts: str
    low: float = -1.0
    high: float = 1.0

    @property
    def half(self) -> float:
        """Of a level in the network's units and in EDM's: their ratio."""
        return (self.high - self.low) / 2

    @property
    def center(self) -> float:
        return (self.high + self.low) / 2

    @property
    def of_noise(self) -> bool:
        """Whether `read` gives the noise, and not x0."""
        return self.predicts in ("eps", "score")

    def state(self, x: Tensor, a: Tensor) -> Tensor:
        """y_t of x = x0 + sigma n in EDM's convention; a broadcasts with x."""
        return a * (self.center + self.half * x)

    def seen(self, y: Tensor, a: Tensor) -> Tensor:
        """What the network receives of y_t, new memory."""
        return y / a if self.predicts == "D" else y.clone()

    def read(self, answer: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """The noise n where `of_noise`, else x0, that an answer about y_t means."""
        if self.predicts == "eps":
            return answer
        if self.predicts == "score":
            return -b * answer
        if self.predicts == "v":
            answer = a * y - b * answer
        elif self.predicts == "flow":
            answer = y - b * answer
        return (answer - self.center) / self.half


def kept(level: Tensor) -> Tensor:
    """a of a process that keeps the variance, at levels b / a."""
    return 1 / torch.sqrt(1 + level.square())
