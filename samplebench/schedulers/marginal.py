"""How much of a scheduler's state is image and how much noise, asked of the scheduler itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from samplebench.errors import UsageError
from samplebench.schedulers.package import called

# float32's, in which schedulers hold their tables.
_CLOSE = 1e-5
# Of squares or weights that sum to 1, computed in float64.
_SUMS = 1e-7


@dataclass(frozen=True)
class Marginal:
    """Of a state given its image: a x0 + s n, with unit normal n."""

    a: float
    s: float

    @property
    def sigma(self) -> float:
        """The noise level; infinite where there is no image in the state."""
        return self.s / self.a if self.a > 0 else math.inf

    def ratio(self, cap: float) -> float:
        """What a state is to be multiplied by for x0 + sigma n, or cap n where sigma is above."""
        return cap / self.s if self.sigma > cap else 1 / self.a


def marginal_at(scheduler: Any, t: Any, call: int) -> Marginal:
    """The marginal of the state that the scheduler is at.

    Args:
        t: of its times the one that comes next.
        call: how many came before.

    Raises:
        UsageError: the scheduler does not tell.
    """
    marginal = _by_noising(scheduler, t) or _by_rotation(scheduler, call)
    if marginal is None:
        raise UsageError(
            f"{called(type(scheduler))} does not reveal how much noise its states have "
            "(add_noise or scale_noise of images); it cannot run on a denoiser"
        )
    return _as_scaled(scheduler, t, _by_index(scheduler, marginal) or marginal)


def last_marginal(scheduler: Any, before: Marginal, calls: int) -> Marginal:
    """The marginal of the state that a loop of so many calls has ended with.

    Args:
        before: of the state at the last call.
    """
    if hasattr(scheduler, "sigmas") and getattr(scheduler, "step_index", None) is not None:
        return _by_index(scheduler, before) or Marginal(1.0, 0.0)
    if turned := _by_rotation(scheduler, calls):
        return turned
    kept = float(getattr(scheduler, "final_alpha_cumprod", 1.0))
    return Marginal(math.sqrt(kept), math.sqrt(max(0.0, 1 - kept)))


def _by_index(scheduler: Any, like: Marginal) -> Marginal | None:
    """A marginal of the kind of another, at the entry of `sigmas` that the scheduler is at.

    Its times may be rounded, and its last state has none.
    """
    sigmas, place = getattr(scheduler, "sigmas", None), getattr(scheduler, "step_index", None) or 0
    if sigmas is None or place >= len(sigmas):
        return None
    sigma = float(sigmas[place])
    if like.a == 1:
        return Marginal(1.0, sigma)
    if like.a > _CLOSE and abs(math.hypot(like.a, like.s) - 1) < _SUMS:
        return Marginal(1 / math.hypot(1, sigma), sigma / math.hypot(1, sigma))
    return Marginal(1 - sigma, sigma) if abs(like.a + like.s - 1) < _SUMS else like


def _by_noising(scheduler: Any, t: Any) -> Marginal | None:
    """From what it makes of an image without noise, and of noise without an image."""
    import torch

    one, none = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (1.0, 0.0))
    times = torch.as_tensor(t).reshape(1)
    try:
        if callable(getattr(scheduler, "add_noise", None)):
            found = [scheduler.add_noise(*pair, times) for pair in ((one, none), (none, one))]
        elif callable(getattr(scheduler, "scale_noise", None)):
            found = [scheduler.scale_noise(x, times, n) for x, n in ((one, none), (none, one))]
        else:
            return None
        a, s = (float(each) for each in found)
    except (TypeError, ValueError, RuntimeError):
        return None  # it noises something else than images
    return Marginal(a, s) if 0 <= a < math.inf and 0 <= s < math.inf else None


def _by_rotation(scheduler: Any, call: int) -> Marginal | None:
    """From its tables `alphas` and `betas` where these are a cosine and a sine (iPNDM)."""
    if hasattr(scheduler, "add_noise") or not hasattr(scheduler, "alphas"):
        return None
    a, s = float(scheduler.alphas[call]), float(scheduler.betas[call])
    return Marginal(a, s) if abs(math.hypot(a, s) - 1) < _CLOSE else None


def _as_scaled(scheduler: Any, t: Any, marginal: Marginal) -> Marginal:
    """The level by which it scales a network's input: a stage within a step has one of its own."""
    import torch

    scale = getattr(scheduler, "scale_model_input", None)
    if (
        scale is None
        or marginal.a != 1
        or hasattr(scheduler, "get_scalings_for_boundary_condition")
    ):
        return marginal
    if hasattr(scheduler, "precondition_inputs"):
        return marginal
    factor = float(scale(torch.ones((1, 1, 1, 1), dtype=torch.float64), t))
    if abs(factor - 1) < _CLOSE and marginal.s > 0.1:
        return marginal
    place = scheduler.step_index or 0
    tables = [vars(scheduler)[name] for name in sorted(vars(scheduler)) if "sigmas" in name]
    others = [float(table[place]) for table in tables if torch.is_tensor(table)]
    # At low levels all of them nearly fit, so the one that fits best.
    best = min((marginal.s, *others), key=lambda level: abs(factor * math.hypot(1, level) - 1))
    if abs(factor * math.hypot(1, best) - 1) < _CLOSE:
        return Marginal(1.0, best)
    raise UsageError(
        f"{called(type(scheduler))} evaluates its network at noise levels that it does not "
        "reveal; it cannot run on a denoiser"
    )
