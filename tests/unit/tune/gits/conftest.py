"""Teachers of the golden grids, each run once."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from samplebench.models.bound import Bound
from samplebench.sampling.setting import prepare
from samplebench.tune.gits import teach

TEACHERS = {
    "euler": ("euler", {}),
    "ipndm": ("ipndm", {}),
    "dpmpp": ("dpmpp-3m", {"order": 2, "thresholding": True}),
}


@pytest.fixture(scope="session")
def warm_up():
    """The latents of the goldens' teachers, [64, 3, 4, 4]."""
    return torch.tensor(np.random.RandomState(2024).standard_normal((64, 3, 4, 4)))


@pytest.fixture(scope="session")
def student():
    """`student(model, "heun", 10)`: a sampler on rho 7 over EDM's range."""

    def made(model, sampler, steps=10, final="sigma_min", discretization="edm", **params):
        span = {"sigma_min": 0.002, "sigma_max": 80.0}
        words = {"final": final, **params}
        return prepare(
            model, sampler, steps=steps, discretization=discretization, params=words, **span
        )

    return made


@pytest.fixture(scope="session")
def taught(mixture, student, warm_up):
    """`taught("tight4", "ipndm", 21)`: a golden's teacher after its run."""

    @cache
    def run(name, teacher, stamps, schedule="edm"):
        model = mixture(name)
        sampler, params = TEACHERS[teacher]
        setting = student(model, sampler, stamps - 1, discretization=schedule, **params)
        return teach(setting, Bound(model, None, 64), warm_up)

    return run
