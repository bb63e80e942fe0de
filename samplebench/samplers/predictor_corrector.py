"""What score-SDE's predictor-corrector samplers share: predictors, correctors, their order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.tensors import column
from samplebench.errors import UsageError, unknown
from samplebench.samplers.probability_flow import draw
from samplebench.samplers.score_sde import ScoreSDE
from samplebench.samplers.score_sde_named import SubVariancePreserving, sde_of, span_of
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound

PREDICTORS: dict[str, Callable[[ScoreSDE, float, int], tuple[float, float, float]]] = {
    "reverse-diffusion": lambda sde, t, steps: sde.reverse_diffusion(t, steps),
    "euler-maruyama": lambda sde, t, steps: sde.euler_maruyama(t, steps),
    "ancestral": lambda sde, t, steps: sde.ancestral(t, steps),
}
CORRECTORS = ("langevin", "ald")
# The discretized variance-preserving process has betas below 1 from here on, with the paper's own.
_LEAST = 21


@dataclass(frozen=True)
class Parts:
    """The parameters of a run."""

    snr: float
    corrector_steps: int
    predictor: str
    corrector: str
    denoise: bool
    probability_flow: bool

    def check(self, sde: type[ScoreSDE]) -> None:
        """Raises `UsageError` for what is no part, or parts that do not go together."""
        for kind, known in (("predictor", PREDICTORS), ("corrector", CORRECTORS)):
            if getattr(self, kind) not in (*known, "none"):
                raise unknown(kind, getattr(self, kind), (*known, "none"))
        if self.predictor == self.corrector == "none":
            raise UsageError("predictor=none and corrector=none: say one of them")
        if self.corrector_steps < 1 or self.corrector_steps != int(self.corrector_steps):
            raise UsageError(f"corrector_steps={self.corrector_steps} must be 1, 2, ...")
        if not 0 < self.snr < math.inf:
            raise UsageError(f"snr={self.snr} must be a positive number, e.g. 0.16")
        if self.probability_flow and self.predictor != "reverse-diffusion":
            raise UsageError("probability_flow=True is of the predictor reverse-diffusion alone")
        published = (self.predictor, self.corrector) == ("euler-maruyama", "none")
        if issubclass(sde, SubVariancePreserving) and not published:
            raise UsageError("process=subvp takes predictor=euler-maruyama and corrector=none")


def per_step(corrector_steps: int, predictor: str, corrector: str) -> int:
    """Evaluations of one step, and its draws of noise."""
    return int(corrector_steps) * (corrector != "none") + (predictor != "none")


def _evaluations(
    steps: int,
    corrector_steps: int = 1,
    predictor: str = "reverse-diffusion",
    corrector: str = "langevin",
) -> int:
    return steps * per_step(corrector_steps, predictor, corrector)


def _stochastic(params: dict[str, Any]) -> bool:
    return params["corrector"] != "none" or not params["probability_flow"]


def _noises(steps: int, params: dict[str, Any]) -> int:
    kinds = ("corrector_steps", "predictor", "corrector")
    drawn = per_step(*(params[kind] for kind in kinds))
    return steps * (drawn - params["probability_flow"])


def _least(params: dict[str, Any]) -> int:
    continuous = params["predictor"] in ("euler-maruyama", "none") and params["corrector"] == "none"
    return 2 if continuous or params["process"] == "ve" else _LEAST


def _levels(steps: int, process: str | None, sigma_min: float, sigma_max: float) -> np.ndarray:
    sde = sde_of(process).between(sigma_min, sigma_max)
    return np.append(sde.sigma(sde.times(steps)), 0.0)


def canonical(params: dict[str, Any], batch: bool = False) -> tuple[str, dict[str, Any]]:
    """The norms count in Langevin's step size alone; without a corrector nothing of it counts."""
    idle = set()
    if params["corrector"] == "none":
        idle |= {"snr", "corrector_steps"}
    if params["predictor"] == "none":
        idle.add("denoise")
    kept = {name: value for name, value in params.items() if name not in idle}
    return ("pc-batch" if batch and params["corrector"] == "langevin" else "pc"), kept


FACTS: dict[str, Any] = {
    "evaluations": _evaluations,
    "stochastic": _stochastic,
    "noises": _noises,
    "timeline": "own",
    "levels": _levels,
    "span": span_of,
    "least": _least,
    "code": "score-sde",
    "cite": ("song2021score",),
}


def predict_correct(
    model: Bound,
    x: Tensor,
    grid: Tensor,
    parts: Parts,
    sde: ScoreSDE,
    noise: Callable[[Tensor], Tensor] | None,
    callback: Callable[[Step], None] | None,
    coupled: bool = False,
) -> Tensor:
    """At every t_i the corrector, then the predictor.

    Args:
        coupled: whether the norms of Langevin's step size are means over the batch.
    """
    parts.check(type(sde))
    levels = grid.tolist()
    steps = len(levels) - 1
    x = sde.start(x, levels[0])
    for i, t in enumerate(sde.times(steps).tolist()):
        if parts.corrector != "none":
            for _ in range(int(parts.corrector_steps)):
                score, denoised = sde.score(model, x, t)
                z = draw(noise, x)
                size = _size(sde, t, steps, parts, score, z, coupled)
                x = x + size * score + (2 * size) ** 0.5 * z
        if parts.predictor != "none":
            score, denoised = sde.score(model, x, t)
            kept, pulled, fresh = _transition(parts.predictor, sde, t, steps)
            x = kept * x + pulled * (0.5 if parts.probability_flow else 1) * score
            if not parts.probability_flow:
                z = draw(noise, x)
                # The last mean is the result, and its draw has no effect.
                x = x if parts.denoise and i == steps - 1 else x + fresh * z
        if callback:
            callback(Step(i, x, levels[i + 1], denoised))
    return x


def _transition(name: str, sde: ScoreSDE, t: float, steps: int) -> tuple[float, float, float]:
    try:
        return PREDICTORS[name](sde, t, steps)
    except (ValueError, ZeroDivisionError):
        raise _too_few(steps) from None


def _size(
    sde: ScoreSDE, t: float, steps: int, parts: Parts, score: Tensor, z: Tensor, coupled: bool
) -> Any:
    """Step size of a corrector, one for all or one for each sample [N, 1, 1, 1]."""
    scale = sde.corrected(t, steps)
    if scale < 0:
        raise _too_few(steps)
    if parts.corrector == "ald":
        return 2 * scale * (parts.snr * float(sde.std(t))) ** 2
    norms = [column(part.flatten(1).norm(dim=1), z) for part in (z, score)]
    fresh, pull = (norm.mean() for norm in norms) if coupled else norms
    return 2 * scale * (parts.snr * fresh / pull) ** 2


def _too_few(steps: int) -> UsageError:
    return UsageError(
        f"steps={steps}: sampler pc needs more on process vp, whose betas then reach 1; use more "
        "steps, or predictor=euler-maruyama with corrector=none"
    )
