"""A search kept as a card: the same again without an evaluation; who is refused, and why."""

from __future__ import annotations

import pytest

from samplebench.cards.read import levels_card
from samplebench.errors import UsageError
from samplebench.tune.cards import check_model, list_path
from samplebench.tune.method import METRIC
from samplebench.tune.methods import METHODS
from samplebench.tune.problem import Problem
from samplebench.tune.scored import Scored
from samplebench.tune.search import search
from tests.unit.tune.mixtures import Counted

SEEDS = range(10_000_000, 10_000_008)


def run(model, out, method="coordinate", sampler="euler", nfe=4, **words):
    told = {"seeds": SEEDS, "budget": 1200, "identity": {"file": "a"}, **words}
    return search(model, "mixture", sampler, nfe, method, out, **told)


@pytest.mark.parametrize(
    "method", [name for name, method in METHODS.items() if method.kind != METRIC]
)
def test_a_finished_search_is_its_card(tmp_path, method):
    model = Counted(1)
    found = run(model, tmp_path, method)
    assert model.images == found.evaluations <= 1200
    card = levels_card(str(list_path(tmp_path, found)))
    assert card.levels == found.candidate.levels
    assert card.facts["cost"]["network_evaluations"] == found.evaluations
    again = Counted(1)
    assert run(again, tmp_path, method) == found
    assert again.images == 0


@pytest.mark.parametrize(
    "other",
    [
        {"identity": {"file": "b"}}, {"budget": 1100}, {"seeds": range(10_000_001, 10_000_009)},
        {"params": {"sigma_max": 40.0}},
    ],
)  # fmt: skip
def test_another_search_is_made_anew(tmp_path, other):
    run(Counted(1), tmp_path, "rho")
    model = Counted(1)
    found = run(model, tmp_path, "rho", **other)
    assert model.images == found.evaluations > 0


def test_a_kept_card_gives_its_parameters_back(tmp_path, monkeypatch):
    """What the noise was is in the card's cost, as the levels are those of rho = 7."""

    def measured(self, candidate, samples):
        self.metric = "fd-digits"
        self.spent += self.cost(samples)
        wanted = {"S_churn": 1.0, "S_min": 0.05}
        return sum(abs(candidate.params.get(name, 0.0) - best) for name, best in wanted.items())

    monkeypatch.setattr(Scored, "_measured", measured)
    words = {"method": "churn", "seeds": None, "budget": 25_000, "params": {"S_noise": 1.003}}
    found = run(Counted(1), tmp_path, **words)
    assert found.candidate.levels == found.baseline.levels
    assert found.candidate.params.keys() == {"S_churn", "S_min"}
    monkeypatch.delattr(Scored, "_measured")
    assert run(Counted(1), tmp_path, **words) == found
    # By another metric it is another search, which here nothing can measure.
    with pytest.raises(AttributeError):
        run(Counted(1), tmp_path, words={"metric": "inception-score"}, **words)


def test_churn_by_the_metric_of_an_embedded_model(tmp_path):
    """Cells are kept: the same search elsewhere, with its cells there, gives the same."""
    import samplebench as sb

    model = sb.load("exact-2d")
    found = search(
        model, "exact-2d", "euler", 2, "churn", tmp_path, identity={}, budget=512 + 256 + 512
    )
    assert found.evaluations <= 1280 and found.after <= found.before
    assert found.objective.endswith("of 256 samples")


@pytest.mark.parametrize(
    ("method", "sampler", "params", "line"),
    [
        ("coordinate", "edm", {"S_churn": 10.0}, "search its noise: --method churn"),
        ("rho", "euler-ancestral", {}, "eta=0 makes it deterministic"),
        ("churn", "dpmpp-2m", {}, "dpm-2, edm, euler or heun"),
        ("range", "dpmpp-2m", {"thresholding": True}, "thresholding"),
        ("gits", "euler", {"afs": True}, "afs changes single steps"),
    ],
)
def test_who_cannot_be_searched_is_told_in_a_line(tmp_path, method, sampler, params, line):
    model = Counted(1)
    with pytest.raises(UsageError, match=line) as refused:
        run(model, tmp_path, method, sampler, params=params)
    assert "\n" not in str(refused.value) and model.images == 0
    assert ("churn" in str(refused.value)) is (method == "churn" or "S_churn" in params)


@pytest.mark.parametrize("budget", [672, 690, 703])
def test_a_budget_without_room_for_what_is_found_is_told(tmp_path, budget):
    """DMN runs nothing that the baseline's run is: beside that it needs one of its own."""
    model = Counted(1)
    with pytest.raises(UsageError, match="no room for a run of what dmn found, which takes 32"):
        run(model, tmp_path, "dmn", budget=budget)
    assert model.images <= budget
    assert run(Counted(1), tmp_path, "dmn", budget=704).evaluations == 704


def test_cards_of_other_parameters_lie_beside_each_other(tmp_path):
    paths = {
        list_path(tmp_path, run(Counted(1), tmp_path, "rho", "heun", 5, params=params))
        for params in ({}, {"alpha": 0.5}, {"alpha": 0.5, "sigma_max": 40.0})
    }
    assert len(paths) == 3 and all(path.is_file() for path in paths)


@pytest.mark.parametrize("budget", [1, 640, 671])
def test_a_budget_below_the_first_run_says_how_much_it_takes(tmp_path, budget):
    model = Counted(1)
    with pytest.raises(UsageError, match="takes 672"):
        run(model, tmp_path, budget=budget)
    assert model.images <= budget


def test_another_models_cards_are_not_overwritten(tmp_path):
    path = list_path(tmp_path, run(Counted(1), tmp_path, "rho"))
    check_model(tmp_path, "mixture")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="holds cards of mixture"):
        check_model(tmp_path, "digits-vp")
    assert path.read_bytes() == before


def test_the_fine_solution_is_finer_than_a_large_budget():
    """Else `ipndm` at 80 evaluations would be the solution that it is compared with."""
    problem = Problem(Counted(1), "ipndm", 80, seeds=SEEDS[:2])
    assert 0 < problem.error(problem.baseline) < 1e-3
    assert problem.spent == 2 * (160 + 80)
