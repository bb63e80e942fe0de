"""Sampler and model of the tests of tune: a Gaussian, whose solution is known."""

from __future__ import annotations

import numpy as np
import torch

from samplebench.tune.candidate import Candidate
from samplebench.tune.found import Found
from samplebench.tune.problem import Problem
from tests.unit.trajectory.gauss import Gauss


class Counted(Gauss):
    """Counts the images that it is given."""

    images = 0

    def __call__(self, x, sigma, labels=None):
        self.images += len(x)
        return super().__call__(x, sigma, labels)


class Table(Counted):
    """Knows its answers at the levels of a table alone."""

    def __init__(self):
        super().__init__(sigma_min=0.01)
        self.levels = np.geomspace(0.01, 80, 300)

    def round_sigma(self, sigma):
        sigmas = torch.as_tensor(sigma, dtype=torch.float64)
        table = torch.from_numpy(self.levels)
        nearest = (table.log() - sigmas.reshape(-1, 1).log()).abs().argmin(1)
        return table[nearest].reshape(sigmas.shape)


def problem(model=None, sampler="euler", nfe=5, seeds=range(6), **more):
    return Problem(model or Counted(), sampler, nfe, seeds=seeds, budget=10**9, **more)


def found(problem, levels=None, method="rho", nfe=None, evaluations=100, **params):
    """What a search would say that found these levels, the baseline's where not given."""
    levels = problem.baseline.levels if levels is None else levels
    return Found(
        "gauss", problem.solver.name, {}, nfe or problem.nfe, method,
        Candidate(tuple(levels), params), problem.baseline, 0.3, 0.2, "error", (10, 2),
        evaluations, span=problem.span, conditions="c",
    )  # fmt: skip
