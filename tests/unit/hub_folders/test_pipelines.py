"""A folder gives through samplebench what diffusers' own pipelines and loops give of it."""

from __future__ import annotations

from itertools import product

import diffusers
import pytest
import torch

import samplebench as sb
from samplebench.errors import EnvironmentError_
from samplebench.processes.diffusers import EDMS, TABLES
from samplebench.registry import samplers
from samplebench.schedulers.bridge import generators
from tests.unit.hub_folders.folders import looped, saved, scheduler, unet

N, STEPS = 2, 10
LAWS = {
    "linear-eps": {},
    "cosine-v": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    "scaled-x0": {"beta_schedule": "scaled_linear", "prediction_type": "sample"},
    # All of whose steps are taken, the first without any image in it.
    "zero-snr": {
        "num_train_timesteps": STEPS,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
    },
    "own-betas": {
        "num_train_timesteps": 3 * STEPS,
        "trained_betas": [0.001 * (1 + i) for i in range(3 * STEPS)],
    },
}
SIGMOID = {"beta_schedule": "sigmoid", "prediction_type": "v_prediction"}


def some(cases, fast):
    """All of them as parameters; those that are not named are slow."""
    return [case if case in fast else pytest.param(*case, marks=pytest.mark.slow) for case in cases]


def drawn(seed, dtype=torch.float32):
    return torch.randn(N, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def images(x):
    """As pipelines make them of their last state."""
    return (x / 2 + 0.5).clamp(0, 1)


def pipeline_images(kind, network, own, monkeypatch, latents, noises=(), **how):
    """The images of a pipeline whose noise is given: its latents, then a draw a step."""
    source = iter([latents, *noises])
    homes = ("pipelines.ddim.pipeline_ddim", "pipelines.ddpm.pipeline_ddpm")
    for home in (*homes, "schedulers.scheduling_ddim", "schedulers.scheduling_ddpm"):
        place = f"diffusers.{home}.randn_tensor"
        monkeypatch.setattr(place, lambda shape, **words: next(source).clone())
    made = getattr(diffusers, kind)(network, own)
    made.set_progress_bar_config(disable=True)
    found = made(batch_size=N, num_inference_steps=STEPS, output_type="pt", **how).images
    monkeypatch.undo()
    return found


@pytest.mark.parametrize(
    ("law", "eta"),
    some(product(LAWS, (0.0, 0.7)), [("linear-eps", 0.0), ("cosine-v", 0.7), ("zero-snr", 0.0)]),
)
def test_ddim_on_the_steps_of_the_folder_is_ddim_s_pipeline(tmp_path, monkeypatch, law, eta):
    network, own, x = unet(), scheduler("DDIM", **LAWS[law]), drawn(1)
    noises = [drawn(10 + i) for i in range(STEPS)]
    how = {"eta": eta, "use_clipped_model_output": True}
    wanted = pipeline_images("DDIMPipeline", network, own, monkeypatch, x, noises, **how)
    source = iter(noises)
    model = sb.load(saved(tmp_path, network, own), format="diffusers")
    found = sb.sample(
        model, "ddim", respacing=f"ddim{STEPS}", latents=x, eta=eta, noise=lambda x: next(source)
    )
    torch.testing.assert_close(images(found), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("law", "variance"),
    some(
        product((*LAWS, "sigmoid"), ("fixed_small", "fixed_large")),
        [("linear-eps", "fixed_small"), ("sigmoid", "fixed_large")],
    ),
)
def test_respaced_is_ddpm_s_pipeline(tmp_path, monkeypatch, law, variance):
    words = {**LAWS, "sigmoid": SIGMOID}[law]
    network, own = unet(1), scheduler("DDPM", **words, variance_type=variance)
    x, noises = drawn(2), [drawn(20 + i) for i in range(STEPS)]
    wanted = pipeline_images("DDPMPipeline", network, own, monkeypatch, x, noises)
    source = iter(noises)
    model = sb.load(saved(tmp_path, network, own, root=True))
    found = sb.sample(
        model, "respaced", respacing=f"ddim{STEPS}", latents=x, noise=lambda x: next(source)
    )
    torch.testing.assert_close(images(found), wanted, rtol=0, atol=1e-5)


class Wide:
    """A network of float32 for a loop whose state is in float64."""

    def __init__(self, network):
        self.network = network

    def __call__(self, x, t):
        answer = self.network(x.float(), t)
        answer.sample = answer.sample.to(x)
        return answer


@pytest.mark.parametrize(
    ("name", "law"),
    some(
        product(("DDIM", "DDPM"), [law for law in LAWS if "zero" not in law]),
        [("DDIM", "linear-eps"), ("DDPM", "cosine-v")],
    ),
)
def test_the_pipeline_s_own_scheduler_is_a_sampler_on_the_folder(tmp_path, name, law):
    network, own, x, fresh = unet(2), scheduler(name, **LAWS[law]), drawn(3).double(), drawn(4)
    wanted = looped(Wide(network), own, x, STEPS, generators(fresh))
    model = sb.load(saved(tmp_path, network, own))
    found = sb.sample(
        model,
        f"diffusers:{name}Scheduler",
        steps=STEPS,
        latents=x,
        noise=lambda x: fresh.to(x),
        **LAWS[law],
    )
    torch.testing.assert_close(images(found), images(wanted), rtol=0, atol=1e-6)


# Their last state is not the image but one that has a little noise left, which samplebench takes
# as x0 + sigma n; and stages between two steps have times of their own.
SCALED = ("PNDM", "DEISMultistep", "SASolver")
BETWEEN = ("KDPM2Discrete", "KDPM2AncestralDiscrete")


@pytest.mark.parametrize(
    ("name", "predicts"),
    some(
        product([n for n in (*TABLES, *EDMS) if n not in BETWEEN], ("epsilon", "v_prediction")),
        [("UniPCMultistep", "v_prediction"), ("EDMEuler", "epsilon")],
    ),
)
def test_every_scheduler_s_file_says_what_its_loop_asks(tmp_path, name, predicts):
    try:
        samplers.entry(f"diffusers:{name}Scheduler")
    except EnvironmentError_ as error:
        pytest.skip(str(error))
    words = {"prediction_type": predicts}
    if "timestep_spacing" in scheduler(name).config:
        words["timestep_spacing"] = "trailing"  # whole steps of the table
    own, network, x, fresh = scheduler(name, **words), unet(3), drawn(5).double(), drawn(6)
    model = sb.load(saved(tmp_path, network, own))
    torch.manual_seed(0)
    wanted = looped(Wide(network), own, x, STEPS, generators(fresh))
    torch.manual_seed(0)
    found = sb.sample(
        model,
        f"diffusers:{name}Scheduler",
        steps=STEPS,
        latents=x,
        noise=lambda x: fresh.to(x),
        **words,
    )
    if name in SCALED:
        found = found * float(own.alphas_cumprod[0]) ** 0.5
    # Random answers of "epsilon" grow to hundreds.
    assert (found - wanted).abs().max() <= 1e-6 * wanted.abs().max().clamp(min=1)
