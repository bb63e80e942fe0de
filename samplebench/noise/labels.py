"""Labels of the samples of a class-conditional model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import scalar, values
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
        UsageError: of an unconditional model, no whole numbers of its classes, or not one for all
            or for each.
    """
    import torch

    if given is None:
        return drawn
    if not num_classes and not guided:
        raise UsageError("labels given, but the model is unconditional")
    found = values(given)
    for label in found:
        number = isinstance(label, int | float) and not isinstance(label, bool)
        if not (number and label % 1 == 0):  # of NaN and infinity that is NaN
            raise UsageError(
                f"labels are not whole numbers: {line_of(repr(label))}; pass one class for each "
                "sample or one for all"
            )
        most = num_classes or 2**63
        if not 0 <= label < most:
            raise UsageError(f"labels must lie in [0, {most}), not {label}")
    if not (isinstance(scalar(given), int | float) or len(found) == n):
        raise UsageError(f"{len(found)} labels for {n} samples; pass one for each or one for all")
    return torch.tensor([int(label) for label in found], device=device).expand(n)
