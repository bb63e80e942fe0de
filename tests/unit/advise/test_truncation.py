"""Errors on few trajectories: halved, counted, kept."""

from __future__ import annotations

import math

import pytest

import samplebench as sb
from samplebench.advise import truncation
from samplebench.advise.proposal import Proposal
from samplebench.models.bound import listening
from samplebench.tune.problem import Problem

SOME = [
    *(Proposal("euler", grid="edm", rho=rho) for rho in (1.0, 3.0, 7.0)),
    Proposal("dpmpp-2m", grid="edm", rho=7.0),
    Proposal("ipndm", grid="time_uniform", rho=2.0),
]


@pytest.fixture(scope="module")
def model():
    return sb.load("exact-2d", device="cpu")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(truncation, "FIRST", range(10_000_000, 10_000_004))
    monkeypatch.setattr(truncation, "FURTHER", range(10_000_004, 10_000_012))


@pytest.fixture
def errors(model, tmp_path):
    def made(load=lambda: model, identity=None):
        return truncation.Errors(
            load, identity or {"model": "exact-2d"}, 8, tmp_path / "t.json", lambda *_: None
        )

    return made


def test_the_better_half_by_the_first_goes_on_to_all(errors, model):
    seen = []
    with listening(lambda images, _: seen.append(images)):
        here = errors()
        found = here.halved(SOME)
    assert len(found) == math.ceil(len(SOME) / 2)
    assert list(found.values()) == sorted(found.values())
    for proposal, error in found.items():
        problem = Problem(
            model, proposal.sampler, 8, seeds=range(10_000_000, 10_000_012), budget=10**9
        )
        own = problem.error(problem.on(proposal.grid, proposal.rho))
        assert error == pytest.approx(own, rel=1e-9)
    # Toy problems of one image are no evaluations of the model.
    assert here.evaluations == sum(images for images in seen if images > 1)


def test_kept_errors_need_no_model(errors):
    def absent():
        raise AssertionError("loaded")

    first = errors()
    expected = first.halved(SOME)
    again = errors(absent)
    assert again.halved(SOME) == expected
    assert again.evaluations == first.evaluations > 0


@pytest.mark.parametrize("change", ["model", "damage"])
def test_what_is_of_another_model_or_damaged_is_computed_anew(errors, tmp_path, change):
    expected = errors().halved(SOME)
    if change == "damage":
        (tmp_path / "t.json").write_text("{}")
    else:
        errors(identity={"model": "another"}).halved(SOME[:1])
    assert errors().halved(SOME) == expected


def test_one_that_cannot_run_is_left_out(errors):
    some = [*SOME[:2], Proposal("heun", grid="edm", rho=7.0), Proposal("nobody", grid="edm")]
    assert "nobody" not in {p.sampler for p in errors().halved(some)}


def test_none_is_none(errors):
    assert errors().halved([]) == {}
