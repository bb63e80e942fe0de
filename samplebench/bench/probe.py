"""What a model is asked where only the cost of the answer matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.model import Model


def probe(model: Model, batch: int) -> tuple[Tensor, float, Tensor | None]:
    """Images of zeros, a noise level near 1 and, for a conditional model, labels; nothing drawn."""
    import torch

    x = torch.zeros(batch, *model.shape, dtype=model.state_dtype, device=model.device)
    labels = torch.zeros(batch, dtype=torch.int64, device=model.device)
    sigma = min(max(1.0, model.sigma_min), model.sigma_max)
    return x, sigma, labels if model.num_classes else None
