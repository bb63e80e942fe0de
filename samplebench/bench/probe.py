"""What a model is asked where only the cost of the answer matters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.model import Model


def probe(model: Model, batch: int) -> Callable[[], Tensor]:
    """One evaluation of zeros, at a noise level near 1 or half-way in time; nothing is drawn."""
    import torch

    from samplebench.models.model import is_linear

    x = torch.zeros(batch, *model.shape, dtype=model.state_dtype, device=model.device)
    given = torch.zeros(batch, dtype=torch.int64, device=model.device)
    labels = given if model.num_classes else None
    if is_linear(model):
        assert model.law is not None
        return partial(model.eps, model.law.encode(x), model.law.T / 2, labels)
    sigma = torch.as_tensor(min(max(1.0, model.sigma_min), model.sigma_max), dtype=torch.float64)
    return partial(model, x, sigma, labels)
