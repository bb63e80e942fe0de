"""One recommendation, by its rule, and the whole way to it on a small model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from samplebench.advise import advise, shortlist, space
from samplebench.advise.advice import Advice
from samplebench.advise.proposal import Proposal
from samplebench.advise.request import AdviseRequest
from samplebench.advise.shortlist import Shortlist
from samplebench.advise.trial import Trial
from samplebench.bench import estimate
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.board.entrants import absent
from samplebench.checkpoints.catalog import catalog
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.models.bound import listening
from samplebench.registry import samplers

PLAIN = Proposal("heun", grid="edm", rho=7.0)
OTHER = Proposal("euler", grid="vp")
NOISY = Proposal("edm", {"S_churn": 5}, "edm", 7.0, stochastic=True)
CARD = Proposal("heun", grid="card:a.json")


@dataclass
class Judged:
    """A trial whose values are said; every difference has the error 0.1."""

    values: dict[Proposal, float]
    rows: dict[Proposal, dict] = field(init=False)
    evaluations: ClassVar = {"cell": 100}

    def __post_init__(self):
        self.rows = {p: {"nfe": 9.0} for p in sorted(self.values, key=self.values.get)}

    @property
    def order(self):
        return list(self.rows)

    def value(self, proposal):
        return self.values[proposal]

    def error(self, proposal):
        return 0.05

    def behind(self, proposal, other):
        return self.values[proposal] - self.values[other], 0.1

    def tied(self, proposal, other):
        return abs(self.behind(proposal, other)[0]) <= 0.2


def advice(**values):
    known = {"plain": PLAIN, "other": OTHER, "noisy": NOISY, "card": CARD}
    judged = Judged({known[name]: value for name, value in values.items()})
    asked = AdviseRequest.of(model="digits-exact", num_samples=640, seed=3)
    return Advice(asked, Shortlist(tuple(judged.order), PLAIN, 9, 1000), judged)


@pytest.mark.parametrize(
    ("values", "chosen", "why"),
    [
        ({"plain": 1.0, "other": 2.0}, PLAIN, "by more than 2 standard errors"),
        ({"plain": 1.0, "other": 1.1}, PLAIN, "and not simpler: euler, vp"),
        ({"card": 1.0, "plain": 1.1}, PLAIN, "a registered grid, not a list of levels"),
        ({"noisy": 1.0, "plain": 1.1}, PLAIN, "without noise"),
        ({"card": 1.0, "noisy": 1.1, "plain": 1.3}, NOISY, "not a list of levels"),
        ({"card": 1.0, "plain": 1.3}, CARD, "by more than 2"),
        ({"plain": 1.0, "card": 0.9, "other": 0.95}, OTHER, "not a list of levels"),
        ({"card": 1.0, "plain": math.nan}, CARD, "by more than 2"),
    ],
)
def test_the_simplest_of_those_that_are_tied_with_the_best(values, chosen, why):
    found = advice(**values)
    assert found.recommended == chosen
    assert why in found.reason
    assert sum(row["recommended"] for row in found.rows()) == 1


@pytest.mark.parametrize(
    ("apart", "error", "tied"),
    [(0.1, 0.06, True), (0.1, 0.04, False), (0.1, math.nan, False), (0.0, math.nan, True)],
)
def test_tied_is_what_the_error_explains(monkeypatch, apart, error, tied):
    monkeypatch.setattr(Trial, "behind", lambda *_: (apart, error))
    assert Trial("fid", 1, {}, None).tied(PLAIN, OTHER) is tied


def test_of_the_same_samples_the_first_goes_on(monkeypatch):
    """Equal values with an error of the difference, or without a known one, are of others."""
    apart = {(OTHER, PLAIN): (0.0, 0.0), (NOISY, PLAIN): (0.0, 0.1), (CARD, PLAIN): (0.0, math.nan)}
    monkeypatch.setattr(Trial, "behind", lambda _, a, b: apart.get((a, b), (1.0, 0.1)))
    some = [PLAIN, OTHER, NOISY, CARD]
    assert shortlist.unlike(Trial("fid", 1, {}, None), some) == [PLAIN, NOISY, CARD]


def test_without_errors_the_best_value_decides(monkeypatch):
    monkeypatch.setattr(Judged, "behind", lambda s, a, b: (s.values[a] - s.values[b], math.nan))
    monkeypatch.setattr(Judged, "tied", Trial.tied)
    found = advice(noisy=1.0, plain=1.1)
    assert found.recommended == NOISY and "has no error bars" in found.reason


def test_of_a_model_in_memory_the_command_is_a_line_of_python():
    """It says the same cell."""
    import samplebench as sb

    model = sb.wrap(lambda x, sigma: 0 * x, predicts="x0", process="ve", shape=(2, 1, 1), name="my")
    asked = AdviseRequest.of(
        model=model, nfe=6, num_samples=64, metric="fd-pixels", reference="exact-2d"
    )
    said = []
    line = asked.command(NOISY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sb, "run", lambda **words: said.append(words))
        exec(line, {"sb": sb, "model": model})
    (words,) = said
    (row,) = planning.make(Request.of(**words)).rows
    columns = {"sampler": "edm", "params": "S_churn=5", "discretization": "edm", "rho": 7.0}
    columns |= {"model": "my", "nfe_requested": 6, "num_samples": 64}
    assert columns.items() <= row.columns.items() and row.metrics == ("fd-pixels",)


def test_its_evidence_and_its_command():
    found = advice(plain=1.0, other=1.5, noisy=2.0)
    assert found.command == (
        "samplebench run --model digits-exact --sampler heun --discretization edm --rho 7 "
        "--nfe 10 --num-samples 640 --seed 3 --metric fd-digits"
    )
    plain = found.plain()
    assert (plain["evaluations_search"], plain["evaluations_confirmation"]) == (1000, 100)
    assert plain["seeds"] == [3, 642] and plain["command"] == found.command
    assert [row["behind"] for row in plain["confirmed"]] == [None, 0.5, 1.0]
    assert found.text_rows()[0][""] == "recommended, default"
    assert "1,000 network evaluations to compare 9, 100 to confirm 3" in found.facts()["cost"]


def test_a_card_is_run_without_a_budget():
    found = advice(card=1.0)
    assert "--nfe" not in found.command and "card:a.json" in found.command


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"model": "digits-exact,digits-vp"}, "one model at a time"),
        ({"nfe": "5,10"}, "--nfe 5,10: one nfe at a time"),
        ({"nfe": 0}, "nfe"),
        ({"model": "digits-exat"}, "digits-exact"),
        ({"metric": "fd-digit"}, "fd-digits"),
        ({"metric": "fd-digits,kid"}, "one metric at a time"),
        ({"seed": 9_999_999}, "overlap those that searches use, 10,000,000 to 10,001,023"),
        ({"seed": 10_001_023}, "choose another, e.g. 0"),
        ({"num_samples": 1}, "num-samples"),
        ({"nfee": 3}, "nfee"),
        ({"protocol": "digts"}, "digits"),
        ({"reference": "nowhere.npz"}, "nowhere.npz"),
    ],
)
def test_what_cannot_be_meant_is_told(words, told):
    with pytest.raises(UsageError) as error:
        AdviseRequest.of(**words)
    assert told in str(error.value)


@pytest.mark.parametrize("seed", [0, 10_001_024])
def test_seeds_beside_those_of_the_search_are_free(seed):
    assert AdviseRequest.of(seed=seed, num_samples=64).judging == (seed, seed + 63)


# the whole way

KEPT = ("euler", "heun", "dpmpp-2m", "edm", "euler-ancestral", "gddim", "respaced", "ddim")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A few samplers on two grids and few samples; the pages are report's own affair."""
    away = [each for each in absent(catalog()["digits-exact"]) if each.sampler in KEPT]
    others = [type(away[0])(s.name, "not here") for s in samplers if s.name not in KEPT]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(space, "GRIDS", (space.USUAL, ("vp", None)))
        patch.setattr(space, "absent", lambda entry: [*away, *others])
        patch.setattr(shortlist, "SAMPLES", 64)
        patch.setattr(shortlist, "_METHODS", ("rho",))
        patch.setattr("samplebench.report.write_report", lambda *_, **__: {})
        # A look at the pace is no evaluation of the search.
        patch.setattr(estimate, "_WORTH", math.inf)
        yield tmp_path_factory.mktemp("advise") / "out"


def run(out):
    seen = []
    with listening(lambda images, _: seen.append(images)):
        found = advise(model="digits-exact", nfe=6, num_samples=128, out=str(out), quiet=True)
    return found, sum(images for images in seen if images > 1)


@pytest.fixture(scope="module")
def first(small):
    return run(small)


def test_it_recommends_the_simplest_of_the_best(first):
    found, _ = first
    values = [found.confirmed.value(each) for each in found.confirmed.order]
    assert values == sorted(values) and all(map(math.isfinite, values))
    assert found.recommended in found.tied
    assert found.shortlist.default in found.confirmed.order
    assert set(found.shortlist.best) <= set(found.confirmed.order)


def test_its_evaluations_are_those_that_the_model_counted(first):
    found, counted = first
    # Each of the four sweeps looks at one block for what an evaluation costs.
    assert sum(found.evaluations) == counted - 4 * 64
    assert found.evaluations[1] == sum(
        round(row["nfe"] * 128) for row in found.confirmed.rows.values()
    )


def test_the_same_call_computes_nothing_again(first, small):
    again, counted = run(small)
    assert counted == 0
    assert again.plain() == first[0].plain()


def test_the_search_and_the_confirmation_share_no_seed(first):
    found, _ = first
    searched = range(10_000_000, 10_000_000 + 2 * 128)
    for row in found.confirmed.rows.values():
        assert row["seed"] not in searched and row["seed"] + 127 not in searched


def test_the_command_line_says_it_in_words_and_as_json(first, small, capsys):
    import json

    words = ["advise", "--model", "digits-exact", "--nfe", "6", "--num-samples", "128"]
    assert main([*words, "--out", str(small), "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and first[0].command in printed.out
    assert "recommended" in printed.out
    assert main([*words, "--out", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == first[0].command


def test_its_command_gives_its_value(first, small, capsys):
    """The same cells in another folder: the same value to the last digit."""
    import shlex

    found, _ = first
    out = small.parent / "again"
    assert main([*shlex.split(found.command)[1:], "--out", str(out), "--quiet", "--json"]) == 0

    import json

    (row,) = json.loads(capsys.readouterr().out)
    assert row["fd-digits"] == pytest.approx(found.confirmed.value(found.recommended), rel=1e-8)
