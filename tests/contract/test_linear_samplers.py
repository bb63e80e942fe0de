"""What holds for every sampler on a linear process, on every one of these processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench import registry
from samplebench.bench import plan as planning
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.models.exact_linear import ExactLinearModel
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import apply
from samplebench.sampling.setting import prepare

LAWS = {
    "vp": sb.process("vp"),
    "ve": sb.process("ve"),
    "flow": sb.process("flow"),
    "cld": sb.process("cld"),
    "bdm": sb.process("bdm", image_size=8),
}
SAMPLERS = [entry.name for entry in registry.samplers if entry.timeline == "linear"]
SETTINGS = [
    *((name, {}) for name in SAMPLERS),
    ("gddim", {"degree": 0}),
    ("gddim", {"lam": 1.0}),
    ("gddim", {"lam": 0.5, "degree": 1, "denoise": True}),
    ("gddim", {"corrector": 2}),
    ("gddim", {"corrector": 1, "correct_last": True, "denoise": False, "ts_order": 3}),
    ("euler-maruyama", {"lam": 0.5}),
]


@pytest.fixture(params=LAWS)
def law(request):
    return LAWS[request.param]


@pytest.fixture(scope="module")
def images():
    from samplebench.embedded import load_digits

    return torch.from_numpy(load_digits()[0][:60]).double() / 127.5 - 1


def latent_shape(model):
    return prepare(model, "gddim", steps=1).timeline.latent_shape(model.shape)


@pytest.fixture
def model(law, images):
    return ExactLinearModel(images, None, 0.2, law)


@pytest.fixture(params=SETTINGS, ids=lambda s: "-".join([s[0], *map(str, s[1].values())]))
def case(request):
    return request.param


def test_counted_evaluations_are_the_planned_ones(case, model):
    (name, params), seen = case, []
    for steps in (1, 2, 6):
        seen.clear()
        x = sb.sample(model, name, steps=steps, seeds=[0, 1], callback=seen.append, **params)
        ready = prepare(model, name, steps=steps, params=dict(params))
        assert seen[-1].nfe == ready.evaluations
        assert seen[-1].t == (0.0 if ready.params["denoise"] else model.process.t_min)
        assert x.shape == (2, 1, 8, 8) and x.isfinite().all()
        by_nfe = sb.sample(model, name, nfe=ready.evaluations, seeds=[0, 1], **params)
        assert torch.equal(by_nfe, x)


def test_a_step_says_where_it_is(case, model):
    (name, params), seen = case, []
    sb.sample(model, name, steps=4, seeds=[3], callback=seen.append, **params)
    law, grid = model.process, model.process.grid(4, params.get("ts_order", 2.0))
    assert [step.t for step in seen[:4]] == grid[1:].tolist()
    for step in seen[:4]:
        assert step.u.shape == (1, law.channels, 1, 8, 8)
        assert torch.equal(step.x, law.decode(step.u))
        known = isinstance(law, Isotropic)
        assert step.sigma == pytest.approx(law.sigma(step.t)) if known else np.isnan(step.sigma)


def test_samples_depend_on_their_seeds_alone(case, model):
    name, params = case
    whole = sb.sample(model, name, steps=5, seeds=[5, 6, 7], **params)
    assert torch.equal(sb.sample(model, name, steps=5, seeds=[5, 6, 7], **params), whole)
    turned = sb.sample(model, name, steps=5, seeds=[7, 5], **params)
    assert (turned - whole[[2, 0]]).abs().max() < 1e-11


def test_many_steps_come_to_the_same_images(model):
    """Every deterministic sampler, and every degree, follows one flow."""
    seeds = range(8)
    expected = sb.sample(model, "rk45-flow", steps=150, seeds=seeds)
    for name, steps, params, bound in [
        ("gddim", 150, {}, 0.05),
        ("gddim", 150, {"degree": 3}, 0.05),
        ("gddim", 150, {"degree": 1, "corrector": 2}, 0.05),
        ("gddim", 600, {"degree": 0}, 0.25),
        ("euler-flow", 600, {"ts_order": 4 if model.process.name == "ve" else 2}, 0.5),
    ]:
        x = sb.sample(model, name, steps=steps, seeds=seeds, **params)
        distance = (x - expected).flatten(1).norm(dim=1).median().item()
        assert distance < bound, (name, params)


@pytest.mark.parametrize("steps", [1, 7])
def test_one_image_is_reached_in_one_step_of_degree_0(law, images, steps):
    """Along the flow of a single image its noise is constant, whatever the process."""
    model, seen = ExactLinearModel(images[:1], None, 0.0, law), []
    shape = latent_shape(model)
    latents = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)).double()
    words = {"latents": latents, "callback": seen.append, "degree": 0, "denoise": False}
    sb.sample(model, "gddim", steps=steps, **words)
    u = latents if law.channels == 2 else latents[:, None]
    u = u * torch.tensor(law.prior_factor).double().reshape(-1, 1, 1, 1)
    mean = law.encode(images[:1])
    noise = apply(np.linalg.inv(law.R(law.T)), u - apply(law.signal(law.T), mean))
    end = apply(law.signal(law.t_min), mean) + apply(law.R(law.t_min), noise)
    assert (seen[-1].u - end).abs().max() < 1e-9


def test_a_stochastic_step_keeps_the_law_of_one_image(law, images):
    model, n = ExactLinearModel(images[:1], None, 0.0, law), 4000
    for lam in (0.5, 1.0):
        seen = []
        sb.sample(
            model, "gddim", steps=2, seeds=range(n), callback=seen.append, degree=0, lam=lam,
            denoise=False,
        )  # fmt: skip
        away = seen[0].u - apply(law.signal(seen[0].t), law.encode(images[:1]))
        white = apply(np.linalg.inv(law.R(seen[0].t)), away)
        # What the prior is off by is still there, but small.
        assert white.mean((0, 2, 3, 4)).abs().max() < 0.1
        flat = white.transpose(0, 1).flatten(1)
        assert torch.allclose(flat @ flat.T / flat.shape[1], torch.eye(law.channels).double(),
                              atol=0.03)  # fmt: skip


@pytest.mark.parametrize(("lam", "degree"), [(0.0, 2), (0.5, 0), (1.0, 0)])
def test_the_usual_degree_is_2_without_noise_and_0_with_it(on_cld, lam, degree):
    words = {"sampler": "gddim", "steps": 5, "seeds": [0, 1], "lam": lam}
    usual, named = (sb.sample(on_cld, **words, **more) for more in ({}, {"degree": degree}))
    assert torch.equal(usual, named)


def test_final_denoising_takes_the_noise_of_t_min_away(law, images):
    model = ExactLinearModel(images[:1], None, 0.0, law)
    clean, noisy = (
        sb.sample(model, "gddim", steps=20, seeds=range(4), denoise=denoise) - images[:1]
        for denoise in (True, False)
    )
    # Euler's step on cld, as released; the others have the denoised image.
    assert clean.abs().mean() < (0.7 if law.name == "cld" else 1e-6) * noisy.abs().mean()


def test_isotropic_models_are_models_of_the_process(digits, law):
    if not isinstance(law, Isotropic):
        with pytest.raises(UsageError, match=f"process {law.name} needs a model that was trained"):
            sb.sample(digits, "gddim", steps=3, seeds=[0], process=law.name)
        return
    uncond = sb.load("digits-exact-uncond", device="cpu")
    model = ExactLinearModel(uncond.images.reshape(-1, 1, 8, 8), None, uncond.bandwidth, law)
    for params in ({}, {"lam": 1.0}, {"ts_order": 5}):
        one = sb.sample(uncond, "gddim", steps=6, seeds=[0, 1], process=law.name, **params)
        two = sb.sample(model, "gddim", steps=6, seeds=[0, 1], **params)
        assert (one - two).abs().max() < 1e-9
    u = torch.randn(2, 1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    if law.name == "vp":  # the process of a model that states none
        assert (uncond.eps(u, 0.3) - model.eps(u, 0.3)).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["digits-cld-exact", "digits-bdm-exact"])
def test_a_plan_counts_as_a_run_does(name, case):
    sampler, params = case
    request = Request.of(
        model=name, sampler=sampler, nfe=[15], param={sampler: params} if params else None
    )
    (row,) = planning.make(request).rows
    seen = []
    sb.sample(sb.load(name, device="cpu"), sampler, nfe=15, seeds=[0], callback=seen.append,
              **params)  # fmt: skip
    assert row.columns["nfe"] == seen[-1].nfe <= 15


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"rho": 7}, "steps in its process's own time; leave out rho"),
        ({"discretization": "logsnr"}, "leave out discretization"),
        ({"sigma_max": 5.0}, "leave out sigma_max"),
        ({"respacing": "ddim25"}, "leave out respacing"),
        ({"nfe": 10}, "exactly one of steps and nfe"),
        ({"ts_order": 0}, "ts_order=0 must be a number above 0"),
        ({"ts_order": "2"}, "ts_order=2 must be a number"),
        ({"process": "vpp"}, "process=vpp: the model predicts the noise of process cld"),
        ({"degree": -1}, "degree=-1: a polynomial's degree"),
        ({"degree": 1.5}, "degree=1.5: a polynomial's degree"),
        ({"corrector": "two"}, "corrector=two: a polynomial's degree"),
        ({"lam": -1.0}, "lam=-1.0: the noise"),
        ({"lam": 1.0, "corrector": 1}, "are for lam=0"),
        ({"lam": 1.0, "quadrature": "riemann"}, "are for lam=0"),
        ({"quadrature": "simpson"}, "unknown quadrature 'simpson'"),
        ({"order": 2}, "unknown parameter 'order' of sampler gddim"),
    ],
)
def test_what_is_refused(on_cld, params, message):
    with pytest.raises(UsageError) as refusal:
        sb.sample(on_cld, "gddim", steps=3, seeds=[0], **params)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_latents_have_the_states_shape(on_cld, law, images):
    model = ExactLinearModel(images, None, 0.2, law)
    good = torch.zeros(2, *latent_shape(model)).double()
    assert sb.sample(model, "gddim", steps=1, latents=good).shape == (2, 1, 8, 8)
    wrong = {
        "cld": [(2, 1, 8, 8), (2, 3, 1, 8, 8)],
        "bdm": [(2, 1, 1, 8, 8), (2, 1, 4, 4)],
    }.get(law.name, [(2, 1, 1, 8, 8)])
    for shape in wrong:
        with pytest.raises(UsageError, match=f"process {law.name} needs"):
            sb.sample(model, "gddim", steps=1, latents=torch.zeros(shape).double())


def test_pairs_that_do_not_fit(digits, on_steps, on_cld):
    for model, sampler, message in [
        (on_cld, "heun", "sampler heun needs D"),
        (on_cld, "respaced", "sampler respaced needs a discrete model"),
        (on_steps, "gddim", "sampler gddim needs a linear process in continuous time"),
    ]:
        with pytest.raises(UsageError, match=message):
            sb.sample(model, sampler, steps=3, seeds=[0])
    with pytest.raises(UsageError, match="defines no denoiser"):
        on_cld(torch.zeros(1, 1, 8, 8), 1.0)
