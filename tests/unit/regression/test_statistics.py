"""Pooled standard errors, Student's t and Holm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from samplebench.regression.statistics import (
    critical,
    degrees_of_freedom,
    holm,
    p_value,
    pooled_variances,
)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([], []),
        ([0.04], [True]),
        ([0.06], [False]),
        # 0.05 / 3, 0.05 / 2, 0.05
        ([0.03, 0.016, 0.02], [True, True, True]),
        # The second stands, and with it all that are larger.
        ([0.03, 0.016, 0.026], [False, True, False]),
        ([0.02, 0.02, 0.02], [False, False, False]),
    ],
)
def test_holm_steps_down(p, expected):
    assert holm(p, 0.05) == expected


def test_t_of_20_degrees_is_the_table_s():
    assert critical(0.05, 20) == pytest.approx(2.086, abs=5e-4)
    assert critical(0.01, 40) == pytest.approx(2.704, abs=5e-4)
    assert p_value(2.086, 20) == p_value(-2.086, 20) == pytest.approx(0.05, abs=1e-4)
    assert p_value(0.0, 20) == 1.0 and p_value(np.inf, 20) == 0.0


def test_degrees_of_freedom_count_seed_ranges_and_never_fall_below_20():
    assert [degrees_of_freedom(ranges) for ranges in (1, 2, 3, 4)] == [20, 20, 30, 40]


class TestPooling:
    VALUES = np.array([0.13, 0.13, 0.23, 0.46, 0.73, 2.3, 6.6, 13.0])

    def test_a_law_without_noise_is_found(self):
        for floor, slope in ((1e-3, 2e-3), (1e-3, 0.0), (0.0, 2e-3)):
            variances = floor + slope * self.VALUES
            assert pooled_variances(self.VALUES, variances) == pytest.approx(variances, rel=1e-6)

    def test_units_do_not_matter(self):
        variances = (1e-3 + 2e-3 * self.VALUES) * np.array([1, 2, 1, 1, 0.5, 1, 1, 3])
        found = pooled_variances(self.VALUES, variances)
        scaled = pooled_variances(1e6 * self.VALUES, 1e-8 * variances)
        assert scaled == pytest.approx(1e-8 * found, rel=1e-6)

    def test_noise_is_averaged_and_never_below_its_own(self):
        rng = np.random.default_rng(0)
        truth = 1e-3 + 2e-3 * self.VALUES
        own = truth * rng.chisquare(19, (500, 8)) / 19
        pooled = np.array([pooled_variances(self.VALUES, row) for row in own])
        assert (pooled >= own).all()
        # Half of single jackknives are too small; of the pooled ones few are, and by little.
        low = (pooled / truth).min(axis=1)
        assert np.median((own / truth).min(axis=1)) < 0.65
        assert np.median(low) > 0.8 and np.quantile(low, 0.01) > 0.5
        assert np.median(pooled / truth) < 1.25

    def test_one_point_has_its_own(self):
        assert pooled_variances([2.0], [0.25]) == pytest.approx([0.25])

    def test_values_below_0_and_errors_of_0(self):
        assert pooled_variances([-1.0, 0.0, 1.0], [0.1, 0.1, 0.1]) == pytest.approx([0.1] * 3)
        assert pooled_variances([1.0, 2.0], [0.0, 0.0]) == pytest.approx([0.0, 0.0])
        assert (pooled_variances([1.0, 2.0], [0.0, 1.0]) >= [0.0, 1.0]).all()
        assert len(pooled_variances([], [])) == 0


@pytest.mark.parametrize(("sigma", "alpha"), [(2, 0.0455), (3, 0.0027)])
def test_the_family_wise_error_is_kept(sigma, alpha):
    """24 values of a curve, a baseline of three ranges, jackknives with 12 degrees of freedom."""
    rng = np.random.default_rng(sigma)
    values = np.geomspace(0.13, 13, 24)
    truth, runs, alarms = 1e-3 + 2e-3 * values, 3000, 0
    for _ in range(runs):
        own = truth * rng.chisquare(12, (4, 24)).mean(axis=0) / 12
        error = np.sqrt(pooled_variances(values, own) * (1 + 1 / 3))
        t = rng.normal(0, np.sqrt(truth * (1 + 1 / 3))) / error
        alarms += any(holm([p_value(x, degrees_of_freedom(4)) for x in t], alpha))
    assert stats.binomtest(alarms, runs, alpha, "greater").pvalue > 0.01, alarms / runs
