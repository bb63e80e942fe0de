"""Where the steps are: shapes of the grids, clamping, rounding, explicit lists, bad constants."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.discretizations import build, explicit, iddpm, iddpm_table
from samplebench.errors import UsageError
from samplebench.processes.vp import VP

NAMES = ("edm", "vp", "ve", "logsnr", "polyexponential", "time_uniform")


def knows(low=0.0, high=math.inf, round_sigma=float):
    return SimpleNamespace(sigma_min=low, sigma_max=high, round_sigma=round_sigma)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    steps=st.integers(2, 60),
    low=st.floats(1e-3, 0.03),
    high=st.floats(2.0, 1e3),
)
def test_every_grid_decreases_from_sigma_max_to_sigma_min_and_0(name, steps, low, high):
    grid = build(name, steps, sigma_min=low, sigma_max=high)
    assert grid.levels.dtype == np.float64 and grid.levels.shape == (steps + 1,)
    assert np.all(np.diff(grid.levels) < 0) and grid.levels[-1] == 0
    assert grid.levels[[0, -2]] == pytest.approx([high, low], rel=1e-9)
    assert (grid.sigma_min, grid.sigma_max) == (low, high)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("edm", 0.002, 80.0),
        ("logsnr", 0.002, 80.0),
        ("polyexponential", 0.002, 80.0),
        ("time_uniform", 0.002, 80.0),
        ("ve", 0.02, 100.0),
        ("vp", VP().sigma(1e-3), VP().sigma(1.0)),
        ("iddpm", 0.002, 81.0),
    ],
)
def test_default_range(name, low, high):
    grid = build(name, 12)
    assert (grid.sigma_min, grid.sigma_max) == pytest.approx((low, high), rel=1e-12)


def test_the_vp_range_follows_epsilon_s():
    assert build("vp", 6, epsilon_s=1e-2).sigma_min == pytest.approx(VP().sigma(1e-2), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("low", "high", "asked", "expected"),
    [
        (0.05, 30.0, {}, (0.05, 30.0)),
        (0.05, 30.0, {"sigma_min": 0.01, "sigma_max": 60.0}, (0.05, 30.0)),
        (0.05, 30.0, {"sigma_min": 0.06, "sigma_max": 20.0}, (0.06, 20.0)),
        (0.0, math.inf, {"sigma_min": 0.06, "sigma_max": 20.0}, (0.06, 20.0)),
    ],
)
def test_the_range_is_clamped_to_the_models(name, low, high, asked, expected):
    grid = build(name, 7, model=knows(low, high), **asked)
    assert (grid.sigma_min, grid.sigma_max) == expected
    assert grid.levels[[0, -2]] == pytest.approx(expected[::-1], rel=1e-9)


def test_levels_are_rounded_to_what_the_model_knows():
    table = np.array([0.01, 0.1, 1.0, 10.0, 100.0])

    def nearest(sigma):
        return table[np.abs(table - sigma).argmin()]

    grid = build("logsnr", 4, sigma_min=0.02, sigma_max=60.0, model=knows(0.01, 100.0, nearest))
    # 60, 4.16, 0.288 and 0.02
    assert grid.levels.tolist() == [100.0, 1.0, 0.1, 0.01, 0.0]
    assert (grid.sigma_min, grid.sigma_max) == (0.02, 60.0)


def test_rounding_to_0_is_refused():
    with pytest.raises(UsageError, match="not positive and decreasing"):
        build("edm", 5, model=knows(round_sigma=lambda s: round(s)))


class TestShapes:
    def test_rho_1_is_uniform_in_sigma(self):
        steps = np.diff(build("edm", 9, rho=1.0).levels[:-1])
        assert steps == pytest.approx([-(80 - 0.002) / 8] * 8, rel=1e-12)

    def test_rho_is_uniform_in_its_root(self):
        steps = np.diff(build("edm", 9, rho=5.0).levels[:-1] ** (1 / 5))
        assert steps == pytest.approx([steps[0]] * 8, rel=1e-12)

    def test_a_large_rho_tends_to_logsnr(self):
        levels = build("edm", 9, rho=1e6).levels
        assert levels == pytest.approx(build("logsnr", 9).levels, rel=1e-4)

    def test_logsnr_is_geometric(self):
        levels = build("logsnr", 9).levels[:-1]
        assert levels[1:] / levels[:-1] == pytest.approx([(0.002 / 80) ** (1 / 8)] * 8, rel=1e-12)

    def test_ve_is_logsnr_on_another_range(self):
        levels = build("logsnr", 9, sigma_min=0.02, sigma_max=100.0).levels
        assert build("ve", 9).levels == pytest.approx(levels, rel=1e-12)

    def test_polyexponential_warps_the_ramp(self):
        grid = build("polyexponential", 5, rho=2.0, sigma_min=1.0, sigma_max=math.e)
        assert np.log(grid.levels[:-1]) == pytest.approx([1, 9 / 16, 1 / 4, 1 / 16, 0], abs=1e-12)
        assert np.array_equal(build("polyexponential", 5).levels, build("logsnr", 5).levels)

    @pytest.mark.parametrize("rho", [1.0, 2.0, 3.0])
    def test_time_uniform_is_uniform_in_a_root_of_vp_time(self, rho):
        law = VP.fit(0.002, 80.0)
        times = [law.time(level) for level in build("time_uniform", 9, rho=rho).levels[:-1]]
        steps = np.diff(np.array(times) ** (1 / rho))
        assert times[0] == pytest.approx(1.0) and times[-1] == pytest.approx(1e-3)
        assert steps == pytest.approx([steps[0]] * 8, rel=1e-6)

    def test_iddpm_takes_entries_of_its_table(self):
        table = iddpm_table()
        assert table.shape == (1001,) and table[-1] == 0 and np.all(np.diff(table) < 0)
        assert table[8] == pytest.approx(80.2037, abs=1e-4)
        levels = build("iddpm", 10).levels
        assert set(levels) <= set(table)
        assert (levels[0], levels[-2]) == (table[8], table[999])

    def test_iddpm_keeps_both_ends_of_its_range(self):
        table = iddpm_table(20)
        grid = build("iddpm", 3, M=20, sigma_min=table[7], sigma_max=table[5])
        assert grid.levels.tolist() == [*table[5:8], 0.0]

    def test_iddpm_rounds_half_to_even(self):
        """Four entries in seven steps: 0, 0.5, 1, 1.5, 2, 2.5, 3."""
        table = iddpm_table(4)
        levels = iddpm(7, M=4, sigma_min=table[3], sigma_max=table[0])
        assert levels.tolist() == table[[0, 0, 1, 2, 2, 2, 3]].tolist()
        with pytest.raises(UsageError, match="not positive and decreasing"):
            build("iddpm", 7, M=4, sigma_min=table[3], sigma_max=table[0])


class TestExplicit:
    @pytest.mark.parametrize("given", [[80, 5, 0.5], [80, 5, 0.5, 0], (80.0, 5.0, 0.5)])
    def test_the_final_0_is_optional(self, given):
        grid = build(given, 3)
        assert grid.levels.tolist() == [80.0, 5.0, 0.5, 0.0]
        assert (grid.sigma_min, grid.sigma_max) == (0.5, 80.0)

    def test_one_level_is_one_step(self):
        assert build([3.0], 1).levels.tolist() == [3.0, 0.0]

    @pytest.mark.parametrize("given", [[], [0], [1, 2], [5, 5, 1], [5, math.nan, 1]])
    def test_what_does_not_decrease_is_refused(self, given):
        with pytest.raises(UsageError, match="must be a decreasing list"):
            explicit(given)

    @pytest.mark.parametrize("given", [[math.inf, 5, 1], [5, 1, -1], [5, 0, 0]])
    def test_what_is_not_positive_and_finite_is_refused(self, given):
        with pytest.raises(UsageError, match="decreasing"):
            build(given, len(given))

    @pytest.mark.parametrize("given", [[80, 5, 0.01], [200, 5, 1]])
    def test_levels_beyond_the_model_are_refused(self, given):
        with pytest.raises(UsageError, match=r"but the model knows \[0.02, 100\]"):
            build(given, 3, model=knows(0.02, 100.0))

    def test_they_are_rounded_too(self):
        grid = build([80, 5.4, 0.6], 3, model=knows(round_sigma=lambda s: float(round(s))))
        assert grid.levels.tolist() == [80.0, 5.0, 1.0, 0.0]


class TestRefused:
    @pytest.mark.parametrize("steps", [1, 0, -3])
    def test_fewer_than_two_steps(self, steps):
        with pytest.raises(UsageError, match=f"steps={steps}: .* at least 2"):
            build("edm", steps)

    @pytest.mark.parametrize(
        "asked",
        [
            {"sigma_min": 5.0, "sigma_max": 5.0},
            {"sigma_min": 6.0, "sigma_max": 5.0},
            {"sigma_max": 0.001},
            {"sigma_min": -1.0},
            {"sigma_min": 0.0},
            {"sigma_min": math.nan},
            {"sigma_max": math.inf},
        ],
    )
    def test_an_empty_range(self, asked):
        with pytest.raises(UsageError, match="need 0 < sigma_min < sigma_max"):
            build("edm", 5, **asked)

    def test_a_vp_law_that_would_not_decrease(self):
        """sigma_min at epsilon_s would need a beta(t) below 0."""
        with pytest.raises(UsageError, match="decreasing"):
            build("vp", 5, sigma_min=0.5, sigma_max=5.0)

    def test_a_range_beside_the_models(self):
        with pytest.raises(UsageError, match=r"noise range \[200, 80\] is empty"):
            build("edm", 5, model=knows(200.0, 300.0))

    @pytest.mark.parametrize(
        ("name", "constants", "message"),
        [
            ("edm", {"Rho": 7}, "unknown constant 'Rho' of discretization edm; did you mean 'rho'"),
            ("logsnr", {"rho": 7}, "unknown constant 'rho' of discretization logsnr"),
            ("vp", {"epsilon": 1}, "did you mean 'epsilon_s'"),
            ("edn", {}, "unknown discretization 'edn'; did you mean 'edm'"),
            ("iddpm", {"M": 5, "sigma_min": 2.0}, "its table of M=5 has .* levels in"),
        ],
    )
    def test_names_and_constants(self, name, constants, message):
        with pytest.raises(UsageError, match=message):
            build(name, 5, **constants)


class TestFunctions:
    def test_a_function_is_a_discretization(self):
        def halves(steps, *, sigma_min=0.1, sigma_max=64.0, base=2.0):
            return sigma_max * base ** -np.arange(steps)

        assert build(halves, 3).levels.tolist() == [64.0, 32.0, 16.0, 0.0]
        assert build(halves, 3, base=4.0, model=knows(high=8.0)).levels.tolist() == [8, 2, 0.5, 0]

    def test_its_own_final_0_is_not_doubled(self):
        def with_zero(steps, *, sigma_min=0.1, sigma_max=9.0):
            return np.append(np.linspace(sigma_max, sigma_min, steps), 0.0)

        assert build(with_zero, 3).levels.tolist() == pytest.approx([9.0, 4.55, 0.1, 0.0])

    def test_increasing_levels_are_refused(self):
        def upwards(steps, *, sigma_min=0.1, sigma_max=9.0):
            return np.linspace(sigma_min, sigma_max, steps)

        with pytest.raises(UsageError, match="not positive and decreasing"):
            build(upwards, 5)

    def test_another_number_of_levels_is_refused(self):
        """Else a budget of evaluations would be overrun in silence."""

        def too_many(steps, *, sigma_min=0.1, sigma_max=9.0):
            return np.linspace(sigma_max, sigma_min, steps + 3)

        with pytest.raises(UsageError):
            build(too_many, 5)

    def test_a_range_without_default_must_be_given(self):
        def bare(steps, *, sigma_min, sigma_max):
            return np.linspace(sigma_max, sigma_min, steps)

        assert build(bare, 3, sigma_min=1, sigma_max=3).levels.tolist() == [3, 2, 1, 0]
        with pytest.raises(UsageError, match="sigma_min"):
            build(bare, 3)
