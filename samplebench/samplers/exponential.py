"""Coefficients of gDDIM's exponential multistep methods (Zhang, Tao & Chen 2023).

All in float64, made once per process and grid. A step from t to t' < t has a list of nodes, the
times of the noise predictions it uses, newest first; l_j is the Lagrange polynomial of node j.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from samplebench.errors import unknown
from samplebench.processes.linear import LinearProcess, root
from samplebench.processes.quadrature import gauss_on_panels, left_riemann
from samplebench.samplers.lagrange import lagrange, lagrange_slope

QUADRATURES = ("exact", "riemann")
# Nodes of the Riemann sum at once: bounds the memory of a law with a matrix per frequency.
_CHUNK = 500

Coefficients = tuple[np.ndarray, ...]


@lru_cache(maxsize=16)
def predictor(
    law: LinearProcess, times: tuple[float, ...], degree: int, quadrature: str
) -> Coefficients:
    """Weights of the noise predictions at t_i, t_{i-1}, ... in the step from t_i to t_{i+1}.

    Args:
        times: decreasing, [steps + 1].
        degree: of the polynomial; the first steps have as many nodes as there are.
        quadrature: "exact", or "riemann" for the sum of 10,000 left points that the release takes.

    Returns:
        For each step float64 [nodes, h, w, D, D].
    """
    return tuple(
        _weights(law, times, i, list(times[max(0, i - degree) : i + 1][::-1]), quadrature)
        for i in range(len(times) - 1)
    )


@lru_cache(maxsize=16)
def corrector(
    law: LinearProcess, times: tuple[float, ...], degree: int, quadrature: str
) -> Coefficients:
    """The same with the node t_{i+1} before the others: degree + 1 nodes in all."""
    return tuple(
        _weights(law, times, i, list(times[max(0, i + 1 - degree) : i + 2][::-1]), quadrature)
        for i in range(len(times) - 1)
    )


@lru_cache(maxsize=16)
def stochastic(
    law: LinearProcess, times: tuple[float, ...], degree: int, lam: float
) -> Coefficients:
    """Weights of the predictor of the reverse SDE with parameter lam > 0.

    The posterior of u_t given the images is kept, its noise prediction extrapolated: at lam = 0
    this is another method than `predictor`, equal to it at degree 0 alone.
    """
    steps = []
    for i in range(len(times) - 1):
        t, t_next = times[i : i + 2]
        nodes = np.array(times[max(0, i - degree) : i + 1][::-1])
        at_ends = lagrange(nodes, np.array([t, t_next]))[:, :, None, None, None, None]
        whole = at_ends[:, 0] * law.psi_hat(t_next, t, lam) - at_ends[:, 1] * law.psi(t_next, t)
        if len(nodes) > 1:
            tau, w = gauss_on_panels(t_next, t)
            inner = law.psi_hat(t_next, tau, lam) @ law.psi(tau, t)
            whole = whole - np.tensordot(w * lagrange_slope(nodes, tau), inner, 1)
        steps.append(whole @ law.R(t))
    return tuple(steps)


@lru_cache(maxsize=16)
def fresh(law: LinearProcess, times: tuple[float, ...], lam: float) -> Coefficients:
    """A factor of the covariance of the noise that each step of it adds, [h, w, D, D]."""
    return tuple(root(law.fresh(t_next, t, lam)) for t, t_next in pairwise(times))


def _weights(
    law: LinearProcess, times: tuple[float, ...], i: int, nodes: list[float], quadrature: str
) -> np.ndarray:
    t, t_next = times[i], times[i + 1]
    if quadrature == "exact":
        return by_parts(law, t, t_next, np.array(nodes))
    if quadrature == "riemann":
        return direct(law, t, t_next, np.array(nodes), *left_riemann(t, t_next))
    raise unknown("quadrature", quadrature, QUADRATURES)


def by_parts(law: LinearProcess, t: float, t_next: float, nodes: np.ndarray) -> np.ndarray:
    """The integrals of `direct`, exact: psi(t', tau) R_tau is what its integrand is a slope of."""
    at_ends = lagrange(nodes, np.array([t, t_next]))[:, :, None, None, None, None]
    whole = at_ends[:, 1] * law.R(t_next) - at_ends[:, 0] * (law.psi(t_next, t) @ law.R(t))
    if len(nodes) > 1:
        tau, w = gauss_on_panels(t_next, t)
        inner = law.psi(t_next, tau) @ law.R(tau)
        whole = whole + np.tensordot(w * lagrange_slope(nodes, tau), inner, 1)
    return whole


def direct(
    law: LinearProcess,
    t: float,
    t_next: float,
    nodes: np.ndarray,
    tau: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Integrals from t to t' of 1/2 psi(t', tau) G G^T R_tau^-T l_j(tau) by a rule (tau, weights).

    Returns:
        float64 [nodes, h, w, D, D].
    """
    whole = np.zeros(())
    for part in range(0, len(tau), _CHUNK):
        at, w = tau[part : part + _CHUNK], weights[part : part + _CHUNK]
        integrand = law.psi(t_next, at) @ law.GGT(at) @ law.score_factor(at) / 2
        whole = whole + np.tensordot(w * lagrange(nodes, at), integrand, 1)
    return whole
