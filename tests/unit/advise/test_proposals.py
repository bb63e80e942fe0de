"""What there is to choose from, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from samplebench.advise.planned import planned
from samplebench.advise.proposal import Proposal
from samplebench.advise.shortlist import best_grids
from samplebench.advise.space import GRIDS, PARAMS, USUAL, defaults, proposals
from samplebench.bench.request import Request
from samplebench.board.entrants import absent
from samplebench.checkpoints.catalog import catalog
from samplebench.checkpoints.checkpoint import Preset
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.registry import discretizations, samplers

MODELS = ("digits-exact", "digits-adm", "digits-cld")
CHURN = Proposal("edm", {"S_churn": 5.0, "S_noise": 1.003}, "edm", 7.0, True)
CARD = Proposal("heun", grid="card:a/b.json")


@cache
def found(model, nfe=10, some=None):
    entry = catalog()[model]
    some = [*defaults(entry), *proposals(entry)] if some is None else some
    return planned(Request.of(model=model, num_samples=64), entry, nfe, some)


@pytest.mark.parametrize("model", MODELS)
def test_every_sampler_that_fits_is_there(model):
    entry = catalog()[model]
    away = {each.sampler for each in absent(entry)}
    assert {p.sampler for p in proposals(entry)} == {s.name for s in samplers} - away
    names = [p.name for p in proposals(entry)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", MODELS)
def test_each_can_run_or_says_why(model):
    here = found(model)
    assert len(here.proposals) == len(here.plan.rows) > 3
    assert set(here.plan.cells) == set(here.proposals)
    # A budget may be too small; nothing else is in the way.
    assert all("too small" in reason for reason in here.left_out.values()), here.left_out


@pytest.mark.parametrize("model", MODELS)
def test_the_defaults_come_first_under_their_own_names(model):
    entry = catalog()[model]
    names = [p.sampler for p in found(model).proposals.values()]
    assert names[: len(entry.samplers)] == list(entry.samplers)


def test_equal_algorithms_are_one():
    some = tuple(Proposal(n, grid="edm", rho=7.0) for n in ("euler", "ddim", "heun", "edm"))
    assert [p.sampler for p in found("digits-exact", some=some).proposals.values()] == [
        "euler", "heun"
    ]  # fmt: skip


def test_what_no_budget_allows_is_told():
    with pytest.raises(UsageError, match="nfe=1 is too small for sampler heun"):
        found("digits-exact", 1, (Proposal("heun", grid="edm", rho=7.0),))


def test_presets_are_tried_and_are_the_defaults():
    tuned = Preset("edm", {"S_churn": 30.0, "S_min": 0.05}, 79, "somewhere")
    entry = replace(catalog()["digits-edm"], presets={"tuned": tuned})
    assert [(p.sampler, p.params) for p in defaults(entry)] == [("edm", tuned.params)]
    on = [(p.grid, p.rho) for p in proposals(entry) if p.params == tuned.params]
    assert on == list(GRIDS) and on[0] == USUAL


def test_names_of_the_tables_are_registered():
    assert {grid for grid, _ in GRIDS} <= set(discretizations.names())
    assert set(PARAMS) <= set(samplers.names())


@pytest.mark.parametrize("proposal", [CHURN, CARD, Proposal("gddim"), Proposal("ddim", {"eta": 1})])
def test_a_proposal_is_a_key_and_equal_to_itself(proposal):
    assert {proposal: 1}[replace(proposal, params=dict(proposal.params))] == 1


def test_samplers_stand_where_their_best_grid_is():
    """Not where their worst one is."""
    a, b = (Proposal("ipndm", grid=grid) for grid in ("vp", "edm"))
    c, d = (Proposal("heun", grid=grid) for grid in ("vp", "edm"))
    assert best_grids([a, c, d, b]) == best_grids([a, c, b]) == [a, c]
    assert best_grids([]) == []


def test_how_it_is_said():
    assert CHURN.name == "edm S_churn=5 S_noise=1.003, edm rho=7"
    assert CHURN.flags() == [
        "--sampler", "edm", "--param", "edm.S_churn=5,edm.S_noise=1.003", "--discretization",
        "edm", "--rho", "7",
    ]  # fmt: skip
    assert CARD.flags() == ["--sampler", "heun", "--discretization", "card:a/b.json"]


def test_a_grid_by_its_name_is_simpler_than_a_list_then_no_noise_then_few_parameters():
    plain = Proposal("heun", grid="edm", rho=7.0)
    some = [CARD, CHURN, Proposal("ipndm", {"order": 3}, "vp"), plain]
    assert sorted(some, key=lambda p: p.simplicity) == [plain, some[2], CHURN, CARD]


@pytest.mark.parametrize("model", MODELS)
def test_the_flags_mean_the_same_cell(model, capsys):
    """Of every sampler and set of parameters one, as the command line plans it."""
    import json

    here = found(model)
    once = {(p.sampler, str(p.params)): p for p in here.proposals.values()}
    for proposal in list(once.values())[::6]:
        words = ["--model", model, "--nfe", "10", "--dry-run", "--json", *proposal.flags()]
        assert main(["run", *words]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        mine = next(
            r.columns for r in here.plan.rows if here.proposals[r.cells[0].hash] == proposal
        )
        for name in ("sampler", "params", "discretization", "rho", "steps", "nfe"):
            assert row[name] == mine[name]
