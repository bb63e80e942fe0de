"""Of any request: how many rows, what they may cost, and which cells a larger one has."""

from __future__ import annotations

import json
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.errors import OutOfBudget
from samplebench.results.cell import hash_of
from tests.unit.bench.planned import make

SAMPLERS = ("euler", "heun", "ddim", "dpmpp-2m", "ipndm")
quick = settings(max_examples=12, deadline=None)
some = st.lists(st.sampled_from(SAMPLERS), min_size=1, max_size=3, unique=True)
budgets = st.lists(st.integers(4, 40), min_size=1, max_size=3, unique=True)
rhos = st.lists(st.sampled_from([1, 3, 5.5, 7]), min_size=1, max_size=2, unique=True)
requests = st.fixed_dictionaries(
    {"sampler": some, "nfe": budgets, "rho": rhos, "repeats": st.integers(1, 3)}
)


@quick
@given(words=requests)
def test_a_row_for_each_combination_within_its_budget(words):
    plan = make(**words)
    asked = {
        (r.columns["sampler"], r.columns["nfe_requested"], r.columns["rho"]) for r in plan.rows
    }
    assert asked == {*product(words["sampler"], words["nfe"], map(float, words["rho"]))}
    assert len(plan.rows) == len(asked)
    for row in plan.rows:
        assert row.columns["nfe"] <= row.columns["nfe_requested"]
        assert len(row.cells) == words["repeats"] == len({cell.hash for cell in row.cells})
        assert all(cell.nfe == row.columns["nfe"] for cell in row.cells)
    assert {cell.hash for row in plan.rows for cell in row.cells} == {*plan.cells}


@quick
@given(words=requests, order=st.randoms(use_true_random=False))
def test_the_order_of_words_and_how_they_are_written_do_not_count(words, order):
    shuffled = {
        name: order.sample(value, len(value)) if isinstance(value, list) else value
        for name, value in words.items()
    }
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in shuffled.items()
    }
    plan = {*make(**words).cells}
    assert {*make(**shuffled).cells} == {*make(**texts).cells} == plan
    assert {*make(**dict(reversed(texts.items()))).cells} == plan


@quick
@given(words=requests, more=requests)
def test_a_larger_request_has_the_cells_of_a_smaller_one(words, more):
    both = {
        name: [*value, *more[name]] if isinstance(value, list) else max(value, more[name])
        for name, value in words.items()
    }
    assert {*make(**both).cells} >= {*make(**words).cells}


@quick
@given(words=requests)
def test_conditions_are_the_same_after_a_file(words):
    for name, cell in make(**words).cells.items():
        assert hash_of(json.loads(json.dumps(cell.conditions, indent=1))) == name == cell.hash


@quick
@given(sampler=st.sampled_from(SAMPLERS), least=st.integers(1, 6))
def test_a_budget_is_met_or_refused(sampler, least):
    try:
        plan = make(sampler=sampler, nfe=least)
    except OutOfBudget as error:
        assert f"nfe={least} is too small for sampler {sampler}" in str(error)
    else:
        assert all(1 <= row.columns["nfe"] <= least for row in plan.rows)
