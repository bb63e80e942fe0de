"""What `sb.wrap` says of a network that is not as it should be, in one line each."""

from __future__ import annotations

import random
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import samplebench as sb
from samplebench.errors import InputError, UsageError

SHAPE = (2, 4, 4)
TABLE = np.linspace(0.999, 0.01, 50)
WORDS = {"predicts": "eps", "alpha_bar": TABLE, "shape": SHAPE}
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


class Net(nn.Module):
    """A convolution that notes what it receives."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1, dtype=dtype)
        self.drop = nn.Dropout(0.5)
        self.seen = []

    def forward(self, x, t):
        self.seen.append((x.dtype, t.dtype, tuple(t.shape)))
        return self.drop(self.layer(x))


def quiet(network, **words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return sb.wrap(network, **{**WORDS, **words})


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("law", ["table", "vp"])
def test_a_module_is_fed_in_its_own_precision(dtype, law):
    net = Net(dtype).eval()
    words = {} if law == "table" else {"alpha_bar": None, "process": law}
    for time, kind in (("sigma", dtype), *([("index", torch.int64)] if law == "table" else [])):
        model = quiet(net, time=time, **words)
        for state in (torch.float64, torch.float32):
            x = torch.randn(3, *SHAPE, dtype=state)
            assert model(x, 0.5).dtype == state
            assert net.seen[-1] == (dtype, kind, (3,))
    assert sb.sample(model, "euler", nfe=3, seeds=[0, 1]).isfinite().all()


def test_a_function_is_fed_in_what_it_takes():
    seen = []

    def any_of_them(x, t):
        seen.append(x.dtype)
        return x

    quiet(any_of_them)(torch.randn(2, *SHAPE, dtype=torch.float64), 0.5)
    assert set(seen) == {torch.float64}
    for dtype in DTYPES:
        net = Net(dtype).eval()
        for form in (lambda x, t, net=net: net(x, t), partial(Net.forward, net)):
            model = quiet(form)
            assert model(torch.randn(2, *SHAPE, dtype=torch.float64), 0.5).dtype == torch.float64
            assert net.seen[-1][0] == dtype


def test_training_mode_is_told_and_left():
    for form in (lambda net: net, lambda net: net.forward, lambda net: lambda x, t: net(x, t)):
        net = Net().train()
        with pytest.warns(UserWarning, match="in training mode.*switched to eval mode") as told:
            model = sb.wrap(form(net), **WORDS)
        assert len(told) == 1 and "\n" not in str(told[0].message)
        assert told[0].filename == __file__
        assert not net.training and not net.drop.training
        net.train()
        with pytest.warns(UserWarning, match="in training mode"):
            sb.sample(model, "euler", nfe=2, seeds=[0])


class Active(Net):
    """Dropout that no mode switches off."""

    def forward(self, x, t):
        return nn.functional.dropout(self.layer(x), 0.5, training=True)


def by_numpy(x, t):
    return x * float(np.random.rand())


def by_python(x, t):
    return x * random.random()


class Counting:
    """Answers that depend on how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, t):
        self.calls += 1
        return x * self.calls


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Active().eval(), "the network Active draws from torch's global generator"),
        (by_numpy, "the network by_numpy draws from numpy's global generator"),
        (by_python, "draws from Python's global generator"),
        (Counting(), "the network Counting gives different outputs for the same input"),
    ],
    ids=["torch", "numpy", "python", "state"],
)
def test_a_random_network_is_told(network, said):
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    with pytest.warns(UserWarning, match=said):
        sb.wrap(network, **WORDS)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1]) and random.getstate() == states[2]


@pytest.mark.parametrize("law", ["table", "vp", "ve", "flow", "D", "cld"])
def test_one_that_writes_on_its_input_is_right_all_the_same(law):
    def clean(x, t):
        return x * 0.5 + t.reshape(-1, *(1,) * (x.ndim - 1))

    def dirty(x, t):
        answer = clean(x, t)
        x.mul_(0), t.mul_(0)
        return answer

    predicts = {"D": "D", "flow": "flow"}.get(law, "eps")
    where = {"table": {}, "D": {"alpha_bar": None}}.get(law, {"alpha_bar": None, "process": law})
    words = {"predicts": predicts, **where}
    with pytest.warns(UserWarning, match="the network dirty modifies its input"):
        model = sb.wrap(dirty, **{**WORDS, **words})
    right = quiet(clean, **words)
    if law == "cld":
        u = torch.randn(2, 2, *SHAPE, dtype=torch.float64)
        before = u.clone()
        assert torch.equal(model.eps(u, 0.5), right.eps(u, 0.5)) and torch.equal(u, before)
        return
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    before = x.clone()
    for _ in range(2):
        assert torch.equal(model(x, 0.5), right(x, 0.5)) and torch.equal(x, before)


class Holder:
    def __init__(self, sample):
        self.sample = sample


def test_an_object_with_a_sample_is_its_sample():
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    held = quiet(lambda x, t: Holder(x / 2))
    assert torch.equal(held(x, 0.5), quiet(lambda x, t: x / 2)(x, 0.5))


def failing(x, t):
    raise ValueError("no such\nlayer")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (failing, "the network failing failed .ValueError: no such"),
        (lambda x, t, y: x, "the network lambda failed .TypeError: .*missing 1 required"),
        (lambda x, t: x[:, :, 1:], "returned .2, 2, 3, 4. float.. where a tensor .2, 2, 4, 4."),
        (lambda x, t: x[0], "returned .2, 4, 4. float"),
        (lambda x, t: x[:1], "returned .1, 2, 4, 4. float"),
        (lambda x, t: x.mean(), "returned .. float"),
        (lambda x, t: (x, x), "returned a tuple of 2 .*return its first entry"),
        (lambda x, t: x.numpy(), "returned a numpy array"),
        (lambda x, t: None, "returned None"),
        (lambda x, t: x.long(), "returned .2, 2, 4, 4. int64"),
        (lambda x, t: x.to("meta"), "on meta where"),
        (lambda x, t: torch.cat([x, x], 1), "returns 4 channels for images of 2"),
        (Net().eval().layer, "the network Conv2d failed .TypeError"),
        (lambda x: x, "failed .TypeError: .*; it is called as network.x, t.$"),
        (lambda x, *, t: x, "failed .TypeError: .*; it is called as network.x, t.$"),
    ],
)
@pytest.mark.parametrize("law", ["table", "vp"])
def test_a_wrong_answer_is_one_line(network, said, law):
    words = {} if law == "table" else {"alpha_bar": None, "process": law}
    if law == "vp" and "channels" in said:
        said = "returned .2, 4, 4, 4. float"
    with pytest.raises((UsageError, InputError), match=said) as told:
        sb.wrap(network, **{**WORDS, **words})
    assert "\n" not in str(told.value)


def net(x, t):
    return x


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"predicts": None}, "state what the network predicts"),
        ({"family": "edm"}, "family='edm' defines the network; leave out predicts, alpha_bar"),
        ({"config": {}}, "config is for family"),
        ({"predicts": "epsilon"}, "unknown prediction 'epsilon'"),
        ({"predicts": "d"}, "unknown prediction 'd'"),
        ({"alpha_bar": None}, "predicts='eps' needs the process"),
        ({"process": "vp"}, "process and alpha_bar mean the same"),
        ({"betas": TABLE}, "alpha_bar and betas mean the same"),
        ({"alpha_bar": None, "process": "vpp"}, "unknown process 'vpp'; did you mean 'vp'"),
        ({"alpha_bar": None, "process": 3}, "process is int 3"),
        ({"beta_min": 0.1}, "with a table leave out beta_min"),
        (
            {"alpha_bar": None, "process": "vp", "beta_max": 3},
            "unknown constant 'beta_max' of process vp",
        ),
        (
            {"alpha_bar": None, "process": "discrete", "steps_": 3},
            "unknown constant 'steps_' of process",
        ),
        (
            {"alpha_bar": None, "process": sb.process("discrete", predict_xstart=True)},
            "give wrap predicts='x0'",
        ),
        (
            {"alpha_bar": None, "process": "discrete", "rescale_timesteps": True},
            "give wrap time=lambda",
        ),
        (
            {"alpha_bar": None, "process": sb.process("discrete").respaced("50")},
            "keeps 50 of 1000 steps",
        ),
        ({"alpha_bar": TABLE[::-1]}, "alpha_bar rises from 0.01 to 0.999; .*reverse it"),
        (
            {"alpha_bar": np.append(1.0, TABLE)},
            "entry 0 of alpha_bar is 1; .*drop it, and time=l",
        ),
        ({"alpha_bar": np.append(TABLE, 0.0)}, "entry 50 of alpha_bar is 0"),
        ({"alpha_bar": [0.9, 0.8, 0.8, 0.1]}, "does not fall from entry 1 .0.8. to 2"),
        ({"alpha_bar": [0.9, float("nan"), 0.1]}, "entry 1 of alpha_bar is nan"),
        ({"alpha_bar": [0.5]}, "has 1 entries"),
        ({"alpha_bar": [0.9, 0.5, 1e-33]}, "falls from 0.5 to 1e-33 at entry 2: .*drop it"),
        ({"alpha_bar": [0.9, 0.5, 1e-12, 1e-13]}, "falls from 0.5 to 1e-12 at entry 2"),
        ({"alpha_bar": "abc"}, "alpha_bar must be one list of numbers"),
        ({"alpha_bar": [[0.9, 0.8], [0.7, 0.6]]}, "alpha_bar must be one list of numbers"),
        ({"alpha_bar": None, "betas": [0.02, 0.01]}, "betas fall from 0.02 to 0.01; .*reverse it"),
        ({"alpha_bar": None, "betas": [0.01, 1.0]}, "entry 1 of betas is 1"),
        ({"time": "t"}, "time='t' does not exist for a table; use 'index'"),
        ({"time": "idx"}, "unknown time 'idx'"),
        (
            {"alpha_bar": None, "process": "ve", "time": "index"},
            "does not exist for process ve; use 't'",
        ),
        ({"alpha_bar": None, "process": "cld", "time": "sigma"}, "does not exist for process cld"),
        ({"alpha_bar": None, "predicts": "D", "time": "t"}, "a denoiser without a process"),
        ({"time": lambda j: j[:3]}, "function of time returned .3. int64 for 50 indices"),
        ({"time": lambda j: 1.0}, "function of time returned .. float64"),
        ({"time": lambda j: 1 / j}, "must return as many finite numbers"),
        ({"time": lambda j: j.nope}, "the function of time failed .AttributeError"),
        ({"alpha_bar": None, "process": "ve", "predicts": "v"}, "predicts='v' is .* not ve"),
        ({"predicts": "flow"}, "is n - y0 of process flow, not of a table"),
        ({"alpha_bar": None, "predicts": "D", "sigma_mix": 1}, "did you mean 'sigma_m"),
        ({"alpha_bar": None, "predicts": "D", "sigma_min": 2, "sigma_max": 1}, "sigma_min=2"),
        ({"data_range": (1, 0)}, "the first must be below the second"),
        ({"data_range": (0, 1, 2)}, "must be two numbers"),
        ({"data_range": (0, float("inf"))}, "the first must be below"),
        ({"null_label": 10}, "for networks with classes"),
        ({"null_label": -1, "num_classes": 2}, "whole number from 0 up"),
        ({"name": "a,b"}, "without commas"),
        ({"name": " .. "}, "one printable word or more"),
        ({"name": "-/-"}, "one printable word or more"),
        ({"name": "a\nb"}, "one printable word or more"),
        ({"name": "a" * 65}, "of at most 64 letters"),
        ({"shape": (4, 4)}, r"must be \(C, H, W\)"),
        ({"shape": torch.zeros(9, 9)}, r"must be \(C, H, W\)"),
        ({"process": "bdm", "alpha_bar": None, "image_size": 5}, "is of images 5x5"),
    ],
)
def test_what_wrap_refuses(words, said):
    with pytest.raises((UsageError, InputError), match=said) as told:
        sb.wrap(net, **{**WORDS, **words})
    assert "\n" not in str(told.value)


def test_every_class_is_there():
    table = nn.Embedding(5, 1)
    network = lambda x, t, y: x + table(y)[:, :, None, None]  # noqa: E731
    assert sb.wrap(network, **WORDS, num_classes=5).num_classes == 5
    with pytest.raises(UsageError, match="IndexError"):
        sb.wrap(network, **WORDS, num_classes=6)


def test_a_steep_table_is_itself_again():
    table = np.array([0.9, 0.5, 1e-9])
    assert sb.wrap(net, **{**WORDS, "alpha_bar": table}).process.alpha_bar == pytest.approx(
        table, rel=1e-6
    )


def test_what_cannot_be_called_is_no_network():
    with pytest.raises(UsageError, match="a dict of 0 is not a network"):
        sb.wrap({}, **WORDS)
