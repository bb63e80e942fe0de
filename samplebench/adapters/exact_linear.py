"""Exact noise predictions on any linear process, of the kernel density of a set of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.processes import trained_process
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model


@adapters.register(
    "exact-linear",
    kind="linear",
    process=lambda config, shape: trained_process(config, shape[-1]),
    labels_optional=True,
    precisions=("float64", "float32"),
    exact=True,
)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The kernel density of such an archive on the process that config names."""
    from samplebench.adapters.exact import density
    from samplebench.models.exact_linear import ExactLinearModel

    images, classes, bandwidth = density(path, config, device, dtype)
    return ExactLinearModel(images, classes, bandwidth, trained_process(config, images.shape[-1]))
