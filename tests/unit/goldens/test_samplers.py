"""euler, heun, edm and ddim against the reference implementations, on closed-form denoisers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.models.bound import Bound
from samplebench.sampling.setting import prepare

CURVES = {
    "edm.euler": ("euler", {}),
    "edm.heun": ("heun", {}),
    "edm.midpoint_alpha0.5": ("heun", {"alpha": 1 / 2}),
    "edm.ralston_alpha2_3": ("heun", {"alpha": 2 / 3}),
    "kd.sample_lms": ("lms", {}),
    "kd.sample_dpmpp_2m": ("dpmpp-2m", {}),
    "kd.sample_dpmpp_3m_eta0": ("dpmpp-3m-sde", {"eta": 0.0}),
    "ds.euler": ("euler", {"final": "sigma_min"}),
    "ds.heun": ("heun", {"final": "sigma_min"}),
    **{f"ds.ipndm{o}": ("ipndm", {"order": o}) for o in (2, 3, 4)},
    **{f"ds.ipndm_v{o}": ("ipndm-v", {"order": o}) for o in (2, 3, 4)},
    **{f"ds.deis_rhoab{o}": ("deis", {"mode": "rhoab", "order": o}) for o in (2, 3, 4)},
    **{f"ds.deis_tab{o}": ("deis", {"order": o}) for o in (2, 3)},
    **{
        f"ds.dpmpp{o}m_lof{lof:d}": ("dpmpp-3m", {"order": o, "lower_order_final": lof})
        for o in (2, 3)
        for lof in (False, True)
    },
    **{
        f"ds.unipc{o}_{variant}_lof{lof:d}": (
            "unipc",
            {"order": o, "variant": variant, "lower_order_final": lof},
        )
        for o in (2, 3)
        for variant in ("bh1", "bh2")
        for lof in (False, True)
    },
}


def replayed(golden, case):
    """Stored noise as a function that gives the next row at every call, None without noise."""
    if case["noise"] is None:
        return None
    rows = iter(torch.tensor(golden("inputs.npz")[case["noise"]][: case["noise_rows"]]))
    return lambda x: next(rows)


def run_case(golden, mixture, case, **changes):
    """The model, the steps and the result of a case of edm.npz or ablation.npz."""
    params = {**case["params"], **changes}
    steps = params.pop("num_steps")
    sampler = params.pop("solver", "edm")
    model, taken = mixture(case["mixture"], case["net"]), []
    latents = torch.tensor(golden("inputs.npz")[case["latents"]])
    x = sb.sample(
        model,
        sampler,
        steps=steps,
        latents=latents,
        noise=replayed(golden, case),
        callback=taken.append,
        **params,
    )
    return model, taken, x


def check_case(golden, mixture, agrees, family, case):
    model, taken, x = run_case(golden, mixture, case)
    arrays = golden(case["file"])
    found = {"x": x, "eval_sigmas": model.calls}
    if "traj" in case["keys"]:
        found["traj"] = torch.stack([step.x for step in taken])
    else:
        assert case["id"].endswith(".final")
    for key, value in found.items():
        expected = arrays[case["keys"][key]]
        expected = expected[1:] if key == "traj" else expected
        agrees(family, value, expected, 1e-9 * max(1.0, np.abs(expected).max()))
    assert taken[-1].nfe == len(model.calls) == case["nfe"]


@pytest.mark.parametrize("name", ["smooth5", "image5", "tight4", "wide5", "gauss1", "tiny3"])
def test_the_denoiser_itself(golden, mixture, agrees, name):
    x, sigma, denoised = (
        golden("mixtures.npz")[f"{name}.check_{field}"] for field in ("x", "sigma", "D")
    )
    found = mixture(name)(torch.tensor(x), torch.tensor(sigma))
    agrees("denoiser", found, denoised, 1e-12 * max(1.0, np.abs(denoised).max()))


def test_the_rounding_of_the_denoiser(golden, mixture):
    schedules = golden("schedules.npz")
    model = mixture("smooth5", {"round_sigma": "iddpm_table_f32"})
    found = [model.round_sigma(sigma) for sigma in schedules["iddpm.round_in"]]
    assert found == schedules["iddpm.round_out"].tolist()


def test_edm(golden, mixture, agrees, edm_case):
    check_case(golden, mixture, agrees, "edm", edm_case)


def test_ablation(golden, mixture, agrees, ablation_case):
    check_case(golden, mixture, agrees, "ablation", ablation_case)


@pytest.mark.parametrize(
    ("case_id", "changes"),
    [
        ("edm.smooth5.det.n10.rho3", {"rho": 3.0001}),
        ("edm.smooth5.det.n9.range", {"sigma_min": 0.01001}),
        ("edm.smooth5.det.n9.range", {"sigma_max": 50.01}),
        ("edm.smooth5.stoch.window1-10.churn3.n16", {"S_churn": 3.001}),
        ("edm.smooth5.stoch.window1-10.churn3.n16", {"S_min": 2}),
        ("edm.smooth5.stoch.imagenet.n18", {"S_max": 5}),
        ("edm.smooth5.stoch.imagenet.n18", {"S_noise": 1.00301}),
        ("abl.smooth5.heun.alpha0.667.edm.vp.vp.n8", {"alpha": 0.6667}),
        ("abl.smooth5.heun.alpha0.667.edm.vp.vp.n8", {"schedule": "ve"}),
        ("abl.smooth5.heun.alpha0.667.edm.vp.vp.n8", {"scaling": "none"}),
        ("abl.smooth5.heun.alpha0.667.edm.vp.vp.n8", {"discretization": "vp"}),
        ("abl.smooth5.vp.eps1e-2.n8", {"epsilon_s": 0.01001}),
        ("abl.smooth5.iddpm.M100.n8", {"M": 101}),
        ("abl.smooth5.iddpm.C.n8", {"C_2": 0.02001}),
    ],
)
def test_a_slightly_wrong_parameter_would_be_seen(golden, mixture, case_id, changes):
    case = next(case for case in golden("index.json")["cases"] if case["id"] == case_id)
    assert changes.items() - case["params"].items()
    _, _, x = run_case(golden, mixture, case, **changes)
    expected = golden(case["file"])[case["keys"]["x"]]
    assert np.abs(x.numpy() - expected).max() > 1e-7


def clipped(model):
    return lambda x, sigma, labels: model(x, sigma, labels).clip(-1, 1)


def test_ddim(golden, mixture, agrees, ddim_case):
    params, keys = ddim_case["params"], ddim_case["keys"]
    # DDIM at eta = 1 is ancestral sampling with the small variance.
    eta = 1.0 if params["variance"] == "small" else params["eta"]
    arrays = golden("ddim.npz")
    levels = np.sqrt(1 / arrays[keys["alphas_cumprod"]] - 1)[::-1]
    model, taken = mixture(ddim_case["mixture"]), []
    latents = torch.tensor(golden("inputs.npz")[ddim_case["latents"]])
    # The reference starts from x_t = latents, that is x = latents * sqrt(1 + sigma^2).
    setting = prepare(model, "ddim", discretization=levels.tolist(), params={"eta": eta})
    x = setting.run(
        Bound(clipped(model) if params["clip_denoised"] else model, None, len(latents)),
        latents * math.sqrt(1 + levels[0] ** -2),
        replayed(golden, ddim_case),
        taken.append,
    )
    tolerance = 1e-8 if params["beta_schedule"] == "cosine" else 1e-9
    agrees("ddim", x, arrays[keys["x"]], tolerance)
    scaled = [step.x / math.sqrt(1 + step.sigma**2) for step in taken]
    agrees("ddim", torch.stack(scaled), arrays[keys["traj"]][1:], tolerance)
    agrees("ddim", taken[-1].denoised, arrays[keys["pred_xstart_last"]], tolerance)
    assert len(model.calls) == ddim_case["nfe"]


def test_native_samplers(golden, mixture, agrees, native_case):
    """The same trajectories on the steps of the discrete process, through the public functions."""
    case = native_case
    params, keys = case["params"], case["keys"]
    arrays, denoiser, taken = golden("ddim.npz"), mixture(case["mixture"]), []
    model = sb.wrap(
        lambda x, sigma: denoiser(x, sigma),
        family="alpha_bar",
        config={"noise_schedule": params["beta_schedule"], "diffusion_steps": params["T"]},
        shape=denoiser.shape,
    )
    own = {"variance": f"fixed_{params['variance']}"} if params["variance"] else {}
    x = sb.sample(
        model,
        "respaced" if own else "ddim",
        respacing=params["respacing"],
        latents=torch.tensor(golden("inputs.npz")[case["latents"]]),
        noise=replayed(golden, case),
        callback=taken.append,
        clip_x0=params["clip_denoised"],
        **(own or {"eta": params["eta"]}),
    )
    tolerance = 1e-8 if params["beta_schedule"] == "cosine" else 1e-9
    agrees("ddim native", x, arrays[keys["x"]], tolerance)
    states = torch.stack([step.x for step in taken])
    agrees("ddim native", states, arrays[keys["traj"]][1:], tolerance)
    agrees("ddim native", taken[-1].denoised, arrays[keys["pred_xstart_last"]], tolerance)
    assert len(denoiser.calls) == case["nfe"] == taken[-1].nfe


def test_ddim_through_the_public_function_draws_once_per_step(golden, mixture):
    case = next(c for c in golden("index.json")["cases"] if c["id"].endswith("cosine.10.eta0.5"))
    arrays = golden("ddim.npz")
    levels = np.sqrt(1 / arrays[case["keys"]["alphas_cumprod"]] - 1)[::-1]
    noise, drawn = replayed(golden, case), []
    x = sb.sample(
        mixture(case["mixture"]),
        "ddim",
        latents=torch.tensor(golden("inputs.npz")[case["latents"]])
        * math.sqrt(1 + levels[0] ** -2),
        discretization=levels.tolist(),
        noise=lambda x: drawn.append(1) or noise(x),
        eta=0.5,
    )
    assert np.abs(x.numpy() - arrays[case["keys"]["x"]]).max() <= 1e-8
    assert len(drawn) == case["nfe"] == 10


def convergence_cases():
    everywhere = [("smooth5", rho) for rho in (1, 3, 5, 7, 10)] + [("image5", 7), ("gauss1", 7)]
    # The others' curves at another rho are the same steps on other levels.
    slow = pytest.mark.slow
    return [
        pytest.param(name, rho, sampler, marks=() if rho == 7 or sampler[:3] == "edm" else slow)
        for name, rho in everywhere
        for sampler in CURVES
    ]


@pytest.mark.parametrize(("name", "rho", "sampler"), convergence_cases())
def test_convergence(golden, mixture, agrees, name, rho, sampler):
    (curve,) = (
        curve
        for curve in golden("convergence.json")["curves"]
        if (curve["mixture"], curve["rho"], curve["sampler"]) == (name, rho, sampler)
    )
    arrays = golden("convergence.npz")
    # diff-sampler's curves end at sigma_min; its tab coefficients are sums, which ours are not.
    end = "sigma_min" if sampler.startswith("ds.") else "0"
    latents, truth = torch.tensor(arrays["latents"]), arrays[f"{name}.truth_{end}"]
    tolerance = 1e-2 if sampler.startswith("ds.deis_tab") else 1e-6
    ours, params = CURVES[sampler]
    checked = 0
    for steps, rmse in curve["rmse"].items():
        if int(steps) > 80:
            continue
        model = mixture(name)
        x = sb.sample(model, ours, steps=int(steps), rho=rho, latents=latents, **params)
        found = math.sqrt(np.square(x.numpy() - truth).mean())
        agrees("convergence", found, rmse, tolerance * rmse)
        assert len(model.calls) == curve["nfe"][steps]
        checked += 1
    assert checked == 5


def test_orders_of_convergence(golden, mixture):
    """The slope between 40 and 80 steps: 1 for Euler, 2 for the two-stage methods."""
    arrays = golden("convergence.npz")
    latents, truth = torch.tensor(arrays["latents"]), arrays["smooth5.truth_0"]
    for sampler, order in {"euler": 1, "ddim": 1, "heun": 2, "edm": 2}.items():
        rmse = [
            np.square(
                sb.sample(mixture("smooth5"), sampler, steps=n, latents=latents).numpy() - truth
            ).mean()
            ** 0.5
            for n in (40, 80)
        ]
        assert math.log2(rmse[0] / rmse[1]) == pytest.approx(order, abs=0.2)
