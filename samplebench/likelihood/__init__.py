"""How likely a model holds images: the variational bound, and the probability-flow ODE's density.

Two numbers of two names, which are never compared: `bpd-bound` of bytes as they are, and `bpd-ode`
of bytes with uniform noise on them.
"""

from samplebench.likelihood.bound import VariationalBound, bits_per_dim
from samplebench.likelihood.ode import ode_log_density
from samplebench.likelihood.score_sde import (
    score_sde_bits,
    score_sde_bits_per_dim,
    score_sde_dequantized,
)

__all__ = [
    "VariationalBound",
    "bits_per_dim",
    "ode_log_density",
    "score_sde_bits",
    "score_sde_bits_per_dim",
    "score_sde_dequantized",
]
