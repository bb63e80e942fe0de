"""What a grid is worth elsewhere: at home, in another range, with another count of levels."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.errors import UsageError
from samplebench.tune.transfer import GridPlace, carried, ratio_of, transfer
from tests.unit.tune.problems import problem


def test_at_home_a_grid_is_worth_what_it_was():
    """The grid of rho 7 has ratio 1 without an error, another its own ratio of means."""
    at = problem()
    own = at.candidate([80.0, 20.0, 4.0, 0.8, 0.1])
    places = [GridPlace("a", 5, at.baseline.levels), GridPlace("b", 5, own.levels)]
    made = transfer(places, lambda place: problem())
    ratio, error = ratio_of(at.errors(own), at.errors(at.baseline))
    assert made.ratios[0].tolist() == [1, 1] and made.errors[0].tolist() == [0, 0]
    assert made.ratios[1].tolist() == [ratio] * 2 and made.errors[1].tolist() == [error] * 2
    assert carried(own.levels, at).levels == own.levels


@pytest.mark.parametrize("sampler", ["euler", "ipndm"])
@pytest.mark.parametrize("nfe", [4, 9])
def test_at_another_budget_levels_are_read_off_linearly_in_log_sigma(sampler, nfe):
    home, there = problem(sampler=sampler), problem(sampler=sampler, nfe=nfe)
    levels = np.geomspace(80, 0.002, len(home.baseline.positive))
    found = carried(home.candidate(levels).levels, there)
    assert found.to_zero is there.baseline.to_zero
    wanted = np.geomspace(80, 0.002, len(there.baseline.positive))
    np.testing.assert_allclose(found.positive, wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("levels", "ends"),
    [([300.0, 40.0, 3.0, 0.2, 0.01], (80, 0.01)), ([50.0, 3.0, 0.2, 0.001, 1e-4], (50, 0.002))],
)
def test_a_grid_is_cut_to_what_both_ranges_have(levels, ends):
    found = carried([*levels, 0.0], problem()).positive
    assert found[0] == pytest.approx(ends[0]) and found[-1] == pytest.approx(ends[1])


@pytest.mark.parametrize("levels", [(300.0, 200.0, 100.0), (1e-3, 1e-4, 1e-5)])
def test_ranges_that_do_not_meet_have_no_ratio(levels):
    at = problem()
    with pytest.raises(UsageError, match="share no range of noise levels"):
        carried(levels, at)
    places = [GridPlace("a", 5, levels), GridPlace("b", 5, at.baseline.levels)]
    made = transfer(places, lambda place: problem())
    assert np.isnan(made.ratios[0]).all() and made.ratios[1].tolist() == [1, 1]


def test_the_error_of_a_ratio_is_that_of_paired_resamples():
    rng = np.random.default_rng(0)
    other = rng.gamma(4, size=200)
    own = 0.6 * other + 0.1 * rng.gamma(2, size=200)
    ratio, error = ratio_of(own, other)
    drawn = rng.integers(200, size=(4000, 200))
    resampled = own[drawn].mean(1) / other[drawn].mean(1)
    assert ratio == own.mean() / other.mean()
    assert error == pytest.approx(resampled.std(), rel=0.1)
    # Unpaired it would be far larger.
    assert error < 0.4 * np.hypot(own.std() / own.mean(), other.std() / other.mean()) / 200**0.5
