"""Linear processes and gDDIM against the reference, on Gaussian mixtures with a closed-form eps."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dctn

import samplebench as sb
from samplebench.processes.cld import CLD
from samplebench.processes.quadrature import gauss_on_panels
from samplebench.samplers import exponential

GOLDENS = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens")
CLD_LAW, VP_LAW, BDM_LAW = sb.process("cld"), sb.process("vp"), sb.process("bdm")


@cache
def read(name):
    with np.load(GOLDENS / "gddim" / f"{name}.npz", allow_pickle=False) as archive:
        return dict(archive)


def cases(name, *endings):
    """Names of arrays with one of the endings; the repository holds only some of them."""
    return sorted(key for key in read(name) if key.endswith(endings))


def relative(found, expected):
    """Both in units of the largest entry of each expected matrix."""
    scale = np.abs(expected).max((-1, -2), keepdims=True)
    scale[scale == 0] = 1
    return found.reshape(expected.shape) / scale, expected / scale


class Cholesky(CLD):
    """CLD with K = L in place of R, the choice that gDDIM improves on."""

    def R(self, t):
        return np.linalg.cholesky(self.cov(t))


def by_gauss(law, t, t_next, nodes):
    """The coefficients' integrals as they are written, for a K that is not R."""
    tau, w = gauss_on_panels(t_next, t)
    return exponential.direct(law, t, t_next, nodes, tau, -w)


class Mixture:
    """eps of a mixture of w_k N(m_k, s_k^2) on a linear process.

    Args:
        means: float64 [K, C, H, W], encoded.
    """

    num_classes, kind = 0, "linear"

    def __init__(self, law, arrays, means):
        self.process, self.means = law, means
        self.weights, self.stds = arrays["weights"], arrays["stds"]
        self.states = []

    def eps(self, u, t, labels=None):
        self.states.append(u.numpy())
        signal, noise = self.process.signal(t)[..., 0], self.process.cov(t)
        state, logs, pulls = np.moveaxis(u.numpy(), 1, -1)[..., None], [], []
        for weight, mean, std in zip(self.weights, self.means, self.stds, strict=True):
            covariance = std**2 * signal[..., :, None] * signal[..., None, :] + noise
            away = state - (signal * mean[..., None])[..., None]
            pull = np.linalg.inv(covariance) @ away
            size = np.broadcast_to(np.linalg.slogdet(covariance)[1], mean.shape).sum()
            logs.append(np.log(weight) - size / 2 - (away * pull).sum((1, 2, 3, 4, 5)) / 2)
            pulls.append(pull)
        r = np.exp(np.array(logs) - np.max(logs, 0))
        r = (r / r.sum(0))[..., None, None, None, None, None]
        root = np.swapaxes(self.process.R(t), -1, -2)
        eps = root @ (r * np.array(pulls)).sum(0)
        return torch.from_numpy(np.moveaxis(eps[..., 0], -1, 1).copy())


def run(model, u_T, z=None, sampler="gddim", **words):
    """All states from u_T [N, D, C, H, W] on, the steps and the images."""
    law, steps = model.process, []
    factor = np.array(law.prior_factor).reshape(-1, 1, 1, 1)
    latents = torch.from_numpy(u_T / factor)
    rows = None if z is None else iter(torch.from_numpy(z.astype(np.float64)))
    x = sb.sample(
        model,
        sampler,
        latents=latents if law.channels > 1 else latents[:, 0],
        callback=steps.append,
        noise=None if rows is None else lambda x: next(rows),
        **words,
    )
    return np.stack([u_T, *(step.u.numpy() for step in steps)]), steps, x.numpy()


# the processes' tables


@pytest.mark.parametrize("key", cases("cld_tables", "_exact", "_ref", "F", "GGT", "Psi_t0"))
def test_cld_tables(agrees, key):
    arrays = read("cld_tables")
    t = arrays["t"]
    found = {
        "F": lambda: CLD_LAW.F(0.3),
        "GGT": lambda: CLD_LAW.GGT(0.3),
        "Psi_t0": lambda: CLD_LAW.psi(t, 0.0),
        "Sigma": lambda: CLD_LAW.cov(t),
        "R": lambda: CLD_LAW.R(t),
        "L": lambda: Cholesky().R(t),
    }[key.replace("_exact", "").replace("_ref", "")]()
    tolerance = 1e-7 if key.endswith("_ref") else 1e-9
    agrees("gddim processes", *relative(found, arrays[key]), tolerance)


@pytest.mark.parametrize("lam", [0, 0.5, 1])
def test_cld_transitions(agrees, lam):
    arrays, name = read("cld_tables"), f"lam{lam:g}".replace(".", "")
    for i, (s, t) in enumerate(zip(arrays["pair_s"], arrays["pair_t"], strict=True)):
        psi = CLD_LAW.psi(t, s)
        agrees("gddim processes", *relative(psi, arrays["Psi_pairs"][i]), 1e-9)
        # A step upwards adds no noise, and is integrated by nobody.
        if t < s or lam != 0.5:
            hat = CLD_LAW.psi_hat(t, s, lam)
            agrees("gddim processes", *relative(hat, arrays[f"hatPsi_{name}"][i]), 1e-9)
        if t < s and lam:
            fresh = CLD_LAW.fresh(t, s, lam)
            agrees("gddim processes", *relative(fresh, arrays[f"P_{name}"][i]), 1e-9)


def test_bdm_tables(agrees):
    arrays = read("bdm")
    if "dct_in" in arrays:
        images = torch.from_numpy(np.moveaxis(arrays["dct_in"], -1, 1).copy())
        agrees("gddim processes", BDM_LAW.encode(images), bdm_state(arrays["dct_out"]), 1e-10)
    t, (rows, columns) = arrays["tab_t"], arrays["tab_freq_idx"].T
    at = np.s_[..., rows, columns]
    assert float(arrays["sigma_blur_max"]) == BDM_LAW.sigma_blur_max
    for key, found in {
        "sampling_T": np.array(BDM_LAW.T),
        "tab_alpha": BDM_LAW.alpha_bar(t),
        "tab_std": BDM_LAW.R(t).ravel(),
        "tab_scaling": BDM_LAW.blur(t)[at],
        "tab_mean_coef": BDM_LAW.signal(t)[..., 0, 0][at],
    }.items():
        agrees("gddim processes", found, arrays[key], 1e-10)
    for key, found in {"tab_F": BDM_LAW.F(t), "tab_G2": BDM_LAW.GGT(t)}.items():
        agrees("gddim processes", found[..., 0, 0][at] / arrays[key], np.ones((12, 8)), 1e-6)


@pytest.mark.parametrize("key", cases("cld_trajectories", "probe_eps_R", "probe_eps_L"))
def test_the_mixture_on_cld(key):
    arrays = read("cld_trajectories")
    law = Cholesky() if key.endswith("L") else CLD_LAW
    model = Mixture(law, arrays, arrays["means"][:, None, None, :])
    for t, u, expected in zip(arrays["probe_t"], arrays["probe_u"], arrays[key], strict=True):
        found = model.eps(torch.from_numpy(cld_state(u)), float(t)).numpy()
        assert np.abs(found - cld_state(expected)).max() < 1e-6 * np.abs(expected).max()


# coefficients


def padded(coefficients, count):
    """[steps, count, D, D]; nodes that the first steps lack are 0."""
    wide = [np.pad(c[:, 0, 0], ((0, count - len(c)), (0, 0), (0, 0))) for c in coefficients]
    return np.stack(wide)


@pytest.mark.parametrize("key", cases("cld_coefs", "_exact", "_ref"))
def test_cld_coefficients(agrees, monkeypatch, key):
    arrays = read("cld_coefs")
    grid, power, degree, kind, rule = key.split("_")
    times, expected = arrays[f"{grid}_{power}_t"], arrays[key]
    law = CLD_LAW
    agrees("gddim coefficients", law.grid(int(grid[1:]), float(power[1:])), times, 1e-12)
    if kind == "predL":
        law = Cholesky()
        monkeypatch.setattr(exponential, "by_parts", by_gauss)
    make = exponential.corrector if kind == "corr" else exponential.predictor
    quadrature = "exact" if rule == "exact" else "riemann"
    made = make(law, tuple(times.tolist()), int(degree[1:]), quadrature)
    found = relative(padded(made, expected.shape[1]), expected)
    agrees("gddim coefficients", *found, 1e-8 if rule == "exact" else 1e-5)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_stochastic_coefficients(agrees, degree):
    arrays = read("cld_sto_multistep")
    times, lam = tuple(arrays["t"].tolist()), float(arrays["lam"])
    made = exponential.stochastic(CLD_LAW, times, degree, lam)
    expected = arrays[f"q{degree}_eps_coef_exact"]
    agrees("gddim coefficients", padded(made, degree + 1), expected, 1e-7)
    for i in range(len(times) - 1):
        fresh = CLD_LAW.fresh(times[i + 1], times[i], lam)[0, 0]
        agrees("gddim coefficients", fresh, arrays["P"][i], 1e-7)


# trajectories on CLD


def cld_state(array):
    """[..., d, 2] as [..., 2, 1, 1, d]."""
    return np.moveaxis(array, -1, -2)[..., :, None, None, :]


def cld_mixture(law=CLD_LAW, name="cld_trajectories"):
    arrays = read(name)
    return Mixture(law, arrays, arrays["means"][:, None, None, :]), cld_state(arrays["u_T"])


def trajectories(*kinds):
    found = cases("cld_trajectories", "_states_exact", "_states_ref")
    return [key for key in found if key.split("_")[0] in kinds]


@pytest.mark.parametrize("key", trajectories("det", "detL"))
def test_deterministic_trajectories(agrees, monkeypatch, key):
    arrays = read("cld_trajectories")
    kind, nfe, degree, power, denoise, _, rule = key.split("_")
    nfe, degree = int(nfe[3:]), int(degree[1:])
    if kind == "detL":
        monkeypatch.setattr(exponential, "by_parts", by_gauss)
    model, u_T = cld_mixture(Cholesky() if kind == "detL" else CLD_LAW)
    states, steps, x = run(
        model,
        u_T,
        nfe=nfe,
        degree=degree,
        ts_order=float(power[1:]),
        denoise=denoise == "den1",
        quadrature="riemann" if rule == "ref" else "exact",
    )
    tolerance = 1e-5 if rule == "ref" or degree == 3 else 1e-6
    agrees("gddim trajectories", states, cld_state(arrays[key]), tolerance)
    assert steps[-1].nfe == nfe
    if rule == "ref":
        image = arrays[key.replace("states", "x01")]
        agrees("gddim trajectories", (x[:, 0, 0] + 1) / 2, image, tolerance)


@pytest.mark.parametrize("key", trajectories("pc", "pcfull"))
def test_predictor_corrector(agrees, key):
    arrays = read("cld_trajectories")
    kind, count, degree, corrector = key.split("_")[:4]
    model, u_T = cld_mixture()
    words = {"steps": int(count[1:]), "degree": int(degree[1:]), "corrector": int(corrector[1:])}
    states, steps, _ = run(model, u_T, correct_last=kind == "pcfull", denoise=False, **words)
    agrees("gddim trajectories", states, cld_state(arrays[key]), 1e-6)
    predicted = np.stack(model.states[1::2])
    expected = cld_state(arrays[key.replace("states", "pred")])
    agrees("gddim trajectories", predicted, expected, 1e-6)
    assert steps[-1].nfe == len(model.states) == arrays[key.replace("states_exact", "nfe")]


@pytest.mark.parametrize("key", trajectories("sto"))
def test_stochastic_trajectories(agrees, key):
    arrays, stem = read("cld_trajectories"), key.removesuffix("_states_exact")
    _, count, lam, _ = stem.split("_")
    lam = float(lam[3:])
    model, u_T = cld_mixture()
    # Without noise only the other way of writing degree 0 is left.
    z = cld_state(arrays[f"{stem}_z"]) if lam else None
    words = {"steps": int(count[1:]), "degree": 0, "lam": lam, "denoise": False}
    states, _, _ = run(model, u_T, z, **words)
    agrees("gddim trajectories", states, cld_state(arrays[key]), 1e-6)


@pytest.mark.parametrize(
    ("name", "degree", "corrector"),
    [*((f"pred_q{q}", q, None) for q in range(4)), ("pc_q1c1", 1, 1), ("pc_q2c2", 2, 2)],
)
def test_convergence(agrees, name, degree, corrector):
    arrays = read("cld_convergence")
    model, u_T = cld_mixture(name="cld_convergence")
    for steps, final, error in zip(
        arrays["N"], arrays[f"{name}_final"], arrays[f"{name}_maxerr"], strict=False
    ):
        words = {"degree": degree, "corrector": corrector, "denoise": False}
        states, _, _ = run(model, u_T, steps=int(steps), **words)
        agrees("gddim trajectories", states[-1], cld_state(final), 1e-6)
        off = np.abs(states[-1] - cld_state(arrays["ode_final_at_eps"])).max()
        assert off == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("name", ["cld_convergence", "cld_trajectories"])
def test_runge_kutta_ends_at_the_solution(agrees, name):
    model, u_T = cld_mixture(name=name)
    states, _, _ = run(model, u_T, sampler="rk45-flow", steps=400, denoise=False)
    agrees("linear baselines", states[-1], cld_state(read(name)["ode_final_at_eps"]), 1e-6)


# VP: DDIM and tAB-DEIS


def vp_state(array):
    """[..., d] as [..., 1, 1, 1, d]."""
    return array[..., None, None, None, :]


@pytest.mark.parametrize("key", cases("vp_isotropic", "p2_states", "p1_states"))
def test_vp(agrees, key):
    arrays, stem = read("vp_isotropic"), key.removesuffix("_states")
    kind, count, third, *rest = stem.split("_")
    words = {"steps": int(count[1:]), "ts_order": float(rest[-1][1:]), "degree": 0}
    if kind == "sto":
        words["lam"] = float(third[3:])
    else:
        words["degree"] = int(third[1:])
    if kind == "pc":
        words["corrector"] = int(rest[0][1:])
    law = sb.process("vp", beta_min=float(arrays["beta_min"]))
    model = Mixture(law, arrays, arrays["means"][:, None, None, :])
    z = vp_state(arrays[f"{stem}_z"]) if kind == "sto" else None
    states, steps, _ = run(model, vp_state(arrays["x_T"]), z, **words)
    agrees("gddim trajectories", states, vp_state(arrays[key]), 1e-9)
    agrees("gddim trajectories", [1.0, *(step.t for step in steps)], arrays[f"{stem}_t"], 1e-12)
    if f"{stem}_ddim_states" in arrays:
        assert np.abs(states - vp_state(arrays[f"{stem}_ddim_states"])).max() < 1e-12
    if f"{stem}_nfe" in arrays:
        assert steps[-1].nfe == arrays[f"{stem}_nfe"]
    for name, make in (("pred", exponential.predictor), ("corr", exponential.corrector)):
        if f"{stem}_{name}_coef" in arrays:
            expected = arrays[f"{stem}_{name}_coef"]
            made = make(law, tuple(arrays[f"{stem}_t"].tolist()), expected.shape[1] - 1, "exact")
            found, scale = padded(made, expected.shape[1])[..., 0, 0], np.abs(expected).max()
            agrees("gddim coefficients", found / scale, expected / scale, 1e-9)


# blurring


def bdm_state(array):
    """[..., H, W, C] as [..., 1, C, H, W]."""
    return np.moveaxis(array, -1, -3)[..., None, :, :, :]


def bdm_mixture():
    arrays = read("bdm")
    means = dctn(np.moveaxis(arrays["means"], -1, 1), axes=(2, 3), norm="ortho")
    return Mixture(BDM_LAW, arrays, means)


def bdm_run(**words):
    return run(bdm_mixture(), bdm_state(read("bdm")["y_T"]), **words)


def test_the_mixture_on_bdm():
    arrays, model = read("bdm"), bdm_mixture()
    for i, t in enumerate(arrays["probe_t"]):
        found = model.eps(torch.from_numpy(bdm_state(arrays["probe_y"][i])), float(t)).numpy()
        expected = bdm_state(arrays["probe_yeps"][i])
        assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("key", cases("bdm", "_x01_ref"))
def test_bdm_released_sampler(agrees, key):
    arrays, stem = read("bdm"), key.removesuffix("_x01_ref")
    nfe = int(stem.split("_")[1][3:])
    states, steps, x = bdm_run(nfe=nfe, degree=0)
    assert steps[-1].nfe == nfe
    agrees("gddim trajectories", (x + 1) / 2, bdm_state(arrays[key])[:, 0], 1e-10)
    agrees("gddim trajectories", BDM_LAW.grid(nfe), arrays[f"{stem}_t"], 1e-12)
    if f"{stem}_states_y" in arrays:
        kept = states if nfe <= 10 else states[::5]
        agrees("gddim trajectories", kept, bdm_state(arrays[f"{stem}_states_y"]), 1e-10)


@pytest.mark.parametrize("key", cases("bdm", "q1_p2_states_y", "q2_p2_states_y", "1.0_p2_states_y"))
def test_bdm_multistep_and_noise(agrees, key):
    arrays, stem = read("bdm"), key.removesuffix("_states_y")
    kind, nfe, third, _ = stem.split("_")
    nfe = int(nfe[3:])
    if kind == "sto":
        z = bdm_state(arrays[f"{stem}_z"])
        states, _, _ = bdm_run(z=z, nfe=nfe, degree=0, lam=float(third[3:]))
    else:
        states, _, _ = bdm_run(nfe=nfe, degree=int(third[1:]))
    kept = states if kind == "multi" and nfe <= 6 else states[[1, nfe // 2, nfe]]
    agrees("gddim trajectories", kept, bdm_state(arrays[key]), 1e-6)


@pytest.mark.parametrize("key", cases("bdm", "_coef_at_freq_idx"))
def test_bdm_coefficients(agrees, key):
    arrays = read("bdm")
    _, nfe, degree = key.split("_")[:3]
    rows, columns = arrays["tab_freq_idx"].T
    times = tuple(BDM_LAW.grid(int(nfe[3:])).tolist())
    made = exponential.predictor(BDM_LAW, times, int(degree[1:]), "exact")
    for found, expected in zip(made, arrays[key], strict=True):
        at = found[:, rows, columns, 0, 0]
        agrees("gddim coefficients", at, expected[: len(at)], 1e-6)
        assert not expected[len(at) :].any()
