"""Divergences and likelihoods of diagonal Gaussians (Ho et al. 2020, Eqs. 5 and 13).

In nats, entry by entry, in the dtype and the order of operations of improved-DDPM.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# No bin is held less likely than this.
_LEAST = 1e-12
# Half the distance of two bytes in [-1, 1], and what counts as the first or the last of them.
_HALF_BIN, _EDGE = 1 / 255, 0.999


def normal_kl(mean1: Tensor, log_var1: Tensor, mean2: Tensor, log_var2: Tensor) -> Tensor:
    """KL(N(mean1, exp log_var1) || N(mean2, exp log_var2)); arguments are broadcast."""
    return 0.5 * (
        -1.0
        + log_var2
        - log_var1
        + (log_var1 - log_var2).exp()
        + (mean1 - mean2).square() * (-log_var2).exp()
    )


def approximate_cdf(z: Tensor) -> Tensor:
    """The unit normal's distribution function by a tanh, as improved-DDPM computes it."""
    return 0.5 * (1.0 + (math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)).tanh())


def discretized_log_likelihood(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log of the mass that N(mean, exp(2 log_std)) has in the bin of each byte.

    Args:
        x: bytes b as b / 127.5 - 1. The bins of the first and the last one have no outer end.
    """
    import torch

    centered, inverse = x - mean, (-log_std).exp()
    below = approximate_cdf(inverse * (centered + _HALF_BIN))
    above = approximate_cdf(inverse * (centered - _HALF_BIN))
    inner = (below - above).clamp(min=_LEAST).log()
    first, last = below.clamp(min=_LEAST).log(), (1.0 - above).clamp(min=_LEAST).log()
    return torch.where(x < -_EDGE, first, torch.where(x > _EDGE, last, inner))
