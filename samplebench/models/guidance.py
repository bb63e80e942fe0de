"""Classifier guidance (Dhariwal & Nichol 2021): the gradient of log p(y | x_t)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplebench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClassifierGuidance:
    """scale * d/dx log p(y | x_t): the `guidance` of `sb.sample`.

    Attributes:
        classifier: classifier(x_t, t) -> logits [N, K] of the noisy images; t as the diffusion
            network receives it.
        scale: factor of the gradient.
        num_classes: K, the range that labels are drawn from for an unconditional model; 0: they
            have to be given.
    """

    classifier: Callable[[Tensor, Tensor], Tensor]
    scale: float = 1.0
    num_classes: int = 0

    def __call__(self, x_t: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """The gradient [N, C, H, W] at x_t, in float32.

        Raises:
            UsageError: no labels.
        """
        import torch

        if labels is None:
            raise UsageError("classifier guidance needs labels; pass labels=")
        with torch.enable_grad():
            x = x_t.detach().to(torch.float32).requires_grad_()
            log_p = torch.log_softmax(self.classifier(x, t), dim=-1)
            chosen = log_p.gather(1, labels.to(log_p.device).reshape(-1, 1)).sum()
            return torch.autograd.grad(chosen, x)[0] * self.scale
