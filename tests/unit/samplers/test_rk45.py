"""RK45: SciPy's steps, sample by sample, and what becomes of models that nobody showed."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.models.chunks import Chunks
from samplebench.models.model import Model
from samplebench.sampling.setting import prepare


def normal(shape, n=5, dtype=torch.float64):
    draw = torch.Generator().manual_seed(3)
    return torch.randn((n, *shape), generator=draw, dtype=torch.float64).to(dtype)


def drawn(model, x, **words):
    """The samples, and the evaluations of each on the average."""
    seen = []
    found = sb.sample(model, "rk45", latents=x, callback=seen.append, **words)
    return found, seen[-1].nfe


def reference(model, latent, process, rtol):
    """SciPy's RK45 on one sample: (x_t at the end, its evaluations)."""
    vp = process == "vp"

    def slope(t, flat):
        u = torch.from_numpy(flat).reshape(latent.shape)
        if vp:
            integral = 19.9 * t * t / 2 + 0.1 * t
            alpha, std = math.exp(-integral / 2), math.sqrt(-math.expm1(-integral))
            square, drift = 0.1 + 19.9 * t, -(0.1 + 19.9 * t) / 2
        else:
            alpha, std, drift = 1.0, 0.02 * 5000**t, 0.0
            square = 2 * std**2 * math.log(5000)
        score = (
            alpha * model(u / alpha, torch.tensor(std / alpha, dtype=torch.float64)) - u
        ) / std**2
        return (drift * u - square / 2 * score).numpy().ravel()

    start = (latent if vp else 100 * latent).numpy().ravel()
    span = (1.0, 1e-3 if vp else 1e-5)
    found = solve_ivp(slope, span, start, method="RK45", rtol=rtol, atol=rtol)
    return found.y[:, -1].reshape(latent.shape), found.nfev


@pytest.mark.parametrize("process", ["vp", "ve"])
@pytest.mark.parametrize("mixture_name", ["smooth5", "tight4"])
def test_each_sample_takes_the_steps_of_scipy(mixture, mixture_name, process):
    model = mixture(mixture_name)
    latents, rtol = normal(model.shape, 3), 1e-4
    x, nfe = drawn(model, latents, process=process, rtol=rtol)
    found = [reference(model, latents[i : i + 1], process, rtol) for i in range(3)]
    expected = np.concatenate([state for state, _ in found])
    assert np.abs(x.numpy() - expected).max() < 1e-10
    assert nfe == pytest.approx(np.mean([count for _, count in found]), rel=1e-12)


def test_a_sample_does_not_depend_on_its_batch_nor_on_its_pieces():
    model = sb.load("digits-exact", device="cpu")
    latents, labels = normal(model.shape), torch.tensor([3, 1, 4, 1, 5])
    together, nfe = drawn(model, latents, labels=labels)
    alone = [drawn(model, latents[i : i + 1], labels=int(labels[i])) for i in range(5)]
    assert (torch.cat([x for x, _ in alone]) - together).abs().max() < 1e-9
    assert nfe == np.mean([count for _, count in alone])
    assert len({count for _, count in alone}) > 1
    other, _ = drawn(model, latents, labels=(labels + 1) % 10)
    assert (other - together).abs().flatten(1).max(1).values.min() > 1e-3
    model.chunks = Chunks()
    model.chunks.size = 2
    in_pieces, again = drawn(model, latents, labels=labels)
    assert (in_pieces - together).abs().max() < 1e-9 and again == nfe


def test_a_smaller_tolerance_is_nearer_and_costs_more(mixture):
    model = mixture("tight4")
    latents = normal(model.shape)
    exact, _ = drawn(model, latents, rtol=1e-11)
    runs = [drawn(model, latents, rtol=rtol) for rtol in (1e-2, 1e-4, 1e-6)]
    errors = [float((x - exact).abs().max()) for x, _ in runs]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-5
    assert [nfe for _, nfe in runs] == sorted(nfe for _, nfe in runs)


@pytest.mark.parametrize("rtol", [0, -1e-5, 1e-13, 2, 1e300])
def test_a_tolerance_out_of_its_range_is_refused(mixture, rtol):
    with pytest.raises(UsageError, match=r"^rk45\.rtol=.* must be from 1e-12 to 1, e\.g\. 1e-5$"):
        drawn(mixture("tiny3"), normal((1, 2, 2)), rtol=rtol)


@pytest.mark.parametrize("rtol", [math.nan, "tight", None, True])
def test_a_tolerance_that_is_no_number_is_refused(mixture, rtol):
    with pytest.raises(UsageError, match=r"rk45\.rtol=.* must be a number"):
        drawn(mixture("tiny3"), normal((1, 2, 2)), rtol=rtol)


class Rough(Model):
    """As far from smooth as its arithmetic goes."""

    shape = (1, 2, 2)

    def __call__(self, x, sigma, labels=None):
        return x * torch.sin(1e9 * sigma.reshape(-1, 1, 1, 1))


@pytest.mark.parametrize(
    ("dtype", "more"), [(torch.float64, "$"), (torch.float32, ", or use a float64 state$")]
)
def test_too_many_steps_end_in_a_line(monkeypatch, dtype, more):
    monkeypatch.setattr("samplebench.samplers.dormand_prince._MOST_STEPS", 50)
    line = f"rk45 with rtol=1e-08: a sample needs more than 50 steps; raise rtol{more}"
    with pytest.raises(UsageError, match=line):
        drawn(Rough(), normal(Rough.shape, dtype=dtype), rtol=1e-8)


class Broken(Model):
    """No number for samples of label 2 below a level."""

    shape, num_classes = (1, 2, 2), 4

    def __init__(self, level):
        self.level = level

    def __call__(self, x, sigma, labels=None):
        bad = (labels == 2) & (sigma.expand(len(x)) < self.level)
        good = x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)
        return torch.where(bad.reshape(-1, 1, 1, 1), torch.nan, good)


@pytest.mark.parametrize("level", [math.inf, 1.0], ids=["from the start", "on the way"])
def test_a_sample_without_a_way_on_is_told_and_no_other_minds(level):
    latents, labels = normal(Broken.shape), torch.tensor([0, 2, 1, 2, 3])
    with pytest.warns(UserWarning, match=r"2 of 5 samples: the network was not finite"):
        x, _ = drawn(Broken(level), latents, labels=labels)
    kept = labels != 2
    assert x[~kept].isnan().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rest, _ = drawn(Broken(level), latents[kept], labels=labels[kept])
    assert (x[kept] - rest).abs().max() < 1e-9


@pytest.mark.parametrize(("process", "ends"), [("vp", (20.0, 0.5)), ("subvp", (20.0, 0.5))])
def test_the_models_own_range_is_kept(mixture, process, ends):
    model = mixture("smooth5", {"sigma_min": 0.5, "sigma_max": 20.0})
    levels = prepare(model, "rk45", params={"process": process}).timeline.levels
    assert levels.tolist() == pytest.approx(ends, rel=1e-9)
    drawn(model, normal(model.shape), process=process)
    assert max(model.calls) <= 20.0 * (1 + 1e-9) and min(model.calls) >= 0.5 * (1 - 1e-9)


def test_without_a_word_the_range_is_that_of_training():
    model = sb.load("digits-ve", device="cpu")
    setting = prepare(model, "rk45")
    assert setting.params["process"] == "ve"
    assert setting.timeline.levels.tolist() == pytest.approx((20.0, 0.02), rel=1e-4)


def test_processes_agree_where_their_noise_is_gone(mixture):
    """They start alike: the state of most noise, told in other units."""
    model = mixture("smooth5")
    words = {"sigma_min": 1e-3, "sigma_max": 100.0, "rtol": 1e-9}
    latents = normal(model.shape)
    runs = {name: drawn(model, latents, process=name, **words)[0] for name in ("vp", "subvp", "ve")}
    assert (runs["vp"] - runs["ve"]).abs().max() < 1e-3
    assert (runs["subvp"] - runs["ve"]).abs().max() < 1e-3


def test_thresholding_is_seen_by_every_evaluation(mixture):
    model = mixture("wide5")
    latents = normal(model.shape)
    x, _ = drawn(model, latents, thresholding=True, rtol=1e-3)
    plain, _ = drawn(model, latents, rtol=1e-3)
    assert plain.abs().max() > 1.5 > 1.1 > x.abs().max()
