"""The discrete process and its native samplers against the releases, through the public API."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.adapters.openai.flags import classifier, unet
from samplebench.errors import UsageError
from samplebench.images import to_uint8
from samplebench.models.bound import Bound
from samplebench.models.guidance import ClassifierGuidance
from samplebench.models.views import DiscreteView
from samplebench.networks.preconditioning import noise_levels
from samplebench.processes.discrete import beta_schedule, discrete_process
from samplebench.processes.respacing import space_timesteps
from samplebench.samplers.respaced import log_variance_of
from samplebench.sampling.setting import prepare

GOLDENS = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens")
FOLDER = GOLDENS / "adm" / "process"
SHORT = {"lin": "linear", "cos": "cosine"}
TRAJECTORIES = sorted(
    path.stem
    for pattern in ("psample_*", "ddim_*", "guided_[!t]*")
    for path in FOLDER.glob(f"{pattern}.npz")
)


@cache
def read(name):
    """The arrays of a file, and its meta_json as a mapping."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    return arrays, json.loads(str(arrays.pop("meta_json", "{}")))


class Analytic:
    """The network and the guidance of the stored trajectories, and what they were asked."""

    num_classes = 4

    def __init__(self, meta, labelled):
        self.meta, self.labelled, self.times, self.outputs = meta, labelled, [], []
        self.grad_times, self.gradients = [], []

    def __call__(self, x, t, y):
        assert x.dtype == torch.float32
        assert t.dtype == getattr(torch, self.meta["model_timesteps_dtype"])
        assert (y is not None) is self.labelled
        (a0, a1, a2, a3), (b0, b1) = self.meta["a"], self.meta["b"]
        s = (t.float() / self.meta["model_time_divisor"]).reshape(-1, 1, 1, 1)
        g = torch.sin((s + 0.008) / 1.008 * np.pi / 2)
        c = torch.arange(3, dtype=torch.float32).reshape(1, 3, 1, 1)
        out = g * x + a0 * torch.sin(a1 * x + a2 * s + a3 * c)
        if y is not None:
            out = out + 0.1 * (y.float().reshape(-1, 1, 1, 1) - 1) * (1 - s)
        if self.meta["diffusion"].get("learn_sigma"):
            out = torch.cat([out, b0 * torch.cos(x - b1 * s + c)], dim=1)
        self.times.append(t[0].item())
        self.outputs.append(out)
        return out

    def guide(self, x, t, y):
        s = (t.float() / self.meta["model_time_divisor"]).reshape(-1, 1, 1, 1)
        y = y.float().reshape(-1, 1, 1, 1)
        gradient = self.meta["cond_scale"] * (0.5 * y - 0.5 - x) * (1 - 0.5 * s)
        self.grad_times.append(t[0].item())
        self.gradients.append(gradient)
        return gradient


class Replay:
    """The stored noise in the order of its steps; `latest` is what came last."""

    def __init__(self, noise):
        self.rows, self.drawn = torch.from_numpy(noise), 0

    def __call__(self, x):
        self.drawn += 1
        return self.rows[self.drawn - 1].to(x)


def sampler_of(meta):
    kind = meta.get("kind", meta.get("sampler"))
    if kind.startswith("ancestral"):
        return "respaced", {}
    if kind == "ddim reverse":
        return "ddim-reverse", {}
    return "ddim", {"eta": meta["eta"]}


def wrapped(arrays, meta, network, num_classes):
    return sb.wrap(
        network,
        family="guided-diffusion",
        config=meta["diffusion"],
        shape=arrays["x_init"].shape[1:],
        num_classes=num_classes,
    )


def run(arrays, meta, network, guidance=None, num_classes=0, **words):
    """The result, the steps and the noise of a stored trajectory, computed again."""
    model = wrapped(arrays, meta, network, num_classes)
    noise, taken = Replay(arrays.get("noise", np.zeros(0))), []
    name, params = sampler_of(meta)
    x = sb.sample(
        model,
        name,
        latents=torch.tensor(arrays["x_init"]),
        labels=arrays.get("y"),
        guidance=guidance,
        clip_x0=meta["clip_denoised"],
        noise=noise,
        callback=taken.append,
        **params,
        **words,
    )
    return x, taken, noise


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_trajectory(agrees, name):
    arrays, meta = read(name)
    labelled = "y" in arrays
    network = Analytic(meta, labelled)
    guidance = network.guide if "grad" in arrays else None
    x, taken, noise = run(arrays, meta, network, guidance, 4 if labelled else 0)
    steps = len(arrays["sample"])
    agrees("process: sample", torch.stack([step.x for step in taken]), arrays["sample"], 1e-5)
    assert torch.equal(taken[-1].x, x)
    agrees("process: network", torch.stack(network.outputs), arrays["model_out"], 1e-5)
    assert network.times == arrays["model_timesteps"].tolist()
    assert [step.nfe for step in taken] == list(range(1, steps + 1))
    assert taken[-1].guide_nfe == (steps if guidance else 0)
    # x0 not clipped is magnified by sigma, up to 8e4; guided it is not clipped.
    found = torch.stack([step.denoised for step in taken])
    expected = arrays["pred_xstart"]
    if not meta["clip_denoised"] or (guidance and "ddim" in name):
        found, expected = found.clip(-1, 1), expected.clip(-1, 1)
    agrees("process: x0", found, expected, 3e-5)
    if guidance:
        assert network.grad_times == arrays["grad_timesteps"].tolist()
        agrees("process: gradient", torch.stack(network.gradients), arrays["grad"], 1e-5)
    if "final_uint8" in arrays:
        pixels = to_uint8(x, "openai").permute(0, 2, 3, 1)
        agrees("process: uint8", pixels, arrays["final_uint8"], 1)
    stochastic = name.startswith(("psample", "guided_psample")) or meta.get("eta")
    assert noise.drawn == (steps if stochastic else 0)


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_each_step_by_itself(agrees, name):
    """One step from the stored state before it, so that nothing adds up."""
    arrays, meta = read(name)
    network, classes = Analytic(meta, "y" in arrays), 4 if "y" in arrays else 0
    model = wrapped(arrays, meta, network, classes)
    sampler, params = sampler_of(meta)
    setting = prepare(model, sampler, params={"clip_x0": meta["clip_denoised"], **params})
    guidance = network.guide if "grad" in arrays else None
    labels = torch.tensor(arrays["y"]) if classes else None
    view = DiscreteView(Bound(model, labels, 2, guidance=guidance), setting.timeline.process)
    before = torch.tensor(np.concatenate([arrays["x_init"][None], arrays["sample"][:-1]]))
    for i, j in enumerate(arrays["respaced_index"]):
        found = setting.solver.function(
            view,
            before[i],
            torch.tensor([j]),
            noise=lambda x, i=i: torch.tensor(arrays["noise"][i]),
            **setting.params,
        )
        agrees("process: step", found, arrays["sample"][i], 1e-5)


@pytest.mark.parametrize("name", [name for name in TRAJECTORIES if name != "psample_cos4000_r50"])
def test_mean_and_log_variance(agrees, name):
    """From the stored states and outputs; before guidance."""
    arrays, meta = read(name)
    law = discrete_process(meta["diffusion"])
    law = law.respaced(meta["diffusion"]["timestep_respacing"])
    before = np.concatenate([arrays["x_init"][None], arrays["sample"][:-1]])
    order = arrays["respaced_index"].tolist()
    assert law.timestep_map.tolist() == sorted(arrays["timestep_map"].tolist())
    for i, j in enumerate(order):
        x = torch.tensor(before[i])
        out = torch.tensor(arrays["model_out"][i])
        answer, v = out[:, :3], out[:, 3:] if law.variance == "learned" else None
        log_variance = log_variance_of(law, law.variance, j, v, x).expand(x.shape)
        agrees("process: log variance", log_variance, arrays["log_variance"][i], 1e-5)
        x0 = answer if law.predict_xstart else law.x0(j, x, answer)
        x0 = x0.clip(-1, 1) if meta["clip_denoised"] else x0
        mean = law.posterior_mean_coef1[j] * x0 + law.posterior_mean_coef2[j] * x
        if not ("ddim" in name and "grad" in arrays):  # there it is that of the guided x0
            scale = max(1.0, float(np.abs(arrays["mean"][i]).max()))
            agrees("process: mean", mean, arrays["mean"][i], 1e-6 * scale)


def test_schedules(agrees):
    arrays, _ = read("schedules")
    for key, expected in arrays.items():
        name, steps, field = key.split("_", 2)
        found = beta_schedule(name, int(steps))
        found = found if field == "betas" else np.cumprod(1 - found)
        agrees("process: schedules", found / expected, np.ones(int(steps)), 1e-12)


@pytest.mark.parametrize("key", sorted({key.split("/")[0] for key in read("respaced_tables")[0]}))
def test_respaced_tables(agrees, key):
    name, spec = key.split("_", 1)
    law = discrete_process(
        {
            "noise_schedule": SHORT[name[:3]],
            "diffusion_steps": int(name[3:]),
            "rescale_timesteps": name == "cos4000",
        }
    ).respaced("" if spec == "full" else spec.replace("-", ","))
    fields = {
        "betas": law.betas,
        "alphas_cumprod": law.alpha_bar,
        "posterior_variance": law.posterior_variance,
        "posterior_log_variance_clipped": law.posterior_log_variance,
        "posterior_mean_coef1": law.posterior_mean_coef1,
        "posterior_mean_coef2": law.posterior_mean_coef2,
        "timestep_map": law.timestep_map,
        "model_timesteps": np.array([law.t_net(j) for j in range(law.steps)]),
    }
    stored = {k.split("/")[1]: v for k, v in read("respaced_tables")[0].items()}
    assert fields.keys() == stored.keys()
    for field in fields:
        expected = read("respaced_tables")[0][f"{key}/{field}"]
        agrees("process: tables", fields[field], expected, 1e-10)


CASES = json.loads((FOLDER / "space_timesteps.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['T']}-{case['spec']}")
def test_space_timesteps(case, agrees):
    if "error" in case:
        with pytest.raises(UsageError, match="respacing '"):
            space_timesteps(case["T"], case["spec"])
    else:
        agrees("process: respacings", space_timesteps(case["T"], case["spec"]), case["steps"], 0)


# Rounding to float32 adds up along the goldens' tables, and their square roots depend on the
# processor (tests/unit/networks/test_preconditioning.py); another recipe is off by 4.8e-4 and more.
ROUNDED = 1e-5


def test_sigma_tables(agrees):
    arrays, _ = read("sigma_tables")
    for name, steps in (("cosine", 1000), ("cosine", 4000), ("linear", 1000)):
        expected = arrays[f"sigma_discrete_{name}_T{steps}"]
        law = discrete_process({"noise_schedule": name, "diffusion_steps": steps})
        agrees("process: sigma", law.sigmas / expected, np.ones(steps), 1e-9)
    for steps in (1000, 4000):
        levels, expected = noise_levels(0.001, 0.008, steps).numpy(), arrays[f"u_float32_M{steps}"]
        assert levels[-1] == expected[-1] == 0
        agrees("process: u", levels[:-1] / expected[:-1], np.ones(steps, np.float32), ROUNDED)


def tiny(case):
    """A tiny network of the goldens with its weights."""
    config = json.loads((GOLDENS / "adm" / case / "config.json").read_text(encoding="utf-8"))
    network = unet(config["family"].split("/")[0], {"image_size": 16, **config})
    return _filled(network, case), config


def _filled(network, case):
    state = torch.load(GOLDENS / "adm" / case / "model.pt", weights_only=True)
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return network.eval().requires_grad_(False)


def available(pattern):
    """Stored cases whose tiny networks are there too."""
    found = []
    for path in sorted(FOLDER.glob(pattern)):
        meta = read(path.stem)[1]
        needed = [meta[key].split("/")[-1] for key in ("network", "classifier") if key in meta]
        if all((GOLDENS / "adm" / case / "model.pt").exists() for case in needed):
            found.append(path.stem)
    return found


@pytest.mark.parametrize("name", available("edm_denoiser_*.npz"))
def test_edm_denoiser(agrees, name):
    arrays, meta = read(name)
    network, config = tiny(meta["network"].split("/")[-1])
    classes = config["architecture"].get("num_classes") or 0
    seen = []

    def recorded(x, t, y):
        seen.append((x, t))
        return network(x, t, y)

    model = sb.wrap(
        recorded,
        family=config["family"].split("/")[0],
        config={
            "noise_schedule": "cosine",
            "diffusion_steps": meta["M"],
            "learn_sigma": True,
            "rescale_timesteps": meta["network_time_is_c_noise_times"] != 1,
            "sigma_table": "edm",
        },
        shape=arrays["x"].shape[1:],
        num_classes=classes,
    )
    assert model.sigma_min == meta["sigma_min"]
    assert model.sigma_max == pytest.approx(meta["sigma_max"], rel=ROUNDED)
    x, sigma = torch.tensor(arrays["x"]), torch.tensor(arrays["sigma"])
    labels = torch.tensor(arrays["y"]) if classes else None
    rounded = model.round_sigma(sigma)
    expected = arrays["rounded_sigma"]
    relative = (rounded.numpy() - expected) / expected.clip(min=np.finfo(np.float32).tiny)
    agrees("edm denoiser", relative, np.zeros_like(relative), ROUNDED)
    atol = config["suggested_tolerance"]["atol"]
    with torch.no_grad():
        found = model(x, sigma, labels)
    (net_input, time) = seen[0]
    agrees("edm denoiser", net_input, arrays["net_input"], 1e-5)
    agrees("edm denoiser", time.float(), arrays["network_time"], 0)
    allowed = atol * arrays["sigma"].clip(min=1).reshape(-1, 1, 1, 1)
    ratio = (found.numpy() - arrays["D"]) / allowed
    agrees("edm denoiser", ratio, np.zeros_like(ratio), 1)


@pytest.mark.parametrize("name", available("guided_tinynets_*.npz"))
def test_guided_tiny_networks(agrees, name):
    arrays, meta = read(name)
    network, config = tiny(meta["network"].split("/")[-1])
    case = meta["classifier"].split("/")[-1]
    settings = json.loads((GOLDENS / "adm" / case / "config.json").read_text(encoding="utf-8"))
    judge = _filled(classifier(settings), case)
    guidance = ClassifierGuidance(judge, meta["classifier_scale"])
    classes = config["architecture"]["num_classes"]
    _, taken, _ = run(arrays, meta, network, guidance, classes)
    found = torch.stack([step.x for step in taken])
    agrees("guided networks", found, arrays["sample"], 1e-3)
    assert taken[-1].guide_nfe == taken[-1].nfe == len(arrays["sample"])


@pytest.mark.parametrize("changes", [{"respacing": "9"}, {"variance": "fixed_small"}])
def test_another_setting_would_be_seen(changes):
    arrays, meta = read("psample_cos4000_r10")
    x, _, _ = run(arrays, meta, Analytic(meta, False), **changes)
    assert np.abs(x.numpy() - arrays["sample"][-1]).max() > 1e-4
