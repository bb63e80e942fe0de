"""The values of one block of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from samplebench.answers.draws import watched_generators
from samplebench.errors import UsageError
from samplebench.likelihood.arguments import around
from samplebench.likelihood.bound import terms
from samplebench.likelihood.divergence import HUTCHINSON, check_gradients, traced
from samplebench.likelihood.ode import flow, log_normal, rademacher
from samplebench.likelihood.plan import BY_BOUND, LikelihoodPlan
from samplebench.likelihood.score_sde import score_sde_bits, score_sde_dequantized
from samplebench.models.bound import Bound, listening
from samplebench.models.model import is_foreign
from samplebench.models.views import DiscreteView
from samplebench.noise.streams import PortableNoise, uniforms

if TYPE_CHECKING:
    from torch import Tensor

# Of one image: what a bound has beside its total.
PARTS = ("prior", "L_0", "rest")
# By step: what a bound's terms add up to over the images of a block.
STEPS = ("vb", "mse", "xstart_mse")

# Values [n] of the block's images by name, or sums [S] over them.
Values = Mapping[str, np.ndarray]
# Is told of work that is done: images times their evaluations, or parts of an image.
Advance = Callable[[float], None]


def values_of(plan: LikelihoodPlan, repeat: int, first: int, count: int, tell: Advance) -> Values:
    """The values of images number first .. first + count - 1 of the data's order, float64.

    "bits" and "evaluations"; of the bound also its `PARTS` and, as sums over the images by step,
    its `STEPS`; of the ODE also "log_density", nats of the dequantized image in [-1, 1].

    Raises:
        UsageError: a network that fails, or a value that is not finite.
    """
    import torch

    part = plan.data.order[first : first + count]
    bound = _bound_to(plan, part)
    seeds, device = _seeds(plan, part), plan.model.device
    watched = watched_generators(seeds[0], device) if is_foreign(plan.model) else nullcontext()
    with around(plan.model), watched, torch.no_grad():
        make = _bound if plan.method == BY_BOUND else _ode
        found = make(plan, bound, repeat, part, tell)
    assert bound.counts is not None
    if lost := plan.data.places[part][~np.isfinite(found["bits"])].tolist():
        why = bound.watch.why(count) or f"{bound.name} gives no finite likelihood"
        raise UsageError(
            f"{len(lost)} of {count} images have no value, image {lost[0]} the first of them: {why}"
        )
    return {**found, "evaluations": bound.counts.astype(np.float64)}


def check_model(plan: LikelihoodPlan) -> None:
    """Raises `UsageError` where an ODE's network has no gradients that are those of its answers."""
    import torch

    if plan.method == BY_BOUND:
        return
    part = plan.data.order[:2]
    bound = _bound_to(plan, part)
    with around(plan.model), torch.no_grad():
        x = _dequantized(plan, 0, part)
        check_gradients(bound, x, rademacher(x, _seeds(plan, part)))


def _bound_to(plan: LikelihoodPlan, part: np.ndarray) -> Bound:
    """The model with the labels of some images."""
    import torch

    labels = plan.data.labels
    given = None if labels is None else torch.from_numpy(labels[part]).to(plan.model.device)
    return Bound(plan.model, given, len(part), blamed=True)


def _bound(
    plan: LikelihoodPlan, bound: Bound, repeat: int, part: np.ndarray, tell: Advance
) -> dict[str, np.ndarray]:
    model = plan.model
    bytes_ = _tensor(plan, plan.data.images[part])
    noise = PortableNoise(_seeds(plan, part), model.device, model.state_dtype)
    # Repeats take further draws of the same seeds.
    noise.draw = repeat * plan.law.steps
    with listening(lambda images, seconds: tell(images)):
        found = terms(DiscreteView(bound, plan.law), bytes_ / 127.5 - 1, noise)
    vb, total = _array(found.vb), _array(found.total)
    prior, last = _array(found.prior), vb[:, -1]
    sums = {name: _array(getattr(found, name)).sum(0) for name in STEPS}
    return {"bits": total, "prior": prior, "L_0": last, "rest": vb[:, :-1].sum(1), **sums}


def _ode(
    plan: LikelihoodPlan, bound: Bound, repeat: int, part: np.ndarray, tell: Advance
) -> dict[str, np.ndarray]:
    low, high = plan.path
    x = _dequantized(plan, repeat, part)
    e = None
    if plan.divergence == HUTCHINSON:
        e = rademacher(x, _seeds(plan, part), repeat)
    done = 0.0

    def report(shares: np.ndarray) -> None:
        nonlocal done
        tell(float(shares.sum()) - done)
        done = float(shares.sum())

    z, gained = flow(bound, traced(bound, e), x, low, high, plan.rtol, report)
    density = _array(gained + log_normal(z, high))
    return {"bits": score_sde_bits(density, plan.data.dim), "log_density": density}


def _dequantized(plan: LikelihoodPlan, repeat: int, part: np.ndarray) -> Tensor:
    pixels = plan.data.images[part].astype(np.float64)
    noise = uniforms(_seeds(plan, part), pixels.shape[1:], repeat)
    return _tensor(plan, score_sde_dequantized(pixels, noise))


def _seeds(plan: LikelihoodPlan, part: np.ndarray) -> list[int]:
    """Of images by their places in the set, so that none depends on how many are taken."""
    return [plan.seed + place for place in plan.data.places[part].tolist()]


def _tensor(plan: LikelihoodPlan, values: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(values).to(plan.model.device, plan.model.state_dtype)


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
