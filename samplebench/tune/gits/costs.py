"""What a step between two stamps costs: its distance from the teacher's trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import unknown
from samplebench.tune.gits.single import ends_of, further
from samplebench.tune.gits.steps import (
    Steps,
    euler_steps,
    memory,
    own_steps,
    pairs,
    triples,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from samplebench.models.bound import Bound
    from samplebench.sampling.setting import Setting
    from samplebench.tune.gits.teacher import Taught

_NORMS = {"l1": 1, "l2": 2}
METRICS = ("dev", *_NORMS)
# What a block of states and answers may take, so that large images fit.
_BYTES = 2**26


def cost_matrix(taught: Taught, metric: str = "dev") -> np.ndarray:
    """C[i, j], i < j: mean cost of Euler's step from stamp i to j (Chen et al. 2024, section 3.2).

    Args:
        metric: "l1" or "l2", the norm of the difference from the teacher's state; or "dev": how
            much farther from the straight line through the sample's first and last state the step
            leads than the teacher, which can be negative.

    Returns:
        float64 [M, M], 0 where i >= j.

    Raises:
        UsageError: another metric.
    """
    check_metric(metric)
    costs = np.zeros((taught.stamps, taught.stamps))
    costs[np.triu_indices(taught.stamps, 1)] = _mean_costs(
        taught, euler_steps(taught.levels), metric
    )
    return costs


def own_costs(
    taught: Taught, student: Setting, bound: Bound, latents: Tensor, metric: str = "l2"
) -> np.ndarray:
    """The same of the student's own step.

    A multistep student's step from i to j uses the answers at i and at k, where it was before:
    those of the teacher, so that it takes no evaluation. Where its order is above 2 it is the step
    that has two answers. A student that keeps nothing makes its step from the teacher's state; its
    first answer is known, its further stages are evaluated.

    Args:
        student: deterministic; its end is the teacher's.
        bound, latents: those of the teacher.

    Returns:
        The costs for `path_of`, [M, M] or [M, M, M].

    Raises:
        UsageError: another metric, or no step of the student is known by itself.
    """
    check_metric(metric)
    shape: tuple[int, ...] = (taught.stamps,) * 2
    predicts = memory(student, bound)
    if predicts:
        shape, chosen = (taught.stamps,) * 3, triples(taught.stamps)
    elif further(student):
        matrix = np.zeros(shape)
        for i, j, end in ends_of(taught, student, bound, latents):
            matrix[i, j] = _mean_cost(taught, end, j, metric)
        return matrix
    else:
        chosen = pairs(taught.stamps)
    steps = own_steps(student, bound, taught.levels, chosen, predicts or "x0")
    costs = np.zeros(shape)
    costs[tuple(chosen[:, -len(shape) :].T)] = _mean_costs(taught, steps, metric)
    return costs


def own_evaluations(student: Setting, model: Any, stamps: int) -> int:
    """Evaluations per latent that `own_costs` takes on so many stamps.

    Raises:
        UsageError: no step of the student is known by itself.
    """
    if memory(student, model):
        return 0
    to_zero = float(student.timeline.grid[-1]) == 0
    ends = stamps - to_zero
    return further(student) * ends * (ends - 1) // 2


def check_metric(metric: str) -> None:
    """Raises `UsageError` for a metric that there is not."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)


def _mean_costs(taught: Taught, steps: Steps, metric: str) -> np.ndarray:
    """Of steps [n] the mean over the samples, [n]."""
    # Of three vectors and more there are too many sums to form them all; what is left of products
    # is 1e-7 of the vectors, so that a difference which is none would not be told.
    many = metric == "l2" and steps.terms.shape[1] > 2
    costs = _by_products if many or metric == "dev" else _by_forming
    total: np.ndarray = np.zeros(len(steps.targets))
    for block in _blocks(taught, metric == "dev"):
        total += costs(block, steps, metric).sum(0).numpy()
    return total / len(taught.states)


def _blocks(taught: Taught, across: bool) -> Iterator[Tensor]:
    """States and answers [w, 2 M - 1, P] in float64, from the last state.

    Args:
        across: what of them is orthogonal to the line from the first to the last state alone.
    """
    import torch

    bytes_each = 8 * taught.states[0].numel() * 2
    for part in torch.arange(len(taught.states)).split(max(1, _BYTES // bytes_each)):
        vectors = torch.cat([taught.states[part], taught.answers[part]], 1).double()
        yield _from_last(vectors, taught.stamps, across)


def _from_last(vectors: Tensor, stamps: int, across: bool) -> Tensor:
    vectors = vectors - vectors[:, stamps - 1 : stamps]
    if not across:
        return vectors
    line = vectors[:, :1] / vectors[:, :1].norm(dim=2, keepdim=True)
    return vectors - (vectors * line).sum(2, keepdim=True) * line


def _by_products(block: Tensor, steps: Steps, metric: str) -> Tensor:
    """Costs [w, n] in "dev" and "l2", by the products of the vectors: no step is formed."""
    products = block @ block.mT
    stamps = (block.shape[1] + 1) // 2
    if metric == "dev":
        there = block[:, :stamps].norm(dim=2)[:, steps.targets]
        return _length(products, steps.terms, steps.weights) - there
    terms = np.column_stack([steps.terms, steps.targets])
    weights = np.column_stack([steps.weights, np.full(len(terms), -1.0)])
    return _length(products, terms, weights)


def _length(products: Tensor, terms: np.ndarray, weights: np.ndarray) -> Tensor:
    """Norms [w, n] of sums of vectors."""
    square = products.new_zeros(len(products), len(terms))
    factors = products.new_tensor(weights)
    for a in range(terms.shape[1]):
        for b in range(a + 1):
            twice = 1 if a == b else 2
            square += twice * factors[:, a] * factors[:, b] * products[:, terms[:, a], terms[:, b]]
    return square.clamp(min=0).sqrt()


def _by_forming(block: Tensor, steps: Steps, metric: str) -> Tensor:
    """Costs [w, n] in "l1" and "l2"."""
    import torch

    found = []
    size = max(1, _BYTES // (8 * block[:, 0].numel()))
    factors = block.new_tensor(steps.weights)[:, :, None]
    for part in torch.arange(len(steps.targets)).split(size):
        off = -block[:, steps.targets[part]]
        for term, factor in zip(steps.terms[part].T, factors[part].unbind(1), strict=True):
            off += factor * block[:, term]
        found.append(off.norm(p=_NORMS[metric], dim=2))
    return torch.cat(found, 1)


def _mean_cost(taught: Taught, end: Tensor, target: int, metric: str) -> float:
    """Of one step that led to states [W, P]."""
    import torch

    there = taught.states[:, target]
    if metric != "dev":
        off = end.double() - there.double()
        return float(off.norm(p=_NORMS[metric], dim=1).mean())
    line = torch.stack([taught.states[:, 0], end, there, taught.states[:, -1]], 1).double()
    lengths = _from_last(line, 4, True).norm(dim=2)
    return float((lengths[:, 1] - lengths[:, 2]).mean())
