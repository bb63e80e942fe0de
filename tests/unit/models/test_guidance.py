"""Guidance of a class-conditional mixture, against its densities: D = x + sigma^2 grad log p."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.exact import ExactModel
from samplebench.models.exact_linear import ExactLinearModel
from samplebench.models.guidance import ClassifierGuidance
from samplebench.models.views import DiscreteView, IsotropicView, LinearView
from samplebench.processes.linear import apply
from samplebench.registry import discretizations
from samplebench.sampling.guided import reference_guidance

SHAPE, BANDWIDTH, SCALE = (2, 4, 4), 0.3, 2.5
DRAW = torch.Generator().manual_seed(3)
IMAGES = torch.rand(12, *SHAPE, generator=DRAW, dtype=torch.float64) * 2 - 1
# Classes of unequal size: as likely as another all the same.
CLASSES = torch.tensor([0] * 6 + [1] * 4 + [2] * 2)
LABELS = torch.tensor([2, 0, 1, 1, 0])
X = IMAGES[[0, 4, 7, 9, 11]] + torch.randn(5, *SHAPE, generator=DRAW, dtype=torch.float64)
CONFIG = {"noise_schedule": "cosine", "diffusion_steps": 50}


def log_densities(x, sigma):
    """log p(x | y; sigma) but for a constant, [N, 3]."""
    apart = (x.flatten(1)[:, None] - IMAGES.flatten(1)).square().sum(2)
    each = -apart / (2 * (BANDWIDTH**2 + sigma**2))
    inside = [each[:, CLASSES == c] for c in range(3)]
    return torch.stack([part.logsumexp(1) - math.log(part.shape[1]) for part in inside], 1)


def gradient(f, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]


def given(x, sigma, labels=LABELS):
    """D of a class, by Tweedie."""
    of = labels[:, None]
    return x + sigma**2 * gradient(lambda x: log_densities(x, sigma).gather(1, of), x)


def free(x, sigma):
    """D of all classes together."""
    return x + sigma**2 * gradient(lambda x: log_densities(x, sigma).logsumexp(1), x)


def guided(x, sigma, scale=SCALE):
    base = free(x, sigma)
    return base + scale * (given(x, sigma) - base)


def conditional(images=IMAGES, classes=CLASSES, bandwidth=BANDWIDTH):
    return ExactModel(images, classes, bandwidth)


class Unconditional(ExactModel):
    """The same mixture of all classes, as a network of its own."""

    def __init__(self):
        super().__init__(IMAGES, CLASSES, BANDWIDTH)
        self.num_classes = 0


def on_steps(model, config=CONFIG):
    return sb.wrap(
        model, family="alpha_bar", config=config, shape=SHAPE, num_classes=model.num_classes
    )


def near(found, expected, bound=1e-10):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < bound * expected.abs().max().clamp(min=1)


def classifier(sigma_of):
    """log p(y | x_t) of the mixture, at the level of a step."""

    def logits(x_t, t):
        sigma = sigma_of(t).reshape(-1, 1)
        return log_densities(x_t * (1 + sigma[..., None, None] ** 2).sqrt(), sigma)

    return logits


def by_steps(process):
    table = torch.from_numpy(process.sigmas)
    return lambda t: table[t]


# D(x; sigma)


@pytest.mark.parametrize("sigma", [0.05, 0.7, 12.0])
def test_without_labels_the_mixture_of_all_classes(sigma):
    near(conditional()(X, sigma), free(X, sigma))
    near(conditional()(X, sigma, LABELS), given(X, sigma))


@pytest.mark.parametrize("sigma", [0.05, 0.7, 12.0])
@pytest.mark.parametrize("own", [True, False])
def test_cfg_of_a_denoiser(sigma, own):
    main = conditional()
    guidance = reference_guidance("cfg", main, None if own else Unconditional(), SCALE)
    near(Bound(main, LABELS, 5, guidance)(X, sigma), guided(X, sigma))


def test_autoguidance_gives_the_guide_the_same_labels():
    main, weak = conditional(), conditional(bandwidth=0.9)
    guidance = reference_guidance("auto", main, weak, 1.7)
    base = weak(X, 1.1, LABELS)
    near(Bound(main, LABELS, 5, guidance)(X, 1.1), base + 1.7 * (given(X, 1.1) - base))


def test_a_classifier_makes_the_mixture_conditional():
    """log p(y | x) is the difference of the log densities: with scale 1 D is that of the class."""
    process = sb.process("discrete", **CONFIG)
    for scale in (1.0, 2.5):
        guidance = ClassifierGuidance(
            classifier(by_steps(process)), scale, num_classes=3, process=process
        )
        for j in (0, 17, 45):
            sigma = float(process.sigmas[j])
            bound = Bound(Unconditional(), LABELS, 5, guidance)
            near(bound(X * sigma, sigma), guided(X * sigma, sigma, scale))
            assert (bound.nfe, bound.guide_nfe) == (1, 1)


@pytest.mark.parametrize("sigma", [1.0, 500.0])
def test_a_classifier_guides_a_state_in_half_precision(sigma):
    """Also above 256, whose square is infinite there."""
    process = sb.process("discrete", **CONFIG | {"diffusion_steps": 4000})
    judge = classifier(by_steps(process))
    guidance = ClassifierGuidance(lambda x, t: judge(x.double(), t), 1.0, process=process)
    x = (X * sigma).half()
    levels = torch.full((len(X),), sigma, dtype=torch.float64)
    for asked in (sigma, levels):
        found = Bound(Unconditional(), LABELS, len(X), guidance)(x, asked)
        assert found.dtype == torch.float16
        near(found.double(), given(x.double(), sigma), 0.05)


@pytest.mark.parametrize("kind", ["sigma", "discrete"])
def test_the_classifiers_labels_are_not_the_unconditional_models(kind):
    """Whatever it would make of them."""
    process, given_ones = sb.process("discrete", **CONFIG), []

    class Asked(Unconditional):
        def __call__(self, x, sigma, labels=None):
            given_ones.append(labels)
            return super().__call__(x, sigma)

    judge = classifier(by_steps(process))
    judge.process = process
    model = Asked() if kind == "sigma" else on_steps(Asked())
    sb.sample(
        model, "euler" if kind == "sigma" else "ddim", steps=3, latents=X, labels=LABELS,
        guidance="classifier", classifier=judge,
    )  # fmt: skip
    assert given_ones and set(given_ones) == {None}


# steps of a discrete process


OTHER = {"noise_schedule": "linear", "diffusion_steps": 40}


@pytest.mark.parametrize("guide", ["denoiser", "same steps", "other steps"])
@pytest.mark.parametrize("what", ["predict", "predict_x0"])
def test_cfg_on_discrete_steps(guide, what):
    main, free_one = on_steps(conditional()), Unconditional()
    other = {
        "denoiser": free_one,
        "same steps": on_steps(free_one),
        "other steps": on_steps(free_one, OTHER),
    }[guide]
    law = main.process.respaced("10")
    view = DiscreteView(Bound(main, LABELS, 5, reference_guidance("cfg", main, other, SCALE)), law)
    for j in (0, 4, 9):
        a, sigma = float(law.alpha_bar[j]), float(law.sigmas[j])
        x = X * (1 + sigma)
        base = free(x, sigma) if guide != "other steps" else other(x, sigma)
        x0 = base + SCALE * (given(x, sigma) - base)
        x_t = x * a**0.5
        expected = x0 if what == "predict_x0" else (x_t - a**0.5 * x0) / (1 - a) ** 0.5
        found, v = getattr(view, what)(x_t, j)
        near(found, expected)
        assert v is None
    assert (view.bound.nfe, view.bound.guide_nfe) == (3, 3)


def test_a_classifier_on_discrete_steps_is_the_gradient():
    main = on_steps(Unconditional())
    law = main.process.respaced("10")
    guidance = ClassifierGuidance(classifier(by_steps(main.process)), SCALE)
    view = DiscreteView(Bound(main, LABELS, 5, guidance), law)
    for j in (0, 4, 9):
        a, sigma = float(law.alpha_bar[j]), float(law.sigmas[j])
        x = X * (1 + sigma)
        # eps moves by -sqrt(1 - a) g: D by sigma^2 times the gradient in x.
        found = view.predict_x0(x * a**0.5, j)[0] + (1 - a) / a**0.5 * view.gradient(x * a**0.5, j)
        near(found, guided(x, sigma))


def test_a_classifier_of_another_process_is_told_its_own_step():
    """At the same noise level; on the model's own steps and in noise levels alike."""
    main, other, told = on_steps(Unconditional()), sb.process("discrete", **OTHER), []
    logits = classifier(by_steps(other))

    def judge(x_t, t):
        told.append(set(t.tolist()))
        return logits(x_t, t)

    guidance = ClassifierGuidance(judge, 1.0, process=other)
    j = 20
    sigma = float(main.process.sigmas[j])
    bound = Bound(main, LABELS, 5, guidance)
    DiscreteView(bound, main.process).gradient(X, j)
    bound(X, sigma)
    assert told == [{int(abs(other.sigmas - sigma).argmin())}] * 2 != [{j}] * 2


def test_a_wrapped_network_answers_without_labels_by_its_null_label():
    """On the steps of its process and in noise levels alike."""
    process = sb.process("discrete", **CONFIG)
    table, exact = torch.from_numpy(process.sigmas), conditional()

    def network(x_t, t, labels):
        sigma = table[t]
        level = sigma.reshape(-1, 1, 1, 1)
        x = x_t * (1 + level**2).sqrt()
        everyone = bool((labels == 3).all())
        return (x - exact(x, sigma, None if everyone else labels)) / level

    main = sb.wrap(
        network, predicts="eps", alpha_bar=process.alpha_bar, shape=SHAPE, num_classes=3,
        null_label=3,
    )  # fmt: skip
    bound = Bound(main, LABELS, 5, reference_guidance("cfg", main, None, SCALE))
    for j in (2, 20, 40):
        a, sigma = float(process.alpha_bar[j]), float(process.sigmas[j])
        x = X * (1 + sigma)
        near(bound(x, sigma), guided(x, sigma))
        near(DiscreteView(bound, main.process).predict_x0(x * a**0.5, j)[0], guided(x, sigma))
    found = sb.sample(main, "ddim", steps=5, **words())
    assert found.isfinite().all()


# linear processes


@pytest.mark.parametrize("name", ["vp", "ve"])
def test_cfg_of_a_denoiser_in_a_processs_time(name):
    main, process = conditional(), sb.process(name)
    view = IsotropicView(
        Bound(main, LABELS, 5, reference_guidance("cfg", main, None, SCALE)), process
    )
    t = process.T / 3
    a, s = float(process.signal(t).item()), float(process.R(t).item())
    expected = (X * s - a * guided(X * s / a, s / a)) / s
    near(view.eps((X * s)[:, None], t)[:, 0], expected)


@pytest.mark.parametrize("name", ["vp", "ve", "cld", "bdm"])
@pytest.mark.parametrize("kind", ["cfg", "auto"])
def test_guidance_of_the_noise_on_every_linear_process(name, kind):
    """eps of the guided x0, of which eps is affine: R eps = u - p x0 is what is left."""
    process = sb.process(name, **({"image_size": 4} if name == "bdm" else {}))
    main = ExactLinearModel(IMAGES, CLASSES, BANDWIDTH, process)
    weak = ExactLinearModel(IMAGES, CLASSES, 0.9, process) if kind == "auto" else None
    bound = Bound(main, LABELS, 5, reference_guidance(kind, main, weak, SCALE))
    t, noise = process.T / 3, torch.randn(5, process.channels, *SHAPE, generator=DRAW).double()
    u = apply(process.signal(t), process.encode(X)) + apply(process.R(t), noise)
    base = main.eps(u, t) if weak is None else weak.eps(u, t, LABELS)
    near(LinearView(bound, process).eps(u, t), base + SCALE * (main.eps(u, t, LABELS) - base))
    assert bound.guide_nfe == 1


def test_the_noise_without_labels_is_that_of_all_classes():
    process = sb.process("vp")
    main = ExactLinearModel(IMAGES, CLASSES, BANDWIDTH, process)
    t = process.T / 3
    a, s = float(process.signal(t).item()), float(process.R(t).item())
    near(main.eps((X * s)[:, None], t)[:, 0], (X * s - a * free(X * s / a, s / a)) / s)


# the interval


def test_an_interval_is_open_below_and_closed_above():
    main = conditional()
    guidance = reference_guidance("cfg", main, None, SCALE, (0.5, 2.0))
    for sigma, inside in ((0.49, False), (0.5, False), (0.51, True), (2.0, True), (2.01, False)):
        bound = Bound(main, LABELS, 5, guidance)
        near(bound(X, sigma), guided(X, sigma) if inside else given(X, sigma))
        assert (bound.nfe, bound.guide_nfe) == (1, int(inside))


@pytest.mark.parametrize("name", ["edm", "logsnr", "polyexponential", "time_uniform"])
def test_an_end_on_a_level_is_that_level_however_it_was_rounded(name):
    """Grids of 80 to 0.002 begin and end a few bits beside these; diffusers' are in float32."""
    levels = [*map(float, discretizations.get(name)(6))]
    low, high = (float(f"{level:.6g}") for level in (levels[-1], levels[0]))
    for dtype in (torch.float64, torch.float32):
        guidance = ClassifierGuidance(None, interval=(low, high))
        found = guidance.inside(torch.tensor(levels, dtype=dtype))
        assert found.tolist() == [*map(guidance.inside, levels)] == [True] * 5 + [False]
    main = conditional()
    counts = []
    for interval in ((low, high), (0.0, high), (low, math.inf), (levels[2], levels[1])):
        taken = []
        sb.sample(
            main, "euler", steps=6, discretization=name,
            **words(guidance_interval=interval, callback=taken.append),
        )  # fmt: skip
        counts.append(taken[-1].guide_nfe)
    assert counts == [5, 6, 5, 1]


def test_of_samples_at_levels_of_their_own_only_those_inside_get_a_pass():
    main, seen = conditional(), []

    class Seen(Unconditional):
        def __call__(self, x, sigma, labels=None):
            seen.append(sigma.tolist())
            return super().__call__(x, sigma, labels)

    guidance = reference_guidance("cfg", main, Seen(), SCALE, (0.5, 2.0))
    bound = Bound(main, LABELS, 5, guidance)
    sigmas = torch.tensor([0.2, 0.6, 3.0, 1.0, 2.0], dtype=torch.float64)
    found = bound(X, sigmas)
    for i, sigma in enumerate(sigmas.tolist()):
        expected = (guided if 0.5 < sigma <= 2 else given)(X, sigma)[i]
        near(found[i], expected)
    assert seen == [[0.6, 1.0, 2.0]]
    assert bound.further(2) == 1 and bound.further(5) == 3 and bound.guide_nfe == 3 / 5
    # And of some of the samples alone, by their rows: with the labels that are theirs.
    rows = torch.tensor([4, 1])
    part = bound(X[rows], sigmas[rows], rows)
    near(part, torch.stack([guided(X, 2.0)[4], guided(X, 0.6)[1]]))
    assert bound.further(5) == 5 and bound.guide.counts.tolist() == [0, 2, 0, 1, 2]


def test_an_interval_on_steps_and_times():
    main = on_steps(conditional())
    law = main.process
    sigma = float(law.sigmas[20])
    guidance = reference_guidance("cfg", main, Unconditional(), SCALE, (sigma / 2, sigma))
    view = DiscreteView(Bound(main, LABELS, 5, guidance), law)
    counts = []
    for j in (19, 20, 21):
        view.predict(X, j)
        counts.append(view.bound.guide_nfe)
    assert counts == [1, 2, 2]
    process = sb.process("vp")
    own = ExactLinearModel(IMAGES, CLASSES, BANDWIDTH, process)
    level = process.sigma(0.5)
    linear = Bound(own, LABELS, 5, reference_guidance("cfg", own, None, 2.0, (0.0, level * 1.0001)))
    for t in (0.49, 0.5, 0.51):
        LinearView(linear, process).eps(X[:, None], t)
    assert (linear.nfe, linear.guide_nfe) == (3, 2)


# who is to blame, and who is watched


def test_a_guide_that_is_not_finite_is_named():
    main = conditional()

    class Broken(Unconditional):
        def __call__(self, x, sigma, labels=None):
            return super().__call__(x, sigma, labels) * float("nan")

    with pytest.warns(UserWarning, match="5 of 5 samples: the guiding network was not finite"):
        sb.sample(
            main, "heun", nfe=5, latents=X, labels=LABELS, guidance="cfg", guidance_scale=2,
            guiding_model=Broken(),
        )  # fmt: skip


def test_a_guide_of_another_answer_is_named():
    def short(x, sigma, labels):
        return x[:, :1]

    short.shape = SHAPE
    with pytest.raises(UsageError, match=r"the guiding network returned \[5, 1, 4, 4\]"):
        sb.sample(
            conditional(), "euler", steps=3, latents=X, labels=LABELS, guidance="cfg",
            guidance_scale=2, guiding_model=short,
        )  # fmt: skip


@pytest.mark.parametrize("sampler", ["heun", "rk45", "gddim"])
def test_a_guide_is_not_asked_above_its_noise_levels(sampler):
    """A network that knows less noise than the steps begin with answers anything there."""

    class Low(Unconditional):
        sigma_max = 20.0

    steps = {} if sampler == "rk45" else {"steps": 6}
    reason = (
        r"guiding network has noise levels up to 20 and cannot guide at \d+.*guidance_interval 0/20"
    )
    with pytest.raises(UsageError, match=reason):
        sb.sample(conditional(), sampler, **steps, **words(guiding_model=Low()))
    found = sb.sample(
        conditional(), sampler, **steps, **words(guiding_model=Low(), guidance_interval="0/20")
    )
    assert found.isfinite().all()


def test_churn_above_the_levels_of_both_models_is_no_fault_of_the_guide():
    main, weak = conditional(), conditional(bandwidth=0.9)
    main.sigma_max = weak.sigma_max = 20.0
    how = words(guidance="auto", guiding_model=weak)
    assert sb.sample(main, "edm", steps=6, S_churn=5, **how).isfinite().all()


# sb.sample


def words(**more):
    return {"latents": X, "labels": LABELS, "guidance": "cfg", "guidance_scale": SCALE, **more}


def test_a_guided_run_is_the_run_of_the_guided_denoiser():
    class Guided(ExactModel):
        def __call__(self, x, sigma, labels=None):
            return guided(x, float(sigma))

    expected = sb.sample(
        Guided(IMAGES, CLASSES, BANDWIDTH), "heun", nfe=9, latents=X, labels=LABELS
    )
    for interval in (None, "0/inf", (0, math.inf)):
        found = sb.sample(conditional(), "heun", nfe=9, **words(guidance_interval=interval))
        near(found, expected, 1e-9)


def test_a_scale_that_moves_nothing_costs_nothing():
    alone = sb.sample(conditional(), "heun", nfe=9, latents=X, labels=LABELS)
    for more in ({"guidance_scale": 1}, {"guidance": "none", "guidance_scale": None}):
        taken = []
        found = sb.sample(conditional(), "heun", nfe=9, callback=taken.append, **words(**more))
        assert torch.equal(found, alone) and taken[-1].guide_nfe == 0


def test_labels_come_from_the_classifier_where_the_model_has_none():
    process = sb.process("discrete", **CONFIG)
    judge = classifier(by_steps(process))
    judge.process, judge.num_classes = process, 3
    given_ones = sb.sample(
        Unconditional(), "heun", nfe=9, seeds=range(6), guidance="classifier", classifier=judge
    )
    labels = {int(label) for label in range(3)}
    each = [
        sb.sample(
            Unconditional(), "heun", nfe=9, seeds=range(6), labels=label, guidance="classifier",
            classifier=judge,
        )
        for label in labels
    ]  # fmt: skip
    same = torch.stack([(given_ones == other).flatten(1).all(1) for other in each])
    assert same.any(0).all() and same.sum(1).max() < 6


def test_the_answer_of_a_model_without_guidance_asks_nobody_else():
    def never(x, sigma, labels):
        raise AssertionError("asked outside its interval")

    never.shape = SHAPE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb.sample(
            conditional(), "heun", nfe=9, **words(guiding_model=never, guidance_interval="100/200")
        )


REFUSED = [
    ({"guidance": "cgf"}, "unknown guidance 'cgf'; did you mean 'cfg'"),
    ({"guidance": 3}, "unknown guidance 'int 3'"),
    ({"guidance": None}, "guidance_scale needs guidance cfg, auto, classifier"),
    ({"guidance": "none"}, "guidance_scale needs guidance cfg, auto, classifier"),
    ({"guidance_scale": None}, "guidance cfg needs guidance_scale"),
    ({"guidance_scale": float("nan")}, "guidance_scale=nan must be a number"),
    ({"guidance_scale": float("inf")}, "guidance_scale=inf must be a number"),
    ({"guidance_scale": -1}, "guidance_scale=-1 must be a number"),
    ({"guidance_scale": "much"}, "guidance_scale=much must be a number"),
    ({"guidance_interval": "2/1"}, "guidance_interval=2/1 must be two noise levels"),
    ({"guidance_interval": "1/1"}, "guidance_interval=1/1 must be two noise levels"),
    ({"guidance_interval": (-1, 2)}, "must be two noise levels, the lower first"),
    ({"guidance_interval": (1,)}, "must be two noise levels, the lower first"),
    ({"guidance_interval": (float("nan"), 2)}, "must be two noise levels"),
    (
        {"guiding_model": "digits-exact"},
        "guiding_model str 'digits-exact' is not a model; load it with sb.load",
    ),
    ({"guidance": "auto"}, "guidance auto needs a weaker guiding_model"),
    (
        {"guidance": "auto", "guiding_model": Unconditional()},
        "is unconditional; it can be used for guidance cfg",
    ),
    ({"classifier": classifier(None)}, "guidance cfg takes no classifier"),
    ({"guidance": "classifier"}, "guidance classifier needs a classifier"),
    (
        {"guidance": "classifier", "classifier": classifier(None), "guiding_model": conditional()},
        "takes no guiding_model",
    ),
    ({"guidance": "classifier", "classifier": classifier(None)}, "does not state which steps"),
    (
        {"guiding_model": ExactLinearModel(IMAGES, None, 0.3, sb.process("vp"))},
        "predicts the noise of process vp; to guide the model it must be",
    ),
    (
        {"guiding_model": ExactModel(IMAGES[:, :1], None, 0.3)},
        r"the guiding model makes images \[1, 4, 4\] and the model \[2, 4, 4\]",
    ),
]


@pytest.mark.parametrize(("more", "reason"), REFUSED)
def test_refusals(more, reason):
    with pytest.raises(UsageError, match=reason):
        sb.sample(conditional(), "heun", nfe=9, **words(**more))


def test_models_that_cannot_be_guided():
    cases = [
        (Unconditional(), "heun", {"labels": None}, "is unconditional; give guidance auto"),
        (on_steps(conditional()), "ddim", {}, "needs an unconditional guiding_model"),
        (
            on_steps(conditional()), "ddim-reverse", {"guiding_model": Unconditional()},
            "does not support guidance: it encodes",
        ),
    ]  # fmt: skip
    for model, sampler, more, reason in cases:
        with pytest.raises(UsageError, match=reason):
            sb.sample(model, sampler, steps=5, **words(**more))
    cld = sb.process("cld")
    own = ExactLinearModel(IMAGES, CLASSES, BANDWIDTH, cld)
    latents = torch.randn(5, 2, *SHAPE, generator=DRAW, dtype=torch.float64)
    with pytest.raises(UsageError, match=r"classifier needs D\(x; sigma\)"):
        sb.sample(
            own, "gddim", steps=5, latents=latents, labels=LABELS, guidance="classifier",
            classifier=classifier(None),
        )  # fmt: skip
    other = ExactLinearModel(IMAGES, CLASSES, 0.9, sb.process("vp"))
    with pytest.raises(UsageError, match="the guiding model has process"):
        sb.sample(
            own, "gddim", steps=5, latents=latents, labels=LABELS, guidance="auto",
            guidance_scale=2, guiding_model=other,
        )  # fmt: skip
