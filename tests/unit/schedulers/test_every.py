"""Every scheduler that diffusers ships: right on normal data, or refused in one line."""

from __future__ import annotations

import importlib.util
import math

import pytest
import torch

import samplebench as sb
from samplebench.errors import EnvironmentError_, UsageError
from samplebench.sampling.setting import prepare
from tests.unit.schedulers.normal import MEAN, STD, Normal

pytest.importorskip("diffusers")

from samplebench.schedulers.classes import scheduler_class
from samplebench.schedulers.package import names

# What is no sampler of a denoiser, and what the line says of it.
# Some old ones are there after all where transformers is installed, too.
REFUSED = {
    "AmusedScheduler": "cannot be made without mask_token_id",
    "BlockRefinementScheduler": "does not say what its network predicts",
    "CogVideoXDPMScheduler": "its step needs old_pred_original_sample, timestep_back",
    "ConsistencyDecoderScheduler": "decodes latents",
    "DDIMInverseScheduler": "goes from images to noise",
    "DDPMWuerstchenScheduler": "does not say what its network predicts",
    "DPMSolverMultistepInverseScheduler": "goes from images to noise",
    "DiscreteDDIMScheduler": "does not say what its network predicts",
    "EntropyBoundScheduler": "does not say what its network predicts",
    "HeliosDMDScheduler": "stages of several sizes",
    "HeliosScheduler": "stages of several sizes",
    "KarrasVeScheduler": "no longer has it|its step needs sigma_hat",
    "LTXEulerAncestralRFScheduler": "does not say what its network predicts",
    "PiflowScheduler": "outputs a policy",
    "RFD4ProteinaScheduler": "cannot be made without schedule_mode",
    "RePaintScheduler": "its step needs original_image, mask",
    "SCMScheduler": "TrigFlow",
    "ScoreSdeVeScheduler": "has no step",
    "ScoreSdeVpScheduler": "no longer has it|it has no step",
    "VQDiffusionScheduler": "cannot be made without num_vec_classes",
}
NEEDS_TORCHSDE = {"CosineDPMSolverMultistepScheduler", "DPMSolverSDEScheduler"}
# Of theirs D is the end of the ODE, and noise is added anew to it: with a denoiser the images
# have less spread, for which there is a recursion. TCD adds less than all of it.
RENOISED = {"CMStochasticIterativeScheduler", "FlowMatchLCMScheduler", "LCMScheduler"}
# Their tables, or their integrals, alone take a second.
LONG = {"KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler"}
RUN = [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
    for name in names()
    if name not in {*REFUSED, *NEEDS_TORCHSDE}
]


def setting(name, steps, **params):
    return prepare(Normal(), f"diffusers:{name}", steps=steps, params=params)


def sampled(name, steps, **given):
    """Samples, and the evaluations that were counted."""
    seen = []
    x = sb.sample(Normal(), f"diffusers:{name}", steps=steps, callback=seen.append, **given)
    return x, seen[-1].nfe


def draws(name):
    """Whether it draws noise with its defaults."""
    made = setting(name, 8)
    return made.solver.stochastic(made.params)


def error(name, steps, **params):
    """How far a deterministic one ends from the exact state, from two deviations down to two up."""
    made = setting(name, steps, **params)
    latents = torch.linspace(-2, 2, 5, dtype=torch.float64).reshape(-1, 1, 1, 1)
    x, nfe = sampled(name, steps, latents=latents, noise=never, **params)
    assert nfe == made.evaluations
    first, last = made.timeline.levels[[0, -1]]
    start = made.timeline.start(latents)
    shrunk = math.sqrt((STD**2 + last**2) / (STD**2 + first**2))
    return (x - MEAN - (start - MEAN) * shrunk).abs().max().item()


def converges(name, few, many, **params):
    """Four times the steps halve the error, down to what the two ends leave."""
    coarse, fine = error(name, few, **params), error(name, many, **params)
    assert fine < 0.1
    # The last step, into 0, is Euler's; one that begins without any image begins beside it here.
    last = [level for level in setting(name, many, **params).timeline.own if level][-1]
    assert fine < max(0.5 * coarse, 2e-3 + last**2 / STD)


def never(x):
    raise AssertionError("a deterministic sampler drew noise")


@pytest.mark.parametrize("name", sorted(REFUSED.keys() & set(names())))
def test_no_sampler_of_images_is_refused_in_one_line(name):
    with pytest.raises(UsageError, match=f"diffusers:{name}") as refused:
        setting(name, 8)
    assert any(why in str(refused.value) for why in REFUSED[name].split("|"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", sorted(NEEDS_TORCHSDE))
def test_what_needs_another_package_says_which(name, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torchsde" else find_spec(name)
    )
    with pytest.raises(EnvironmentError_, match=r"needs .*torchsde.*: pip install") as refused:
        scheduler_class(name)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("name", RUN)
def test_it_ends_where_the_flow_does(name):
    """A wrong convention misses by more than a deviation, whatever the number of steps."""
    if draws(name):
        steps = 40
        x, nfe = sampled(name, steps, seeds=range(150))
        assert nfe == setting(name, steps).evaluations
        spread = expected_spread(name, steps)
        assert abs(x.mean().item() - MEAN) < 0.05
        assert abs(x.std().item() / spread - 1) < 0.25
    else:
        converges(name, 30, 120)


def expected_spread(name, steps):
    """Of the images."""
    if name not in RENOISED:
        return STD
    made = setting(name, steps).timeline
    first, *others = made.levels.tolist()
    kept = made.factor**2 * (STD**2 / (STD**2 + first**2)) ** 2
    for level in others:
        if level > (0.002 if name.startswith("CM") else 0) * (1 + 1e-6):
            kept = (kept + level**2) * (STD**2 / (STD**2 + level**2)) ** 2
    return math.sqrt(kept)


@pytest.mark.parametrize("name", RUN)
def test_a_sample_is_its_seed(name):
    alone = sampled(name, 6, seeds=[5])[0]
    among = sampled(name, 6, seeds=[4, 5, 6])[0]
    torch.testing.assert_close(among[1:2], alone, rtol=0, atol=1e-6)
    assert (among[0] - among[1]).abs() > 1e-4


FLOW = {"prediction_type": "flow_prediction"}
# Other configurations, as far as they change what a state is, what is predicted or what is drawn.
FEW = [
    ("DDIMScheduler", {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}),
    ("DDIMScheduler", {"prediction_type": "sample", "set_alpha_to_one": False}),
    ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True, **FLOW}),
    ("EDMEulerScheduler", {"sigma_max": 40.0, "rho": 5.0, "final_sigmas_type": "sigma_min"}),
]
MORE = [
    ("DDIMScheduler", {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "trailing"}),
    (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
    ),
    ("EDMEulerScheduler", {"prediction_type": "v_prediction", "sigma_schedule": "exponential"}),
    ("EulerDiscreteScheduler", {"prediction_type": "v_prediction", "timestep_spacing": "leading"}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"}),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    ("HeunDiscreteScheduler", {"use_karras_sigmas": True, "prediction_type": "v_prediction"}),
    ("KDPM2DiscreteScheduler", {"use_karras_sigmas": True}),
    ("LMSDiscreteScheduler", {"use_exponential_sigmas": True}),
    ("PNDMScheduler", {"skip_prk_steps": True, "prediction_type": "v_prediction"}),
    ("UniPCMultistepScheduler", {"predict_x0": False, "final_sigmas_type": "sigma_min"}),
    ("UniPCMultistepScheduler", {"use_flow_sigmas": True, **FLOW}),
    (
        "UniPCMultistepScheduler",
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    ),
]
OTHER = [*FEW, *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE)]


@pytest.mark.parametrize(("name", "params"), OTHER)
def test_other_configurations_end_there_too(name, params):
    converges(name, 15, 60, **params)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("DDIMScheduler", {"eta": 1.0}),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("EulerDiscreteScheduler", {"s_churn": 10.0}),
        ("SASolverScheduler", {"use_karras_sigmas": True}),
    ],
)
def test_noise_is_found_in_a_configuration(name, params):
    made = setting(name, 40, **params)
    assert made.solver.stochastic(made.params)
    x, _ = sampled(name, 40, seeds=range(100), **params)
    assert abs(x.std().item() / STD - 1) < 0.25


def test_levels_that_go_up_are_refused():
    with pytest.raises(UsageError, match="FlowMatchEulerDiscreteScheduler"):
        setting("FlowMatchEulerDiscreteScheduler", 8, invert_sigmas=True)
