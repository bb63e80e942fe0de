"""The plan of the search for noise, on a metric that is a function of the parameters."""

from __future__ import annotations

import math

import pytest

from samplebench.errors import UsageError
from samplebench.tune.methods.churn import churn
from samplebench.tune.scored import FEWER, SAMPLES, Scored
from tests.unit.tune.mixtures import Counted

# Best at a gamma of 0.2, with noise a little above 1 and none at the lowest levels.
BEST = {"S_churn": 0.2, "S_noise": 1.004, "S_min": 0.05, "S_max": math.inf}


class Known(Scored):
    """The metric is a distance to `BEST`, whatever the samples are."""

    better = "lower"

    def _measured(self, candidate, samples):
        self.metric = "fd-digits" if self.better == "lower" else "inception-score"
        self.spent += self.cost(samples)
        given = {"S_churn": 0.0, "S_noise": 1.0, "S_min": 0.0, "S_max": math.inf, **self.params}
        given |= candidate.params
        value = abs(given["S_churn"] / self.first.steps - BEST["S_churn"])
        value += abs(given["S_noise"] - BEST["S_noise"]) + abs(given["S_min"] - BEST["S_min"])
        value += given["S_max"] != BEST["S_max"]
        return value if self.better == "lower" else 10 - value


class Higher(Known):
    better = "higher"


def problem_of(kind, tmp_path, sampler="euler", nfe=10, budget=25_000, **params):
    seeds = range(10_000_000, 10_000_000 + SAMPLES)
    model = Counted(0)
    return kind(
        model, sampler, nfe, seeds=seeds, budget=budget, words={}, folder=tmp_path, params=params
    )


@pytest.mark.parametrize("kind", [Known, Higher])
@pytest.mark.parametrize("sampler", ["euler", "heun", "edm", "dpm-2"])
def test_it_finds_the_noise_within_its_budget(tmp_path, kind, sampler):
    problem = problem_of(kind, tmp_path, sampler)
    found = churn(problem)
    assert problem.spent <= 25_000
    assert set(found.params) >= {"S_churn", "S_noise", "S_min"}
    assert found.params["S_churn"] / problem.first.steps == pytest.approx(0.2, abs=0.06)
    assert found.levels == problem.baseline.levels
    assert churn(problem_of(kind, tmp_path, sampler)) == found


@pytest.mark.parametrize("budget", [2560, 3000, 5200, 9000, 12_000])
def test_a_small_budget_ends_it_early_with_what_was_measured(tmp_path, budget):
    problem = problem_of(Known, tmp_path, budget=budget)
    found = churn(problem)
    assert problem.spent <= budget
    full = [candidate for candidate, _ in problem.tried.values()]
    assert found in full and problem.baseline in full
    assert problem.signed(found) == min(map(problem.signed, full))


def test_what_was_given_stays(tmp_path):
    problem = problem_of(Known, tmp_path, S_churn=3.0, S_noise=1.01)
    found = churn(problem)
    assert found.params.keys() & {"S_churn", "S_noise"} == set()
    looked = [params for (_, params), samples in problem.values if samples == FEWER]
    assert looked and all({name for name, _ in p} <= {"S_min", "S_max"} for p in looked)


def test_a_sampler_without_churn_is_told_those_that_have_it(tmp_path):
    with pytest.raises(UsageError, match="dpm-2, edm, euler or heun") as refused:
        problem_of(Known, tmp_path, "dpmpp-2m")
    assert "dpmpp-2m has no S_churn" in str(refused.value)
