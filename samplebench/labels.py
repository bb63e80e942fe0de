"""Labels of the samples of a class-conditional model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def labels_for(
    given: Any,
    drawn: Tensor | None,
    n: int,
    num_classes: int,
    device: torch.device,
    guided: bool,
) -> Tensor | None:
    """Labels int64 [n] as asked for, or as drawn.

    Raises:
        UsageError: of an unconditional model, or not one for all or for each.
    """
    import torch

    if given is None:
        return drawn
    if not num_classes and not guided:
        raise UsageError("labels given, but the model is unconditional")
    try:
        labels = torch.as_tensor(given, dtype=torch.int64, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"labels {given!r} are not whole numbers") from None
    if labels.ndim and labels.shape != (n,):
        raise UsageError(f"{len(labels)} labels for {n} samples; pass one for each or one for all")
    labels = labels.expand(n)
    if num_classes and (labels.min() < 0 or labels.max() >= num_classes):
        raise UsageError(f"labels must lie in [0, {num_classes})")
    return labels
