"""What samplers on a discrete or a linear process see of a model, and those without any time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.blame import Blame
from samplebench.answers.tensors import checked, described
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.guidance import ClassifierGuidance, Guidance, ReferenceGuidance
from samplebench.models.isotropic import isotropic_eps
from samplebench.processes.discrete import DiscreteProcess
from samplebench.processes.levels import level

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.processes.linear import LinearProcess


class ExactView:
    """What a sampler without steps sees of a model: exact draws of its law.

    Args:
        bound: the model with its labels.
    """

    def __init__(self, bound: Bound) -> None:
        self.bound = bound

    def draw_from(self, uniforms: Tensor, normals: Tensor) -> Tensor:
        """The draws [N, C, H, W] that these numbers mean, as `KernelDensity.draw_from` says it.

        Raises:
            UsageError: the model has none, or returned something else than images like these.
        """
        bound = self.bound
        draw: Callable[..., Any] | None = getattr(bound.model, "draw_from", None)
        if draw is None:
            raise UsageError(f"{bound.name} has no exact draws")
        who = f"draw_from of {bound.name}"
        with Blame(who) if bound.blamed else nullcontext():
            drawn = draw(uniforms, normals, bound.labels)
        return checked(who, drawn, normals, copy=bound.foreign)


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
        return self._ask("predict", x_t, j)

    def predict_x0(self, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        """(x0, v) at step j, counted."""
        return self._ask("predict_x0", x_t, j)

    def gradient(self, x_t: Tensor, j: int) -> Tensor | None:
        """The classifier's gradient at step j in x_t's dtype, counted apart; None without, and
        where its interval does not have the step.

        Raises:
            UsageError: it returned something else than a tensor like x_t.
        """
        import torch

        bound, guide = self.bound, self.bound.guide
        guidance: Any = bound.guidance
        if guide is None or isinstance(guidance, ReferenceGuidance):
            return None
        sigma, n = float(self.process.sigmas[j]), len(x_t)
        if isinstance(guidance, Guidance) and not guidance.inside(sigma):
            return None
        if isinstance(guidance, ClassifierGuidance) and guidance.process is not None:
            time = guidance.time(torch.tensor(sigma, dtype=torch.float64), n, x_t.device)
        else:
            time = bound.model.time(self.process.timestep_map[j], n)  # type: ignore[attr-defined]
        answer = guide.ask(lambda x_t, t, labels: guidance(x_t, t, labels), x_t, time)
        return guide.judge(answer, x_t, "step", j)

    def _ask(self, what: str, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        """What a method of the model answers; the mean's part is moved where guidance acts."""
        guidance, guide = self.bound.guidance, self.bound.guide
        main, v = self._own(self.bound, what, x_t, j)
        if guide is None or not isinstance(guidance, ReferenceGuidance):
            return main, v
        if not guidance.inside(float(self.process.sigmas[j])):
            return main, v
        return guidance.moved(main, self._other(guide, what, x_t, j)), v

    def _other(self, guide: Bound, what: str, x_t: Tensor, j: int) -> Tensor:
        """The same of a guiding model, on the steps of its own process where it has the noise
        level, and else of its D(x; sigma)."""
        if guide.model is self.bound.model:
            return self._own(guide, what, x_t, j)[0]
        law = self.process
        if same_steps(guide.model, self.bound.model):
            own: Any = guide.model
            t = int(law.timestep_map[j])
            return self._judged(guide, lambda x, y: getattr(own, what)(x, t, y), x_t, j)[0]
        sigma = float(law.sigmas[j])
        x0 = guide(x_t * (1 + sigma**2) ** 0.5, sigma)
        return x0 if what == "predict_x0" else law.eps(j, x_t, x0)

    def _own(self, bound: Bound, what: str, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        method = getattr(bound.model, what)
        return self._judged(bound, lambda x, labels: method(x, j, labels, self.process), x_t, j)

    def _judged(
        self, bound: Bound, question: Callable[..., Any], x_t: Tensor, j: int
    ) -> tuple[Tensor, Tensor | None]:
        answer = bound.ask(question, x_t)
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


def same_steps(one: Any, other: Any) -> bool:
    """Whether two models have the steps of one discrete process."""
    a, b = (getattr(model, "process", None) for model in (one, other))
    if not (isinstance(a, DiscreteProcess) and isinstance(b, DiscreteProcess)):
        return False
    same = one.kind == other.kind and a.steps == b.steps
    return same and bool(np.allclose(a.alpha_bar, b.alpha_bar, rtol=1e-12, atol=0))


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
        main = self._own(bound, u, t)
        if bound.guide is None or not isinstance(bound.guidance, Guidance):
            return main
        if not bound.guidance.inside(level(self.process, t)):
            return main
        return bound.guidance.moved(main, self._own(bound.guide, u, t))

    def _own(self, bound: Bound, u: Tensor, t: float) -> Tensor:
        answer = bound.ask(lambda u, labels: bound.model.eps(u, t, labels), u)  # type: ignore[attr-defined]
        return bound.judge(answer, u, "t", t)


class IsotropicView(LinearView):
    """The same of D(x; sigma), which answers on every isotropic process."""

    def eps(self, u: Tensor, t: float) -> Tensor:
        return isotropic_eps(self.bound, self.process, u, t)
