"""Muon (Jordan et al. 2024): momentum whose steps are orthogonal matrices."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
# The quintic whose repeated use takes singular values in (0, 1] to between 0.7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_SMALLEST = 16  # rows and columns of what it is for


class Muon(torch.optim.Optimizer):
    """Moves all directions of a layer equally fast; a convolution's inputs are its columns.

    These networks reach the same loss in half as many steps as with Adam.

    Args:
        parameters: of which `is_matrix` is true.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        shapes: dict[tuple[int, int], list[nn.Parameter]] = {}
        for p in parameters:
            shapes.setdefault((p.shape[0], p[0].numel()), []).append(p)
        groups = [{"params": ps, "shape": shape} for shape, ps in shapes.items()]
        super().__init__(groups, {"lr": 0.0})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            gradients = [p.grad for p in group["params"]]
            for p in group["params"]:
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            momenta = [self.state[p]["momentum"] for p in group["params"]]
            torch._foreach_mul_(momenta, _MOMENTUM)
            torch._foreach_add_(momenta, gradients)
            ahead = torch._foreach_add(gradients, momenta, alpha=_MOMENTUM)
            rows, columns = group["shape"]
            steps = orthogonal(torch.stack([a.reshape(rows, columns) for a in ahead]))
            rate = group["lr"] * max(1.0, rows / columns) ** 0.5
            for p, step in zip(group["params"], steps, strict=True):
                p.sub_(step.reshape(p.shape), alpha=rate)


def is_matrix(parameter: nn.Parameter) -> bool:
    """Whether a parameter is large enough in both directions; the others are for Adam."""
    return parameter.ndim > 1 and min(len(parameter), parameter[0].numel()) >= _SMALLEST


def orthogonal(matrices: Tensor) -> Tensor:
    """About U V^T of matrices U S V^T [n, rows, columns], by Newton and Schulz's iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
