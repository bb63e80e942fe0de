"""Registered things as parameters: a test with one of the arguments below meets every one.

solver          every sampler
adaptive_solver every one that chooses its own steps
sigma_solver, discrete_solver, linear_solver: every other that declares an order of such steps
setting         every sampler once deterministic and once stochastic, where its parameters allow
kind            one setting of each timeline, end, and way to draw noise: what the bench sees of one
setting_in_sigma: those whose grid is of noise levels, their own ones too
discretization, extractor: every entry of that registry
metric          every function of that registry once, however many features it is registered on
model_id        every D(x; sigma) of the catalogue that ships with the package
linear_id       every model there of another linear process
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.checkpoints.catalog import catalog
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver
from samplebench.timelines.choice import of_model
from samplebench.timelines.discrete import Discrete
from samplebench.timelines.linear import Linear
from tests.contract.registered import adaptive, on_levels, with_noise, without_noise


def _solvers(fit: Callable[[Solver], bool] = lambda solver: True) -> list:
    found = [Solver.of(entry.name) for entry in registry.samplers]
    return [pytest.param(solver, id=solver.name) for solver in found if fit(solver)]


def _has_order(solver: Solver) -> bool:
    """Whether more steps show one."""
    return solver.order() is not None and not adaptive(solver)


def _settings() -> list:
    found = []
    for entry in registry.samplers:
        solver = Solver.of(entry.name)
        for kind, params in (("ode", without_noise(solver)), ("sde", with_noise(solver))):
            if params is not None:
                found.append(pytest.param((solver, params), id=f"{solver.name}-{kind}"))
    return found


def _kinds() -> list:
    found: dict[tuple, object] = {}
    for setting in _settings():
        solver, params = setting.values[0]
        entry, noisy = solver.entry, solver.stochastic(params)
        # Batch mates are a matter of the sampler alone: the bench keeps its blocks for all.
        if not entry.coupled:
            key = (entry.timeline, noisy, noisy and entry.noises is not None)
            found.setdefault((*key, on_levels(solver) and solver.final(params)), setting)
    return list(found.values())


def _linear(entry) -> bool:
    return registry.adapters.entry(entry.format).kind == "linear"


def _entries(kind: registry.Registry) -> list:
    return [pytest.param(entry, id=entry.name) for entry in kind]


def _metrics() -> list:
    found = {(entry.obj, entry.statistic): entry for entry in registry.metrics}
    # Of a family the features with the fewest numbers, which need nothing fetched.
    found |= {(e.obj, e.statistic): e for e in registry.metrics if e.extractor == "digits"}
    return [pytest.param(entry, id=entry.name) for entry in found.values()]


def _extractors() -> list:
    found = []
    for entry in registry.extractors:
        fetched = hasattr(entry.obj, "fetch")
        reason = f"the weights of {entry.name} have to be fetched; see tests/unit/features"
        marks = (pytest.mark.skip(reason=reason),) if fetched else ()
        found.append(pytest.param(entry, id=entry.name, marks=marks))
    return found


_VALUES = {
    "solver": _solvers,
    "adaptive_solver": lambda: _solvers(adaptive),
    "sigma_solver": lambda: _solvers(lambda s: on_levels(s) and _has_order(s)),
    "discrete_solver": lambda: _solvers(lambda s: s.timeline is Discrete and _has_order(s)),
    "linear_solver": lambda: _solvers(lambda s: s.timeline is Linear and _has_order(s)),
    "setting": _settings,
    "kind": _kinds,
    "setting_in_sigma": lambda: [s for s in _settings() if on_levels(s.values[0][0])],
    "discretization": lambda: _entries(registry.discretizations),
    "metric": _metrics,
    "extractor": _extractors,
    "model_id": lambda: [n for n, e in catalog().items() if e.embedded and not _linear(e)],
    "linear_id": lambda: [n for n, e in catalog().items() if e.embedded and _linear(e)],
}


def pytest_generate_tests(metafunc):
    for argument, values in _VALUES.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values())


@pytest.fixture(scope="session")
def digits():
    """The denoiser in closed form that samplers are measured on."""
    return sb.load("digits-exact", device="cpu")


@pytest.fixture(scope="session")
def on_steps(digits):
    """The same denoiser on the steps of a discrete process."""
    config = {"noise_schedule": "cosine", "diffusion_steps": 1000}
    classes = digits.num_classes
    return sb.wrap(
        digits, family="alpha_bar", config=config, shape=digits.shape, num_classes=classes
    )


@pytest.fixture(scope="session")
def on_cld():
    """The same images on a linear process whose channels couple."""
    return sb.load("digits-cld-exact", device="cpu")


@pytest.fixture
def exact(request, digits, on_steps, on_cld):
    """The model of the kind that the test's sampler needs."""
    given = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    firsts = (value[0] if isinstance(value, tuple) else value for value in given.values())
    solver = next((first for first in firsts if isinstance(first, Solver)), None)
    needs = "sigma" if solver is None else solver.entry.timeline
    return {"discrete": on_steps, "linear": on_cld}.get(needs, digits)


@pytest.fixture
def latents(exact):
    """Unit normal latents [6, C, H, W] or [6, D, C, H, W] that no test may change."""
    draw = torch.Generator().manual_seed(0)
    kind = of_model(exact)
    steps = prepare(exact, kind.usual, steps=2).timeline
    shape = steps.latent_shape(exact.shape)
    made = torch.randn((6, *shape), generator=draw, dtype=torch.float64)
    before = made.clone()
    yield made
    assert torch.equal(made, before)
