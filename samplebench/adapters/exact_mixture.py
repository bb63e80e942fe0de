"""Exact denoisers of mixtures of Gaussians: their weights, means and covariances in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import InputError
from samplebench.files.archives import Arrays
from samplebench.registry import adapters

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model

_NEEDED = ("weights", "means", "variances")
# Of orthogonal axes, and of weights whose sum is 1, as float64 holds them.
_ROUNDING = 1e-9


@adapters.register("exact-mixture", precisions=("float64", "float32"), exact=True)
def load(
    path: Path, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype | None
) -> Model:
    """The mixture of an archive of `weights` [K], `means` [K, C, H, W], `variances` [K, P], and
    `axes` [K, P, P] where the variances are not those of the elements.

    Raises:
        InputError: the file is no such archive.
    """
    import torch

    from samplebench.models.mixture import GaussianMixture

    try:
        arrays = _arrays(path)
    except ValueError as error:
        raise InputError(
            f"{path} is not an archive of a mixture ({error}); it holds float64 weights [K], means "
            "[K, C, H, W], variances [K, P] with P = C H W, and perhaps axes [K, P, P]"
        ) from None
    there = {k: torch.from_numpy(v).to(device, dtype or torch.float64) for k, v in arrays.items()}
    return GaussianMixture(there["weights"], there["means"], there["variances"], there.get("axes"))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Raises ValueError where they are no mixture."""
    held = Arrays(path)
    if missing := [key for key in _NEEDED if key not in held.keys]:
        raise ValueError(f"it has {held.named()}, no {' and no '.join(missing)}")
    names = [*_NEEDED, *({"axes"} & {*held.keys})]
    if wrong := [name for name in names if held[name].dtype != np.float64]:
        raise ValueError(f"{wrong[0]} are {held[wrong[0]].text}")
    means = held["means"]
    if means.ndim != 4 or 0 in means.shape:
        raise ValueError(f"means are {means.text}")
    k, p = means.shape[0], int(np.prod(means.shape[1:]))
    shapes = {"weights": (k,), "variances": (k, p), "axes": (k, p, p)}
    for name in names:
        if held[name].shape != shapes.get(name, means.shape):
            raise ValueError(f"means are {means.text}, and {name} {held[name].text}")
    arrays = {name: held[name].whole() for name in names}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} are not finite")
    for name in ("weights", "variances"):
        if not (arrays[name] > 0).all():
            raise ValueError(f"{name} are not above 0")
    if abs(arrays["weights"].sum() - 1) > _ROUNDING:
        raise ValueError(f"weights have the sum {arrays['weights'].sum():g}, not 1")
    axes = arrays.get("axes", np.eye(p)[None])
    if np.abs(axes @ axes.transpose(0, 2, 1) - np.eye(p)).max() > _ROUNDING:
        raise ValueError("axes are not orthogonal")
    return arrays
