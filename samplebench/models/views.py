"""What samplers on a discrete or a linear process see of a model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from samplebench.answers.blame import blame
from samplebench.answers.tensors import checked, described
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.isotropic import isotropic_eps

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess


class DiscreteView:
    """What a sampler on a discrete process sees of a model: its terms at the kept steps j.

    Args:
        bound: the model with labels, guidance and counts.
        process: the respaced one; j = 0 is the least noisy of its steps.
    """

    def __init__(self, bound: Bound, process: DiscreteProcess) -> None:
        self.bound, self.process = bound, process

    def predict(self, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        """(eps, v) at step j, counted; v are the raw variance channels, None where not learned."""
        return self._ask(self.bound.model.predict, x_t, j)  # type: ignore[attr-defined]

    def predict_x0(self, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        """(x0, v) at step j, counted."""
        return self._ask(self.bound.model.predict_x0, x_t, j)  # type: ignore[attr-defined]

    def gradient(self, x_t: Tensor, j: int) -> Tensor | None:
        """The guidance at step j in x_t's dtype, counted apart; None without guidance.

        Raises:
            UsageError: it returned something else than a tensor like x_t.
        """
        bound = self.bound
        if bound.guidance is None:
            return None
        bound.classified += x_t.shape[0]
        time = bound.model.time(self.process.timestep_map[j], len(x_t))  # type: ignore[attr-defined]
        with blame("the guidance", bound.guidance) if bound.blamed else nullcontext():
            answer = bound.guidance(x_t.clone(), time, bound.labels)
        gradient = checked("the guidance", answer, x_t)
        bound.watch.see(gradient, "the guidance", bound.calls, "step", j)
        return gradient

    def _ask(
        self, method: Callable[..., tuple[Tensor, Tensor | None]], x_t: Tensor, j: int
    ) -> tuple[Tensor, Tensor | None]:
        bound = self.bound
        answer = bound.ask(lambda x_t, labels: method(x_t, j, labels, self.process), x_t)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise UsageError(
                f"{bound.name} returned {described(answer)} where a pair was expected: the mean's "
                "part and the variance channels, or None"
            )
        mean, v = answer
        return (
            bound.judge(mean, x_t, "step", j),
            None if v is None else bound.judge(v, x_t, "step", j),
        )


class LinearView:
    """What a sampler on a linear process sees of a model: the noise in a state at a time.

    Args:
        bound: the model with labels and counts.
        process: the one that the model was trained on.
    """

    def __init__(self, bound: Bound, process: LinearProcess) -> None:
        self.bound, self.process = bound, process

    def eps(self, u: Tensor, t: float) -> Tensor:
        """The noise in states u [N, D, C, H, W] at time t, in the basis R, counted."""
        bound = self.bound
        answer = bound.ask(lambda u, labels: bound.model.eps(u, t, labels), u)  # type: ignore[attr-defined]
        return bound.judge(answer, u, "t", t)


class IsotropicView(LinearView):
    """The same of D(x; sigma), which answers on every isotropic process."""

    def eps(self, u: Tensor, t: float) -> Tensor:
        return isotropic_eps(self.bound, self.process, u, t)
