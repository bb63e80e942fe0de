"""Shared by all tests: golden numbers, a denoiser in closed form, and the score of the goldens."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from functools import cache
from pathlib import Path

# The arrays of these tests are small: a second thread would only wait for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

GOLDENS = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parent / "goldens")
torch.set_num_threads(1)
# A test that takes one of these arguments runs once per case of the file, or per each that is fit.
CASES = {
    "edm_case": ("edm.npz", None),
    "ablation_case": ("ablation.npz", None),
    # Ancestral sampling with the large variance is no DDIM.
    "ddim_case": ("ddim.npz", lambda case: case["params"].get("variance") != "large"),
    "native_case": ("ddim.npz", None),
    "multistep_case": ("multistep.npz", None),
    "deis_case": ("multistep.npz", lambda case: "coeffs" in case["keys"]),
    "kdiffusion_case": ("kdiffusion.npz", None),
    "dpmsolver_case": ("dpmsolver.npz", None),
    "pc_case": ("scoresde.npz", lambda case: case["sampler"] == "PC"),
    "rk45_case": ("scoresde.npz", lambda case: case["sampler"] == "RK45"),
}


@cache
def read(name: str):
    """A file of GOLDENS/samplers, its arrays read-only."""
    path = GOLDENS / "samplers" / name
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


# How many a test of random damage tries.
MUTATIONS = (100, pytest.param(2000, marks=pytest.mark.slow))


def pytest_generate_tests(metafunc):
    if "mutations" in metafunc.fixturenames:
        metafunc.parametrize("mutations", MUTATIONS)
    for argument in CASES.keys() & set(metafunc.fixturenames):
        file, fit = CASES[argument]
        found = [case for case in read("index.json")["cases"] if case["file"] == file]
        found = [case for case in found if fit is None or fit(case)]
        metafunc.parametrize(argument, found, ids=[case["id"] for case in found])


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory):
    """No test sees what the user has fetched or set."""
    patch = pytest.MonkeyPatch()
    for name in ("MIRROR", "OFFLINE"):
        patch.delenv(f"SAMPLEBENCH_{name}", raising=False)
    patch.setenv("SAMPLEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def goldens() -> Path:
    """The root of the golden numbers; SAMPLEBENCH_GOLDENS replaces the repository's own."""
    return GOLDENS


@pytest.fixture(scope="session")
def golden():
    """`golden("edm.npz")`: the arrays by name, or the content of a .json."""
    return read


class Mixture:
    """D(x; sigma) of an isotropic Gaussian mixture, and the noise levels it was asked for.

    Its range and its rounding are those a golden's `net` states.
    """

    num_classes = 0
    device, state_dtype = torch.device("cpu"), torch.float64

    def __init__(self, name: str, net: dict | None = None) -> None:
        arrays, net = read("mixtures.npz"), net or {}
        self.means, self.stds, self.weights = (
            torch.tensor(arrays[f"{name}.{field}"]) for field in ("means", "stds", "weights")
        )
        self.shape = tuple(arrays[f"{name}.shape"].tolist())
        self.sigma_min = float(net.get("sigma_min", 0.0))
        self.sigma_max = float(net.get("sigma_max", "inf"))
        rounded = net.get("round_sigma") == "iddpm_table_f32"
        self.table = read("schedules.npz")["iddpm.u_table_float32"] if rounded else None
        self.calls: list[float] = []

    def round_sigma(self, sigma: float) -> float:
        if self.table is None:
            return float(sigma)
        return float(self.table[np.abs(self.table - np.float32(sigma)).argmin()])

    def __call__(self, x, sigma, labels=None):
        self.calls.append(float(sigma.max()))
        flat, dim = x.flatten(1), x[0].numel()
        variance = sigma.to(x).reshape(-1, 1) ** 2
        total = self.stds**2 + variance
        distance = (flat[:, None] - self.means).square().sum(2)
        log_r = self.weights.log() - dim / 2 * total.log() - distance / (2 * total)
        r = torch.softmax(log_r, 1) / total
        denoised = (r * self.stds**2).sum(1, keepdim=True) * flat + (r * variance) @ self.means
        return denoised.reshape(x.shape)


@pytest.fixture(scope="session")
def mixture():
    """`mixture("smooth5", net)`: a closed-form denoiser of the golden cases."""
    return Mixture


@pytest.fixture
def agrees(record_property):
    """`agrees(family, found, expected, tolerance)`: asserts, and enters the family's score."""

    def check(family: str, found, expected, tolerance: float) -> None:
        found, expected = np.asarray(found), np.asarray(expected)
        assert found.shape == expected.shape
        error = float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
        # A plain float, which pytest-xdist can hand on.
        ratio = error / float(tolerance) if tolerance else float(error > 0)
        record_property("golden", (family, ratio))
        assert error <= tolerance, f"off by {error:.3g}, tolerance {tolerance:.3g}"

    return check


def pytest_terminal_summary(terminalreporter):
    """One line per family: how many cases, and how near to the tolerance the worst came."""
    ratios: dict[str, dict[str, float]] = defaultdict(dict)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", []):
                if name == "golden":
                    family, ratio = value
                    worst = ratios[family].get(report.nodeid, 0.0)
                    # A NaN stays the worst.
                    ratios[family][report.nodeid] = worst if ratio <= worst else ratio
    if ratios:
        terminalreporter.section("goldens")
    for family, cases in sorted(ratios.items()):
        worst = max(cases.values(), key=lambda ratio: (ratio != ratio, ratio))
        terminalreporter.write_line(
            f"goldens: {family} {len(cases)} cases, worst {worst:.1e} of tolerance"
        )
