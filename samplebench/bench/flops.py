"""What one network evaluation costs: floating-point operations, counted, never computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samplebench.model import Model


def gflop_per_evaluation(model: Model, batch: int) -> float | None:
    """GFLOP (2 x multiply-adds) of one evaluation of one image, of `batch` evaluated at once.

    Matrix products, convolutions and attention are counted, the rest of a network is small beside
    them. What a model computes only to fill a batch up counts too: it is work of that evaluation.
    No random number is drawn.

    Returns:
        None where the model has none of these operations: not counted is not zero.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(batch, *model.shape, dtype=model.state_dtype, device=model.device)
    labels = torch.zeros(batch, dtype=torch.int64, device=model.device)
    sigma = min(max(1.0, model.sigma_min), model.sigma_max)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x, sigma, labels if model.num_classes else None)
    return counter.get_total_flops() / batch / 1e9 or None
