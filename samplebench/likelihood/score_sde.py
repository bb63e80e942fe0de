"""Bits per dimension as score-SDE counts them (Song et al. 2021): of bytes with uniform noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError
from samplebench.likelihood.arguments import around, images_for, labels_of, source_of_draws
from samplebench.likelihood.divergence import (
    HUTCHINSON,
    check_divergence,
    check_gradients,
    traced,
)
from samplebench.likelihood.ode import flow, log_normal, path_of, rademacher
from samplebench.models.bound import Bound
from samplebench.samplers.score_sde_named import sde_of

if TYPE_CHECKING:
    from torch import Tensor

# Where the integral begins; sampling ends elsewhere.
_EPS = 1e-5
_BYTES = 256


def score_sde_bits(
    log_density: Any, dim: int, *, data_range: tuple[float, float] = (-1.0, 1.0)
) -> Any:
    """Bits per dimension of a log-density of dequantized bytes, of its kind and shape.

    -log2 p / dim + log2 of the number of bins in a unit of length: 7 for images in [-1, 1], 8 for
    those in [0, 1]. Its mean over the noise is at least the code length of the bytes.

    Args:
        log_density: in nats, of (b + u) / 256 mapped to the range, b the bytes, u ~ U[0, 1).
        dim: number of entries of one image.
        data_range: of the images.

    Raises:
        UsageError: no range.
    """
    low, high = map(float, data_range)
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"data_range={data_range} is not a range; write e.g. (-1, 1)")
    return -log_density / (dim * math.log(2)) + math.log2(_BYTES / (high - low))


def score_sde_dequantized(images: Any, noise: Any) -> Any:
    """Bytes with noise from U[0, 1) as images in [-1, 1]: 2 (b + u) / 256 - 1."""
    return (images + noise) / (_BYTES / 2) - 1


def score_sde_bits_per_dim(
    model: Any,
    x0: Any,
    *,
    process: str = "vp",
    divergence: str = HUTCHINSON,
    noise: Any = None,
    rtol: float = 1e-5,
    labels: Any = None,
) -> tuple[Tensor, Tensor]:
    """Bits per dimension of dequantized images on score-SDE's own process, and their states at 1.

    The images are taken as the state at t = 1e-5 and its density as theirs; the prior at t = 1 is
    N(0, 1) for "vp" and "subvp", N(0, sigma_max^2) for "ve". The released code couples the steps
    of a batch and computes in float32: 1e-4 bits.

    Args:
        model: as of `ode_log_density`; its range has that of the process.
        x0: bytes with noise, `score_sde_dequantized`, [N, C, H, W] in [-1, 1].
        process: "vp", "subvp" or "ve", between the paper's noise levels or, of "ve", the model's.
        divergence, noise, rtol, labels: as of `ode_log_density`.

    Returns:
        Bits per dimension [N] and states [N, C, H, W].

    Raises:
        UsageError: as `ode_log_density` does, or no such process, or one whose levels the model
            does not have.
    """
    import torch

    kind, x = sde_of(process), images_for(model, x0)
    dim = x[0].numel()
    check_divergence(divergence, dim)
    law = kind.between(*kind.span(model))
    ends = float(law.sigma(_EPS)), float(law.sigma(1.0))
    low, high = path_of(model, *ends)
    if not (math.isclose(low, ends[0], rel_tol=1e-9) and math.isclose(high, ends[1], rel_tol=1e-9)):
        raise UsageError(
            f"process {process} has noise levels from {ends[0]:.4g} to {ends[1]:.4g}, the model "
            f"those from {low:.4g} to {high:.4g}; use ode_log_density"
        )
    start, end = float(law.alpha(_EPS)), float(law.alpha(1.0))
    e = source_of_draws(noise, 1, x, lambda x: rademacher(x, range(len(x))))(x)
    bound = Bound(model, labels_of(model, labels, x), len(x))
    with around(model), torch.no_grad():
        check_gradients(bound, x, e)
        estimate = traced(bound, e if divergence == HUTCHINSON else None)
        z, gained = flow(bound, estimate, x / start, low, high, rtol)
        # Both ends are scaled by alpha, and with them a density in as many dimensions.
        scaled = end * z
        found = log_normal(scaled, law.prior) + gained + dim * math.log(end / start)
        return score_sde_bits(found, dim), scaled
