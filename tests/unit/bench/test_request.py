"""Every word of a request: what it becomes, and what a bad one is told."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplebench.bench.checks import parse_params
from samplebench.bench.request import Request
from samplebench.errors import UsageError


def of(**words):
    """The one word of a request with one word."""
    (name,) = words
    return getattr(Request.of(**words), name)


def custom(model, x, grid, *, noise=None, callback=None):
    return x


def shown(value):
    """The id of a case: its words, without the addresses of functions."""
    return re.sub(" at 0x[0-9a-f]+", "", str(value))[:60] if isinstance(value, dict) else ""


def test_defaults():
    assert Request.of() == Request()
    assert Request().nfe == (5, 10, 20, 35)
    assert Request().discretization == ("edm",)
    assert Request.of(nfe=None, model=None, param=None) == Request()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"model": "digits-exact"}, ("digits-exact",)),
        ({"model": " a , b "}, ("a", "b")),
        ({"model": ["a", "b", "a"]}, ("a", "b")),
        ({"sampler": "euler,heun,euler"}, ("euler", "heun")),
        ({"sampler": custom}, (custom,)),
        ({"sampler": ["euler", custom]}, ("euler", custom)),
        ({"metric": ("fd-digits",)}, ("fd-digits",)),
        ({"nfe": "10,20,35"}, (10, 20, 35)),
        ({"nfe": 10}, (10,)),
        ({"nfe": [10, "20", 35.0]}, (10, 20, 35)),
        ({"nfe": range(5, 8)}, (5, 6, 7)),
        ({"nfe": "10,10.0,1e1"}, (10,)),
        ({"nfe": 100_000}, (100_000,)),
        ({"rho": "3,7"}, (3.0, 7.0)),
        ({"rho": [7, 7.0, "7"]}, (7.0,)),
        ({"rho": 0.5}, (0.5,)),
        ({"discretization": "edm,logsnr"}, ("edm", "logsnr")),
        ({"discretization": "80/20/5/1"}, ((80.0, 20.0, 5.0, 1.0),)),
        ({"discretization": "edm,80/20/5/0"}, ("edm", (80.0, 20.0, 5.0, 0.0))),
        ({"discretization": [80, 20, 5]}, ((80.0, 20.0, 5.0),)),
        ({"discretization": (80, 20, 5, 0)}, ((80.0, 20.0, 5.0, 0.0),)),
        ({"discretization": ["edm", (80, 5)]}, ("edm", (80.0, 5.0))),
        ({"discretization": [[80, 5], [40, 3, 1]]}, ((80.0, 5.0), (40.0, 3.0, 1.0))),
        ({"num_samples": "1797"}, 1797),
        ({"num_samples": 2.0}, 2),
        ({"num_samples": "5e4"}, 50_000),
        ({"seed": 0}, 0),
        ({"seed": 2**63}, 2**63),
        ({"seed": 2**53 + 1}, 2**53 + 1),
        ({"seed": str(2**53 + 1)}, 2**53 + 1),
        ({"repeats": "3"}, 3),
        ({"batch_size": 64}, 64),
        ({"protocol": "digits"}, "digits"),
        ({"noise": "nvlabs"}, "nvlabs"),
        ({"state_dtype": "float32"}, "float32"),
        ({"device": "cpu"}, "cpu"),
        ({"dtype": "float64"}, "float64"),
        ({"out": Path("a/b")}, "a/b"),
        ({"param": "edm.S_churn=10"}, {"edm": {"S_churn": (10,)}}),
        (
            {"param": "edm.S_churn=10,40,ddim.eta=1"},
            {"edm": {"S_churn": (10, 40)}, "ddim": {"eta": (1,)}},
        ),
        ({"param": {"edm.S_churn": [0, 10]}}, {"edm": {"S_churn": (0, 10)}}),
        ({"param": {"edm": {"S_churn": 10}}}, {"edm": {"S_churn": (10,)}}),
        (
            {"param": {"edm": {"S_churn": [10, 10.0]}, "edm.S_max": "inf"}},
            {"edm": {"S_churn": (10,), "S_max": ("inf",)}},
        ),
        ({"param": "pkg.mod:fn.eta=1"}, {"pkg.mod:fn": {"eta": (1,)}}),
    ],
    ids=shown,
)
def test_a_word_is_normalised(words, expected):
    found = of(**words)
    assert found == expected
    assert repr(found) == repr(expected)


BAD = [
    ({"models": "x"}, "unknown option 'models'; did you mean 'model'?"),
    ({"model": ""}, "--model is empty or has an empty item; write e.g. digits-exact"),
    ({"model": "a,,b"}, "--model is empty or has an empty item"),
    ({"model": []}, "--model is empty"),
    ({"model": 3}, "--model 3 is not a name; write e.g. digits-exact"),
    ({"sampler": "euler,"}, "--sampler is empty or has an empty item; write e.g. euler,heun"),
    ({"sampler": 3}, "--sampler 3 is not a name"),
    ({"metric": [None]}, "--metric None is not a name; write e.g. fd-digits"),
    ({"nfe": "ten"}, "--nfe ten is not a whole number"),
    ({"nfe": 10.5}, "--nfe 10.5 is not a whole number"),
    ({"nfe": True}, "--nfe True is not a whole number"),
    ({"nfe": math.nan}, "--nfe nan is not a whole number"),
    ({"nfe": math.inf}, "--nfe inf is not a whole number"),
    ({"nfe": 0}, "--nfe 0 is out of range; give 1 to 100,000"),
    ({"nfe": "10,-5"}, "--nfe -5 is out of range"),
    ({"nfe": 100_001}, "--nfe 100001 is out of range"),
    ({"nfe": "10,,20"}, "--nfe is empty or has an empty item; write e.g. 10,20,35"),
    ({"nfe": [[10]]}, "--nfe [10] is not a whole number"),
    ({"rho": 0}, "rho=0 must be a positive number, e.g. 7"),
    ({"rho": "-7"}, "rho=-7 must be a positive number"),
    ({"rho": "nan"}, "rho=nan must be a positive number"),
    ({"rho": math.inf}, "rho=inf must be a positive number"),
    ({"rho": "seven"}, "rho=seven must be a positive number"),
    ({"discretization": ""}, "--discretization is empty"),
    ({"discretization": 5}, "--discretization"),
    ({"discretization": "80/x/1"}, "--discretization 80/x/1: explicit levels are numbers"),
    ({"discretization": "1/5/80"}, "must be a decreasing list, e.g. 80/20/5/1/0.1"),
    ({"discretization": []}, "must be a decreasing list"),
    ({"discretization": "80//1"}, "--discretization 80//1: explicit levels are numbers"),
    ({"discretization": "80/5/-1"}, "80/20/5/1/0.1"),
    ({"discretization": "inf/5/1"}, "80/20/5/1/0.1"),
    ({"num_samples": 1}, "--num-samples 1 is out of range"),
    ({"num_samples": "many"}, "--num-samples many is not a whole number"),
    ({"seed": -1}, "--seed -1 is out of range"),
    ({"seed": 0.5}, "--seed 0.5 is not a whole number"),
    ({"seed": 2**64}, "--seed 18446744073709551616 is out of range"),
    ({"repeats": 0}, "--repeats 0 is out of range; give 1 to 1,000"),
    ({"repeats": 1001}, "--repeats 1001 is out of range"),
    ({"batch_size": 0}, "--batch-size 0 is out of range; give 1 to 65,536"),
    ({"batch_size": [64]}, "--batch-size [64] is not a whole number"),
    ({"batch_size": np.array([8, 16])}, "--batch-size [ 8 16] is not a whole number"),
    ({"protocol": ""}, "--protocol '' is not a name"),
    ({"state_dtype": 64}, "--state-dtype 64 is not a name"),
    ({"out": ""}, "--out '' is not a name"),
    ({"param": "S_churn=10"}, "--param 'S_churn=10': write SAMPLER.NAME=VALUE"),
    ({"param": "edm.S_churn="}, "--param 'edm.S_churn=': write SAMPLER.NAME=VALUE"),
    ({"param": "edm.=3"}, "write SAMPLER.NAME=VALUE"),
    ({"param": ".S_churn=3"}, "write SAMPLER.NAME=VALUE"),
    ({"param": "10,edm.S_churn=3"}, "--param '10': write SAMPLER.NAME=VALUE"),
    ({"param": "edm.S_churn=3,"}, "--param '': write SAMPLER.NAME=VALUE"),
    ({"param": ""}, "--param '': write SAMPLER.NAME=VALUE"),
    ({"param": 3}, "param must be a table: param.SAMPLER.NAME = VALUE"),
    ({"param": {"S_churn": 3}}, "param .S_churn: name a sampler and at least one value"),
    ({"param": {"edm": {"S_churn": []}}}, "param edm.S_churn: name a sampler and at least"),
    ({"param": "edm.S_churn=nan"}, "param edm.S_churn=nan is not a number"),
    ({"param": {"edm": {"S_churn": [[1]]}}}, "param edm.S_churn"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=shown)
def test_a_bad_word_is_told(words, message):
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        Request.of(**words)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("10", [10]),
        ("1.5", [1.5]),
        ("inf", [math.inf]),
        ("vp", ["vp"]),
        ("true,false", [True, False]),
        ("-3,1e-3", [-3, 0.001]),
    ],
)
def test_values_of_a_parameter(text, values):
    (found,) = parse_params(f"edm.x={text}")["edm"].values()
    assert found == values and [type(v) for v in found] == [type(v) for v in values]


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
numbers = st.one_of(st.integers(-(10**6), 10**6), st.floats(allow_nan=False, width=32))
tables = st.dictionaries(
    st.one_of(names, st.tuples(names, names, names).map(lambda t: f"{t[0]}.{t[1]}:{t[2]}")),
    st.dictionaries(names, st.lists(numbers, min_size=1, max_size=4), min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(table=tables)
def test_any_table_survives_being_written_out(table):
    text = ",".join(
        f"{sampler}.{name}={','.join(map(repr, values))}"
        for sampler, params in table.items()
        for name, values in params.items()
    )
    assert parse_params(text) == table


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="edm.=,1x -", max_size=12))
def test_any_text_is_a_table_or_a_usage_error(text):
    try:
        table = parse_params(text)
    except UsageError as error:
        assert "SAMPLER.NAME=VALUE" in str(error)
    else:
        assert all(sampler and params for sampler, params in table.items())
        assert all(values for params in table.values() for values in params.values())


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"model": "digits-exact", "nfe": "5,9", "rho": "3,7", "seed": 4, "out": "x"},
        {"sampler": "edm", "param": "edm.S_churn=0,10,edm.S_noise=1.003"},
        {"discretization": "edm,80/20/5"},
        {"discretization": "80/20/5,40/3"},
    ],
)
def test_a_request_is_its_words(words):
    """As `--dump-config` writes them and `--config` reads them."""
    request = Request.of(**words)
    assert Request.of(**request.words()) == request


def test_words_are_plain_values():
    request = Request.of(sampler=[custom, "euler"], discretization="80/5", param="edm.S_churn=1,2")
    words = request.words()
    assert words["sampler"] == [f"{__name__}:custom", "euler"]
    assert words["discretization"] == [[80.0, 5.0]]
    assert words["param"] == {"edm": {"S_churn": [1, 2]}}
    assert "num_samples" not in words and "model" not in words
