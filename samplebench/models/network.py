"""A network that somebody has in memory, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from samplebench.models.model import known_labels
from samplebench.models.modules import device_of, dtype_of


class UserNetwork:
    """network(x, time) or, with classes, network(x, time, labels), fed in its own precision.

    Args:
        function: the network, a torch module or anything that can be called.
        who: it is, for messages.
        num_classes: 0 for an unconditional network.
        null_label: what the network receives where a sample has no label; None where it always
            has one.

    Attributes:
        device: where it is.
        dtype: of x and of a time that is no whole number; None leaves the state's.
        remarks: what its user must know of it, a line each.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        who: str,
        num_classes: int = 0,
        null_label: int | None = None,
    ) -> None:
        self.function, self.who = function, who
        self.num_classes, self.null_label = num_classes, null_label
        self.device, self.dtype = device_of(function), dtype_of(function)
        self.remarks: list[str] = []

    def __call__(self, x: Tensor, time: Tensor, labels: Tensor | None) -> Any:
        """What the network answers, not yet judged; of an object with a tensor `sample` that.

        Args:
            x: [N, ...] in the state's dtype.
            time: [N] on x's device, int64 or floating-point.
            labels: int64 [N], None without classes or, with a null label, without a label.

        Raises:
            UsageError: labels that are missing or that it does not have.
        """
        own = self.dtype or x.dtype
        given = [x.to(own), time.to(own) if time.is_floating_point() else time]
        if self.num_classes:
            labels = known_labels(labels, self.num_classes, needed=self.null_label is None)
            if labels is None and self.null_label is not None:
                labels = torch.full((len(x),), self.null_label, dtype=torch.int64)
            assert labels is not None
            given.append(labels.to(x.device))
        # Recorded for whoever wants a gradient in x, and for nobody else.
        with torch.set_grad_enabled(x.requires_grad and torch.is_grad_enabled()):
            answer = self.function(*given)
        sample = None if isinstance(answer, Tensor) else getattr(answer, "sample", None)
        return sample if isinstance(sample, Tensor) else answer
