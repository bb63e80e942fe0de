"""Exact noise predictions on any linear process, of the kernel density of a set of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from samplebench.adapters.exact import density
from samplebench.models.exact_linear import ExactLinearModel
from samplebench.models.model import Model
from samplebench.processes import trained_process
from samplebench.registry import adapters


@adapters.register("exact-linear")
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The kernel density of such an archive on the process that config names."""
    images, classes, bandwidth = density(path, config, device, dtype)
    return ExactLinearModel(images, classes, bandwidth, trained_process(config, images.shape[-1]))
