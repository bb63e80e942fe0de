"""`sb.wrap(predicts=...)`: one exact mixture, said in every way, is one denoiser."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import InputError, UsageError
from samplebench.models.exact import ExactModel
from samplebench.models.exact_linear import ExactLinearModel
from samplebench.processes.linear import LinearProcess

SHAPE = (2, 3, 3)
DRAW = torch.Generator().manual_seed(3)
IMAGES = torch.rand(5, *SHAPE, generator=DRAW, dtype=torch.float64) * 2 - 1
CLASSES = torch.tensor([0, 0, 1, 2, 2])
EXACT = ExactModel(IMAGES, None, 0.2)
CONDITIONAL = ExactModel(IMAGES, CLASSES, 0.2)
X = torch.randn(4, *SHAPE, generator=DRAW, dtype=torch.float64)
RANGES = [(-1, 1), (0, 1), (-0.5, 0.5), (0, 255)]

ALPHA_BAR = np.cos(np.linspace(0.02, 1.54, 60)) ** 2
# a and b of y_t = a y0 + b n as the papers have them, of an index or of t.
LAWS = {
    "table": (lambda j: np.sqrt(ALPHA_BAR[j]), lambda j: np.sqrt(1 - ALPHA_BAR[j])),
    "vp": (
        lambda t: np.exp(-(19.9 * t**2 / 2 + 0.1 * t) / 2),
        lambda t: np.sqrt(-np.expm1(-(19.9 * t**2 / 2 + 0.1 * t))),
    ),
    "ve": (lambda t: 1 + 0 * t, lambda t: t),
    "flow": (lambda t: 1 - t, lambda t: t),
}
WORDS = {
    "table": ("index", "fraction", "sigma", "log-snr", "function"),
    **dict.fromkeys(("vp", "ve", "flow"), ("t", "sigma", "log-snr", "function")),
}
ANSWERS = {
    "eps": lambda y0, n, a, b: n,
    "x0": lambda y0, n, a, b: y0,
    "v": lambda y0, n, a, b: a * n - b * y0,
    "score": lambda y0, n, a, b: -n / b,
    "flow": lambda y0, n, a, b: n - y0,
    "D": lambda y0, n, a, b: y0,
}
FORMS = [
    (predicts, law, word)
    for predicts, law in product(ANSWERS, LAWS)
    for word in WORDS[law]
    if not (predicts == "v" and law in ("ve", "flow")) and not (predicts == "flow" != law)
]


def own_time(law, word, time):
    """The index or t that a word's time means."""
    if word in ("index", "t"):
        return time
    if word == "fraction":
        return (time * (len(ALPHA_BAR) - 1)).round().long()
    if word == "function":
        return (time * 1000 - 1).round().long() if law == "table" else time / 1000
    level = time if word == "sigma" else (-time / 2).exp()
    if law == "table":
        table = torch.from_numpy(np.sqrt(1 / ALPHA_BAR - 1))
        return (level.reshape(-1, 1).log() - table.log()).abs().argmin(1)
    if law == "ve":
        return level
    if law == "flow":
        return level / (1 + level)
    return ((0.01 + 2 * 19.9 * torch.log1p(level**2)).sqrt() - 0.1) / 19.9


def column(values):
    return torch.as_tensor(np.asarray(values)).reshape(-1, 1, 1, 1)


def network_of(predicts, law, word, data_range, exact=EXACT):
    """The mixture as a network of that convention, written out."""
    low, high = data_range
    half, center = (high - low) / 2, (high + low) / 2

    def network(y, time, *labels):
        assert time.shape == (len(y),)
        at = own_time(law, word, time).numpy()
        a, b = (column(part(at)) for part in LAWS[law])
        # y / a = center + half x0 + b / a n.
        seen = y if predicts == "D" else y / a
        x = (seen - center) / half
        y0 = center + half * exact(x, (b / a / half).flatten(), *labels)
        return ANSWERS[predicts](y0, (seen - y0) * a / b, a, b)

    return network


def wrapped(predicts, law, word, data_range=(-1, 1), **more):
    where = {"alpha_bar": ALPHA_BAR} if law == "table" else {"process": law}
    scale = (lambda j: (j + 1) / 1000) if law == "table" else (lambda t: t * 1000)
    network = network_of(predicts, law, word, data_range, more.pop("exact", EXACT))
    return sb.wrap(
        network, predicts=predicts, time=scale if word == "function" else word,
        data_range=data_range, shape=SHAPE, **where, **more,
    )  # fmt: skip


@pytest.mark.parametrize(("predicts", "law", "word"), FORMS, ids=lambda v: v)
def test_every_form_is_the_denoiser(predicts, law, word):
    for data_range in RANGES:
        model = wrapped(predicts, law, word, data_range)
        if law == "table":
            levels = model.levels[[0, 20, 45, 59]]
        else:
            ends = max(model.sigma_min, 1e-3), min(model.sigma_max, 80)
            levels = torch.tensor([ends[0], 0.1, 1.3, ends[1]], dtype=torch.float64)
        x = IMAGES[:4] + levels.reshape(-1, 1, 1, 1) * X
        found, wanted = model(x, levels), EXACT(x, levels)
        assert (found - wanted).abs().max() < 1e-10
        alone = model(x[1:2], float(levels[1]))
        assert (alone - wanted[1:2]).abs().max() < 1e-10
        assert torch.equal(model(x, 0.0), x)


@pytest.mark.parametrize("predicts", ["eps", "x0", "v", "score", "D"])
@pytest.mark.parametrize("data_range", RANGES, ids=str)
def test_a_table_has_its_native_terms(predicts, data_range):
    model = wrapped(predicts, "table", "index", data_range)
    for j in (0, 30, 59):
        kept = model.process.alpha_bar[j]
        level = math.sqrt((1 - kept) / kept)
        x_t = math.sqrt(kept) * IMAGES[:4] + math.sqrt(1 - kept) * X
        x0 = EXACT(x_t / math.sqrt(kept), level)
        eps = (x_t - math.sqrt(kept) * x0) / math.sqrt(1 - kept)
        assert (model.predict_x0(x_t, j)[0] - x0).abs().max() < 1e-9
        # Of images up to 255 the first level's noise is beyond 15 digits.
        assert (model.predict(x_t, j)[0] - eps).abs().max() < 1e-10 * max(1, 1 / level**2)


@pytest.mark.parametrize("sampler", ["ddim", "respaced"])
def test_native_samplers_do_not_know_the_range(sampler):
    """Noise of another unit on the same images: the table that says so gives the same samples."""
    for data_range in RANGES[1:]:
        model = wrapped("eps", "table", "index", data_range)
        table = model.process.alpha_bar
        same = sb.wrap(eps_of, predicts="eps", time="sigma", alpha_bar=table, shape=SHAPE)
        first, second = (sb.sample(m, sampler, steps=7, seeds=range(3)) for m in (model, same))
        assert (first - second).abs().max() < 1e-9


def eps_of(y, level):
    """The noise in a state that keeps the variance."""
    scale = (1 + level.square()).sqrt().reshape(-1, 1, 1, 1)
    return (y * scale - EXACT(y * scale, level)) / level.reshape(-1, 1, 1, 1)


def test_a_table_by_betas_is_one_by_alpha_bar():
    betas = np.linspace(1e-4, 0.02, 1000)
    by_name = sb.process("discrete")
    for form in (betas, betas.tolist(), torch.from_numpy(betas)):
        model = sb.wrap(eps_of, predicts="eps", time="sigma", betas=form, shape=SHAPE)
        assert np.array_equal(model.process.alpha_bar, np.cumprod(1 - betas))
    for words in (
        {"alpha_bar": by_name.alpha_bar},
        {"process": "discrete"},
        {"process": by_name},
        {"process": "discrete", "noise_schedule": "linear", "diffusion_steps": 1000},
    ):
        model = sb.wrap(eps_of, predicts="eps", time="sigma", shape=SHAPE, **words)
        assert model.process.sigmas == pytest.approx(by_name.sigmas, rel=1e-11)
        assert (model(X, 1.0) - EXACT(X, 1.0)).abs().max() > 1e-6  # between two entries
        level = float(model.levels[500])
        assert (model(X * level, level) - EXACT(X * level, level)).abs().max() < 1e-10


def test_variance_channels_lie_behind_the_noise():
    def network(y, level):
        return torch.cat([eps_of(y, level), 0 * y + 0.25], 1)

    words = {"predicts": "eps", "time": "sigma", "alpha_bar": ALPHA_BAR, "shape": SHAPE}
    model = sb.wrap(network, learn_sigma=True, **words)
    eps, v = model.predict(X, 30)
    assert torch.equal(v, torch.full_like(X, 0.25)) and eps.shape == X.shape
    assert sb.sample(model, "respaced", steps=5, seeds=[1]).isfinite().all()
    with pytest.raises(InputError, match="returns 4 channels for images of 2"):
        sb.wrap(network, **words)
    with pytest.raises(UsageError, match="learn_sigma is for predicts='eps' on a table"):
        sb.wrap(network, learn_sigma=True, **{**words, "predicts": "x0"})


@pytest.mark.parametrize("law", ["vp", "ve", "flow"])
def test_a_process_gives_the_range_and_gddim_runs_on_it(law):
    made = sb.process(law)
    for data_range in RANGES:
        half = (data_range[1] - data_range[0]) / 2
        model = wrapped("eps", law, "t", data_range)
        assert model.sigma_min == pytest.approx(made.sigma(made.t_min) / half, rel=1e-12)
        assert model.sigma_max == pytest.approx(made.sigma(made.T) / half, rel=1e-12)
        assert model.process.name == law
        ends = model.process.sigma(model.process.t_min), model.process.sigma(model.process.T)
        assert ends == pytest.approx((model.sigma_min, model.sigma_max), rel=1e-9)
    exact = ExactLinearModel(IMAGES, None, 0.2, made)
    model = wrapped("eps", law, "t")
    first, second = (sb.sample(m, "gddim", steps=6, seeds=range(3)) for m in (model, exact))
    assert (first - second).abs().max() < 1e-8
    named = sb.sample(EXACT, "gddim", steps=6, seeds=range(3), process=law)
    assert (named - first).abs().max() < 1e-8


@pytest.mark.parametrize("sampler", ["pc", "rk45", "dpm-solver-fast", "heun", "unipc", "edm"])
def test_samplers_in_levels_run_on_flow(sampler):
    """score-SDE's know no process flow, and take vp as where a model states none."""
    model = wrapped("flow", "flow", "t", (0, 1))
    words = {"rtol": 1e-2} if sampler == "rk45" else {"nfe": 42 if sampler == "pc" else 9}
    images = sb.sample(model, sampler, seeds=range(2), **words)
    assert images.shape == (2, *SHAPE) and images.isfinite().all()


def test_a_denoiser_needs_no_process():
    def network(x, sigma):
        return (EXACT(2 * x - 1, 2 * sigma) + 1) / 2

    words = {"predicts": "D", "shape": SHAPE, "data_range": (0, 1)}
    model = sb.wrap(network, sigma_min=0.01, sigma_max=40, **words)
    assert (model.sigma_min, model.sigma_max, model.process) == (0.01, 40, None)
    for sigma in (1e-3, 0.5, 100.0):
        assert (model(X, sigma) - EXACT(X, sigma)).abs().max() < 1e-10
    by_log = sb.wrap(lambda x, log: network(x, (-log / 2).exp()), time="log-snr", **words)
    assert (by_log(X, 0.5) - EXACT(X, 0.5)).abs().max() < 1e-10
    by_function = sb.wrap(
        lambda x, c: network(x, (4 * c).exp()), time=lambda sigma: sigma.log() / 4, **words
    )
    assert (by_function(X, 0.5) - EXACT(X, 0.5)).abs().max() < 1e-10
    assert by_function.sigma_max == math.inf


class Steep(LinearProcess):
    """A process of the user's own."""

    name = "steep"
    T, t_min = 1.0, 0.01

    def __init__(self, power):
        self.power = power

    def psi(self, t, s):
        return np.ones_like(np.asarray(t, dtype=float))[..., None, None, None, None]

    def R(self, t):
        return np.asarray(t, dtype=float)[..., None, None, None, None] ** self.power


OTHERS = {"cld": "cld", "bdm": "bdm", "made": sb.process("cld", beta_0=3.0), "own": Steep(2)}


@pytest.mark.parametrize("law", OTHERS.values(), ids=OTHERS)
def test_other_linear_processes(law):
    constants = {"image_size": 3} if law == "bdm" else {}
    made = sb.process(law, **constants) if isinstance(law, str) else law
    exact = ExactLinearModel(IMAGES, None, 0.2, made)

    def network(u, t):
        return exact.eps(u, float(t[0]))

    words = {"predicts": "eps", "process": law, "shape": SHAPE}
    model = sb.wrap(network, **words)
    scaled = sb.wrap(lambda u, s: network(u, s / 999), time=lambda t: t * 999, **words)
    u = torch.randn(3, made.channels, *SHAPE, dtype=torch.float64)
    for t in (0.05, 0.7):
        assert torch.equal(model.eps(u, t), exact.eps(u, t))
        assert (scaled.eps(u, t) - exact.eps(u, t)).abs().max() < 1e-10
    first, second = (sb.sample(m, "gddim", steps=4, seeds=[1, 2]) for m in (model, exact))
    assert torch.equal(first, second)
    for other, reason in (
        ({"predicts": "x0"}, "a network of process"),
        ({"data_range": (0, 1)}, "leave out data_range"),
        ({"time": "sigma"}, "use 't' or a function"),
    ):
        with pytest.raises(UsageError, match=reason):
            sb.wrap(network, **{**words, **other})


@pytest.mark.parametrize("law", ["table", "flow"])
def test_labels_and_none(law):
    def exact(x, sigma, labels):
        known = labels < 3
        assert labels.dtype == torch.int64
        by_class = CONDITIONAL(x, sigma, labels.clamp(max=2))
        return torch.where(known.reshape(-1, 1, 1, 1), by_class, EXACT(x, sigma))

    labels = torch.tensor([0, 1, 2, 2])
    model = wrapped("eps", law, "sigma", num_classes=3, null_label=3, exact=exact)
    assert model.labels_optional
    level = float(model.levels[30]) if law == "table" else 0.7
    assert (model(X, level, labels) - CONDITIONAL(X, level, labels)).abs().max() < 1e-10
    assert (model(X, level) - EXACT(X, level)).abs().max() < 1e-10
    always = wrapped("eps", law, "sigma", num_classes=3, exact=exact)
    assert not always.labels_optional
    with pytest.raises(UsageError, match="labels are missing"):
        always(X, level)
    assert sb.sample(always, "heun", steps=3, seeds=[0, 1], labels=[2, 0]).isfinite().all()
