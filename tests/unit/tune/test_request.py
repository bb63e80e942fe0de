"""What tune is asked for, checked before anything is loaded."""

from __future__ import annotations

import pytest

from samplebench.errors import UsageError
from samplebench.tune.methods import METHODS
from samplebench.tune.request import TuneRequest
from samplebench.tune.seeds import SEED, check_judging

FIRST = {
    "digits-exact": "euler", "digits-vp": "euler", "digits-ve": "euler", "digits-edm": "euler",
    "digits-adm": "heun", "digits-iddpm": "heun", "digits-adm-ip": "heun", "exact-2d": "euler",
}  # fmt: skip


def asked(**words):
    return TuneRequest.of(**{"method": "rho", **words})


@pytest.mark.parametrize(("model", "sampler"), FIRST.items())
def test_the_first_deterministic_sampler_on_a_discretization(model, sampler):
    assert asked(model=model).request.sampler == (sampler,)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_asked_for(method):
    assert asked(method=method).methods == (method,)
    assert asked(method=f"{method},rho").methods == tuple(dict.fromkeys((method, "rho")))


WRONG = {
    "unknown method 'roh'; did you mean 'rho'?": {"method": "roh"},
    "--method is empty": {"method": "rho,"},
    "one model at a time": {"model": "digits-exact,digits-vp"},
    "one sampler at a time": {"sampler": "euler,heun"},
    "did you mean 'euler'?": {"sampler": "eulr"},
    "did you mean 'digits-exact'?": {"model": "digts-exact"},
    "--budget-evaluations 0 is out of range": {"budget_evaluations": 0},
    "--num-samples -1 is out of range": {"num_samples": "-1"},
    "--num-samples 1 is out of range": {"num_samples": 1},
    "unknown cost 'eulr'; did you mean 'euler'?": {"cost": "eulr"},
    "is for the method gits": {"cost": "euler"},
    "--param heun.S_churn: the method churn searches it": {
        "sampler": "heun",
        "param": "heun.S_churn=10",
        "method": "rho,churn",
    },
    "heun.alpha: 2 values; give one": {"sampler": "heun", "param": "heun.alpha=0.5,1"},
    "unknown sampler in --param 'heun'": {"sampler": "euler", "param": "heun.alpha=1"},
    "none of the default samplers of digits-cld": {"model": "digits-cld"},
    "respaced has no time discretization to search on digits-adm": {
        "model": "digits-adm",
        "sampler": "respaced",
    },
    "rk45 has no time discretization to search": {"sampler": "rk45"},
    "unknown option 'rohs'": {"rohs": 3},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_meant_is_one_line(message):
    with pytest.raises(UsageError) as refused:
        asked(**WRONG[message])
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_the_usual_cost_is_no_option():
    assert asked(method="gits").options == asked(method="gits", cost="own").options == {}
    assert asked(method="gits", cost="euler").options == {"gits": {"cost": "euler"}}


def test_no_samples_is_no_metric():
    assert not asked(num_samples="0").scored
    assert asked().scored and asked(num_samples=500).request.num_samples == 500


@pytest.mark.parametrize(
    ("seed", "most", "meets"),
    [
        (0, 64, False), (0, SEED, False), (0, SEED + 1, True), (SEED - 64, 64, False),
        (SEED - 63, 64, True), (SEED, 64, True), (SEED + 15, 64, True), (SEED + 1024, 64, False),
    ],
)  # fmt: skip
def test_judging_seeds_are_not_those_of_searches(seed, most, meets):
    if not meets:
        check_judging(seed, most)
        return
    with pytest.raises(UsageError, match=f"--seed {seed}: its seeds"):
        check_judging(seed, most)
