"""Which GPU a rank has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from samplebench.errors import EnvironmentError_

if TYPE_CHECKING:
    import torch


def own_device(device: torch.device, model: object = None) -> torch.device:
    """The device of this rank: where "cuda" alone is asked for, the GPU of its local rank.

    Args:
        device: that the plan runs on.
        model: in memory, which stays where it is.

    Raises:
        EnvironmentError_: this machine has fewer GPUs than ranks.
    """
    import torch

    if model is not None or device.type != "cuda" or device.index is not None:
        return getattr(model, "device", device)
    local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= there:
        raise EnvironmentError_(
            f"rank {os.environ.get('RANK')} is number {local} of its machine, which has "
            f"{there} GPUs; give --nproc-per-node {there} or --device cuda:0"
        )
    own = torch.device("cuda", local)
    torch.cuda.set_device(own)
    return own
