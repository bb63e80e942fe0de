"""What must be known of samples beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samplebench.models.model import in_training

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def doubts(bound: Bound, x: Tensor) -> list[str]:
    """What must be known of samples x [N, ...] beside them, a line each.

    Args:
        bound: the model that they were drawn from.
    """
    lost = (bound.watch.look() > 0) | ~x.isfinite().flatten(1).all(1).cpu().numpy()
    found = []
    if lost.any():
        why = bound.watch.why() or "not finite at the end"
        found.append(f"{lost.sum()} of {len(x)} samples: {why}")
    for each in filter(None, (bound, bound.guide)):
        if each.drew:
            found.append(
                f"{each.name} draws from torch's global generator, so equal seeds give different "
                "samples"
            )
        if each.foreign and in_training(each.model):
            found.append(
                f"{each.name} is in training mode, in which dropout and batch norm change its "
                "outputs; call its .eval()"
            )
    return found
