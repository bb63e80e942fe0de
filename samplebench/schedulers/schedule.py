"""A scheduler's noise schedule at a number of steps, found by a loop over one pixel."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.draws import kept_generators
from samplebench.answers.rounding import SINGLE
from samplebench.errors import UsageError
from samplebench.extras import hushed
from samplebench.schedulers.classes import named_arguments
from samplebench.schedulers.configuration import prepared
from samplebench.schedulers.loop import run_loop
from samplebench.schedulers.marginal import Marginal, last_marginal, marginal_at
from samplebench.schedulers.outputs import output_of
from samplebench.schedulers.package import called

if TYPE_CHECKING:
    from torch import Tensor

# Where a run begins without any image: EDM's highest level. At the end of a table, sigma = 2e4 with
# cosine betas, an error in eps would be one of many images.
HIGHEST = 80.0
# An image of one pixel, within any clipping.
_PIXEL = 0.5


@dataclass(frozen=True)
class Schedule:
    """What of a scheduler does not depend on the images.

    Attributes:
        marginals: of the states at its calls of the network, in their order.
        last: of its last state.
        initial: what unit normal latents are multiplied by for its first state.
        draws: whether its steps draw noise.
    """

    marginals: tuple[Marginal, ...]
    last: Marginal
    initial: float
    draws: bool

    def asked(self, cap: float) -> list[float]:
        """The noise levels at which a model is asked that knows none above `cap`."""
        return [min(marginal.sigma, cap) for marginal in self.marginals]


def schedule_of(scheduler: type[Any], steps: int, params: Mapping[str, Any]) -> Schedule:
    """The schedule of so many steps.

    Raises:
        UsageError: the scheduler does not tell its noise levels, asks at level 0, or cannot make
            so many steps.
    """
    try:
        key = pickle.dumps(dict(params))
    except Exception:  # a function of the user's, of which nobody knows what it does next time
        return _found(scheduler, steps, params)
    return _kept(scheduler, steps, key)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _kept(scheduler: type[Any], steps: int, key: bytes) -> Schedule:
    """The same, found once: some schedulers take longer for it than a small network does."""
    return _found(scheduler, steps, pickle.loads(key))


def _found(scheduler: type[Any], steps: int, params: Mapping[str, Any]) -> Schedule:
    import torch

    name = called(scheduler)
    with hushed(), torch.no_grad(), kept_generators():
        made, told = prepared(scheduler, steps, params)
        output, marginals = output_of(made), []

        def answer(scaled: Tensor, x: Tensor, t: Any, call: int) -> Tensor:
            marginals.append(marginal_at(made, t, call))
            if not marginals[-1].s > 0:
                raise UsageError(
                    f"{name} evaluates its network at noise level 0, which no model has"
                )
            return output(x, torch.full_like(x, _PIXEL), marginals[-1])

        given = torch.Generator().manual_seed(0)
        before = given.get_state(), torch.get_rng_state()
        x = torch.full((1, 1, 1, 1), _PIXEL, dtype=torch.float64)
        end = run_loop(made, answer, x, told={**told, **drawing(scheduler, [given])})
        after = given.get_state(), torch.get_rng_state()
        if not marginals:
            raise UsageError(f"{name} gives no step for {steps}; use more")
        last = last_marginal(made, marginals[-1], len(marginals))
    if not (end.isfinite().all() and last.a > 0):
        raise UsageError(
            f"{name} with {steps} steps does not end in finite values; use "
            "other steps or parameters"
        )
    draws = not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    initial = float(getattr(made, "init_noise_sigma", 1.0))
    return Schedule(tuple(marginals), last, initial, draws)


def drawing(scheduler: type[Any], generators: list[Any]) -> dict[str, Any]:
    """What a step is told to draw from, one generator for each sample."""
    takes = any(p.name == "generator" for p in named_arguments(scheduler.step))
    return {"generator": generators} if takes else {}


def cap_of(model: Any) -> float:
    """The highest level that a model, or what is known of one, is asked at; infinite for any."""
    process = getattr(model, "process", None)
    table = getattr(process, "sigmas", None)
    known = None if table is None else float(np.max(table[np.isfinite(table)]))
    known = getattr(model, "sigma_max", known)
    return math.inf if known is None else float(known)


def decreasing(name: str, levels: list[float], last: float) -> list[float]:
    """The levels that a run passes through, each once, down to the last.

    Raises:
        UsageError: they go up.
    """
    found = levels[:1]
    for level in (*levels[1:], last):
        if level > found[-1] * (1 + SINGLE):
            raise UsageError(f"{name}: its noise levels increase, from images to noise")
        if level < found[-1] * (1 - SINGLE):
            found.append(level)
    return found
