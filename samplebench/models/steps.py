"""Steps of a discrete process as its networks know them: the nearest to a level, and their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samplebench.processes.discrete import DiscreteProcess


def nearest(levels: Tensor, sigma: Tensor) -> Tensor:
    """The index of the nearest of some levels, the first of two equally near; of sigma's shape."""
    distance = (sigma.to(levels).reshape(-1, 1) - levels).abs()
    return distance.argmin(1).reshape(sigma.shape)


def network_time(
    process: DiscreteProcess, t: int | Tensor, n: int, device: torch.device | str
) -> Tensor:
    """What a network receives [n] at the original steps t, one or [n], on its device."""
    import torch

    t = torch.as_tensor(t)
    if process.rescale:
        t = t.to(torch.float32) * process.time_factor
    return t.to(device, non_blocking=True).expand(n)
