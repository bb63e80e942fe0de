"""Variable-step Adams-Bashforth in sigma: dx/dsigma = eps, eps by its last predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplebench.processes.quadrature import gauss
from samplebench.samplers.lagrange import lagrange
from samplebench.samplers.multistep import Weights


def in_sigma(levels: Sequence[float], i: int, points: int) -> Weights:
    """Integrals from sigma_i to sigma_{i+1} of the Lagrange polynomials of the last levels.

    Of order `points` (Zhang & Chen 2023, rhoAB-DEIS). The quadrature is exact: the polynomials'
    degree is far below that of its rule.
    """
    nodes = np.array(levels[i - points + 1 : i + 1][::-1])
    at, weights = gauss(np.array(levels[i]), np.array(levels[i + 1]))
    return Weights(1.0, tuple((lagrange(nodes, at) @ weights).tolist()))
