"""A model whose evaluations are counted and timed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.models.around import Around

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.model import Model


class Watched(Around):
    """Answers as the model does.

    Args:
        model: any.
        report: called after each evaluation with the number of its images.

    Attributes:
        seconds: what evaluations took, by batch size.
    """

    def __init__(self, model: Model, report: Callable[[int], None] | None = None) -> None:
        super().__init__(model)
        self._report = report
        self.seconds: dict[int, list[float]] = defaultdict(list)

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        return self._timed(lambda: self.inner(x, sigma, labels), x)

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        return self._timed(lambda: self.inner.eps(u, t, labels), u)

    def _timed(self, ask: Callable[[], Tensor], x: Tensor) -> Tensor:
        import torch

        began = time.perf_counter()
        answer = ask()
        if x.device.type == "cuda":
            torch.cuda.synchronize(x.device)
        self.seconds[len(x)].append(time.perf_counter() - began)
        if self._report:
            self._report(len(x))
        return answer
