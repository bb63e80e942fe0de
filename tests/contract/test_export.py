"""Every sampler as a solver card: as good as itself, or refused for what it is."""

from __future__ import annotations

import itertools

import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.sampling.export import as_card
from samplebench.sampling.setting import prepare
from tests.contract.played import played
from tests.contract.registered import (
    adaptive,
    nearby,
    on_levels,
    other_words,
    pace,
    runs,
    usual,
    without_noise,
)


def silent(solver):
    """Parameters without noise, if need be two words away from the usual; None: there are none."""
    if (found := without_noise(solver)) is not None:
        return found
    words = [{n: not v} for n, v in solver.defaults.items() if isinstance(v, bool)]
    words += other_words(solver)
    for one, other in itertools.combinations_with_replacement(words, 2):
        params = {**usual(solver), **one, **other}
        if not solver.stochastic(params) and runs(solver, pace(solver, 2, params), params):
            return params
    return None


def exported(solver, params, model, steps):
    words = pace(solver, steps, params, model)
    setting = prepare(model, solver.name, params=params, **words)
    return setting, as_card(setting, model)


@pytest.mark.parametrize("moved", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_card_is_as_good_as_its_sampler(solver, mixture, moved):
    """Of parameters on levels that no noise needs; also with each of them moved once."""
    quiet = silent(solver) if on_levels(solver) and not adaptive(solver) else None
    if quiet is None:
        pytest.skip("nothing to write down; see the next test")
    model = mixture("smooth5", {"sigma_min": 0.002, "sigma_max": 80.0})
    latents = torch.randn((2, *model.shape), generator=torch.Generator().manual_seed(0)).double()
    compared = 0
    for params in nearby(solver, quiet) if moved else [quiet]:
        if solver.stochastic(params) or not runs(solver, pace(solver, 5, quiet), params):
            continue
        setting, card = exported(solver, params, model, 5)
        assert not model.calls
        expected = sb.sample(model, solver.name, latents=latents, steps=setting.steps, **params)
        counted = len(model.calls)
        found, asked = played(card, model, latents)
        model.calls.clear()
        assert asked == counted == card.nfe == setting.evaluations
        assert (found - expected).abs().max() <= 1e-10 * expected.abs().max(), params
        compared += 1
    assert compared


def test_any_other_is_refused_for_what_it_is(solver, exact):
    words = {} if adaptive(solver) else pace(solver, 25, {}, exact)
    if not on_levels(solver):
        why = f"it needs {solver.timeline.needs}"
    elif adaptive(solver):
        why = "it chooses its steps"
    elif solver.stochastic({}):
        why = "it draws noise"
    else:
        pytest.skip("it is a card as it is")
    with pytest.raises(UsageError, match="cannot be written as a solver card") as refused:
        as_card(prepare(exact, solver.name, **words), exact)
    said = str(refused.value)
    assert why in said and said.startswith(f"sampler {solver.name} cannot")
    helps = solver.quiet({}) if solver.stochastic({}) and on_levels(solver) else None
    for name, value in (helps or {}).items():
        assert f"unless {solver.name}.{name}={value}" in said
