"""What a model is asked where only the answer's cost or its kind matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from samplebench.models.bound import Bound
from samplebench.timelines.choice import of_model

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.model import Model


def probe(
    model: Model, batch: int, images: Tensor | None = None, *, blamed: bool = False
) -> Callable[[], Tensor]:
    """The call of one evaluation, at a noise level near 1 or half-way in time; nothing is drawn.

    Args:
        images: [N, C, H, W]; None for zeros.
        blamed: whether a failure becomes a line that names the network.
    """
    import torch

    if images is None:
        images = torch.zeros(batch, *model.shape, dtype=model.state_dtype, device=model.device)
    given = torch.zeros(batch, dtype=torch.int64, device=model.device)
    labels = given if model.num_classes else None
    bound = Bound(model, labels, batch, blamed=blamed)
    return lambda: of_model(model).once(bound, images)
