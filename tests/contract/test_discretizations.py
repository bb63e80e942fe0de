"""What holds for every discretization of the noise levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.discretizations import build, grid_constants
from samplebench.errors import UsageError
from samplebench.sampling.setting import prepare

STEPS = (2, 5, 18, 100)


class Ranged:
    """A model of which only the range is asked for."""

    def __init__(self, sigma_min: float, sigma_max: float, round_sigma=float) -> None:
        self.sigma_min, self.sigma_max, self.round_sigma = sigma_min, sigma_max, round_sigma


def takes_from_a_table(name: str) -> bool:
    """Whether a discretization has only so many levels to choose from."""
    try:
        levels = build(name, 20_000).levels
    except UsageError:
        return True
    return len(np.unique(levels)) < 20_001


@pytest.mark.parametrize("steps", STEPS)
def test_levels(discretization, steps):
    grid = build(discretization.name, steps)
    levels = grid.levels[:-1]
    assert grid.levels.dtype == np.float64
    assert grid.levels.shape == (steps + 1,)
    assert grid.levels[-1] == 0
    assert np.isfinite(levels).all()
    assert (levels > 0).all()
    assert (np.diff(grid.levels) < 0).all()
    assert 0 < grid.sigma_min < grid.sigma_max < np.inf
    if takes_from_a_table(discretization.name):
        assert grid.sigma_min <= levels[-1] < levels[0] <= grid.sigma_max
    else:
        assert levels[0] == pytest.approx(grid.sigma_max, rel=1e-12)
        assert levels[-1] == pytest.approx(grid.sigma_min, rel=1e-9)


@pytest.mark.parametrize("steps", STEPS)
def test_range_is_clamped_to_the_model(discretization, steps):
    grid = build(discretization.name, steps, model=Ranged(0.03, 40.0))
    levels = grid.levels[:-1]
    assert (grid.sigma_min, grid.sigma_max) == (0.03, 40.0)
    assert (np.diff(grid.levels) < 0).all()
    # A level may miss the end of the range by its rounding.
    assert 0.03 * (1 - 1e-9) <= levels[-1] < levels[0] <= 40.0 * (1 + 1e-12)
    # A model's range never widens what was asked for.
    asked = {"sigma_min": 0.04, "sigma_max": 30.0}
    narrow = build(discretization.name, steps, **asked)
    wide = build(discretization.name, steps, **asked, model=Ranged(0, 1e9))
    assert (narrow.sigma_min, narrow.sigma_max) == (0.04, 30.0)
    assert np.array_equal(wide.levels, narrow.levels)


def test_any_range_gives_levels_within_it_or_an_error(discretization):
    for low, high in ((0.1, 10.0), (0.5, 2.0), (1e-6, 1e-5), (1e-4, 1e4), (50.0, 51.0)):
        try:
            levels = build(discretization.name, 18, sigma_min=low, sigma_max=high).levels[:-1]
        except UsageError:
            continue
        assert (np.diff(levels) < 0).all(), (low, high)
        assert levels[0] <= high * (1 + 1e-9), (low, high)
        assert levels[-1] >= low * (1 - 1e-9), (low, high)


def test_levels_are_rounded_to_what_the_model_knows(discretization):
    known = np.geomspace(0.01, 50, 300)

    def nearest(sigma):
        return float(known[np.abs(known - sigma).argmin()])

    levels = build(discretization.name, 5, model=Ranged(0.01, 50.0, nearest)).levels[:-1]
    assert np.isin(levels, known).all()


def test_calls_do_not_affect_each_other(discretization):
    first = build(discretization.name, 5).levels
    copy = first.copy()
    hundred = build(discretization.name, 100).levels.copy()
    first[:] = -1
    for other in registry.discretizations:
        build(other.name, 7)
    assert np.array_equal(build(discretization.name, 5).levels, copy)
    assert np.array_equal(build(discretization.name, 100).levels, hundred)


def test_rho_changes_the_grid_of_those_that_have_it(discretization):
    sampler = next(entry.name for entry in registry.samplers if entry.timeline == "sigma")
    model, words = Ranged(0, float("inf")), {"steps": 5, "discretization": discretization.name}
    if "rho" in grid_constants(discretization.name):
        two, five = (prepare(model, sampler, rho=rho, **words).timeline.levels for rho in (2, 5))
        assert not np.array_equal(two, five)
        own = build(discretization.name, 5, rho=5).levels
        assert np.array_equal(five, own)
    else:
        with pytest.raises(UsageError, match=f"rho=7: discretization {discretization.name} has no"):
            prepare(model, sampler, rho=7, **words)
        with pytest.raises(UsageError, match="rho"):
            build(discretization.name, 5, rho=5)


def test_any_rho_keeps_the_range_or_is_refused(discretization):
    if "rho" not in grid_constants(discretization.name):
        pytest.skip(f"{discretization.name} has no rho")
    for rho in (1e-300, 1e-3, 1e3, 1e9, 1e17, 1e300):
        try:
            grid = build(discretization.name, 5, rho=rho)
        except UsageError:
            continue
        assert grid.levels[0] == pytest.approx(grid.sigma_max, rel=1e-3), rho
        assert grid.levels[-2] == pytest.approx(grid.sigma_min, rel=1e-3), rho


@pytest.mark.parametrize("steps", [1, 0, -5])
def test_too_few_steps_are_refused(discretization, steps):
    with pytest.raises(UsageError, match=f"steps={steps}"):
        build(discretization.name, steps)


def test_impossible_ranges_are_refused(discretization):
    nan = float("nan")
    for low, high in ((2.0, 1.0), (1.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (nan, 1.0), (0.1, nan)):
        with pytest.raises(UsageError):
            build(discretization.name, 5, sigma_min=low, sigma_max=high)


def test_samplers_get_the_grid_on_the_host(discretization, exact):
    seen = []

    def spy(model, x, grid, *, noise=None, callback=None):
        seen.append(grid)
        for level in grid[:-1]:
            x = model(x, float(level))
        return x

    sb.sample(exact, spy, steps=5, seeds=[0], discretization=discretization.name)
    (grid,) = [grid for grid in seen if grid.shape == (6,)]
    assert grid.dtype == torch.float64
    assert grid.device.type == "cpu"
    assert np.array_equal(grid.numpy(), build(discretization.name, 5, model=exact).levels)
