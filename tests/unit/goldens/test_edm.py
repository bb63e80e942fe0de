"""Released containers to denoised images: every golden checkpoint through `sb.load`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import samplebench as sb

ROOT = Path(os.environ.get("SAMPLEBENCH_GOLDENS") or Path(__file__).parents[2] / "goldens") / "edm"
FORMATS = {"edm-pkl": "edm", "score-sde-pth": "score-sde"}
CASES = sorted(
    path.parent.name for path in ROOT.glob("*/config.json") if path.parent.name != "layers"
)
NAMES = [name for name in CASES if not name.startswith("score-sde")]


class Case:
    """A golden checkpoint, loaded, with its inputs and outputs."""

    def __init__(self, name: str) -> None:
        folder = ROOT / name
        self.config = json.loads((folder / "config.json").read_text())
        with np.load(folder / "io.npz") as archive:
            self.io = dict(archive)
        kind = FORMATS[self.config["container"]]
        config = self.config if kind == "score-sde" else None
        self.path = folder / self.config["file"]
        self.model = sb.load(self.path, format=kind, config=config, device="cpu")
        self.labels = None
        if "class_labels" in self.io:
            self.labels = torch.tensor(self.io["class_labels"]).argmax(1)

    def tolerance(self, sigma: float) -> float:
        """What the case states for the nearest of its noise levels, or for a smaller one."""
        levels, stated = self.io["sigma"], self.config["suggested_tolerance_per_sigma"]
        return float(stated[int(np.abs(levels - sigma).argmin())])

    def x(self, key: str = "x") -> torch.Tensor:
        return torch.tensor(self.io[key])


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return Case(request.param)


@pytest.fixture(scope="module", params=NAMES)
def pickle_case(request):
    return Case(request.param)


def test_denoised_images(case, agrees):
    assert case.model.shape == tuple(case.io["x"].shape[2:])
    for i, sigma in enumerate(case.io["sigma"]):
        found = case.model(case.x()[i], float(sigma), case.labels)
        agrees("networks", found, case.io["D"][i], case.config["suggested_tolerance_per_sigma"][i])


def test_a_noise_level_for_each_image(pickle_case, agrees):
    case = pickle_case
    sigmas = torch.tensor(case.io["sigma_vec"])
    labels = case.labels
    if labels is not None:
        labels = labels[torch.arange(len(sigmas)) % len(labels)]
    found = case.model(case.x("x_vec"), sigmas, labels)
    for i, sigma in enumerate(sigmas.tolist()):
        agrees("networks", found[i], case.io["D_vec"][i], case.tolerance(sigma))


def test_no_label_is_the_zero_vector(pickle_case, agrees):
    case = pickle_case
    if "D_nolabel" not in case.io:
        pytest.skip("an unconditional network")
    for i, sigma in enumerate(case.io["sigma"]):
        found = case.model(case.x()[i], float(sigma))
        expected = case.io["D_nolabel"][i]
        agrees("networks", found, expected, case.config["suggested_tolerance_per_sigma"][i])


def test_augmentation_labels_reach_the_network(pickle_case, agrees):
    case = pickle_case
    if "D_augment" not in case.io:
        pytest.skip("a network without augmentation labels")
    hot = torch.tensor(case.io["class_labels"]) if case.labels is not None else None
    augment = torch.tensor(case.io["augment_labels"])
    for i, sigma in enumerate(case.io["sigma"]):
        level = torch.tensor(float(sigma), dtype=torch.float64)
        with torch.no_grad():
            found = case.model.network(case.x()[i], level, hot, augment_labels=augment)
        expected = case.io["D_augment"][i]
        agrees("networks", found, expected, case.config["suggested_tolerance_per_sigma"][i])


def test_rounded_noise_levels(pickle_case):
    case = pickle_case
    if "round_sigma" not in case.io:
        assert case.model.round_sigma(0.3) == 0.3
        return
    asked = torch.tensor(case.io["sigma_query"])
    assert np.array_equal(case.model.round_sigma(asked).numpy(), case.io["round_sigma"])
    for sigma, rounded in zip(asked.tolist(), case.io["round_sigma"].tolist(), strict=True):
        assert case.model.round_sigma(sigma) == rounded


def test_what_it_says_of_itself(case):
    model, config = case.model, case.config
    assert model.provenance["sha256"] == config["sha256"] or "sha256" not in config
    assert len(model.provenance["structure"]) == 64
    if "num_parameters" in config:
        assert sum(p.numel() for p in model.network.parameters()) == config["num_parameters"]
    assert not any(p.requires_grad for p in model.network.parameters())


def test_noise_of_level_zero_is_none(case):
    x = case.x()[0]
    assert torch.equal(case.model(x, 0.0, case.labels), x)
    mixed = case.model(x, torch.tensor([0.0, 1.0])[: len(x)], case.labels)
    assert torch.equal(mixed[0], x[0]) and mixed.isfinite().all()
    assert not torch.equal(mixed[1], x[1])


def test_double_precision_in_and_out(case):
    x = case.x()[2]
    sigma = float(case.io["sigma"][2])
    wide = case.model(x.double(), sigma, case.labels)
    assert wide.dtype == torch.float64
    assert (wide - case.model(x, sigma, case.labels)).abs().max() <= 2 * case.tolerance(sigma)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("score-sde")])
def test_raw_weights_are_not_the_averaged_ones(name):
    case = Case(name)
    for i, sigma in enumerate(case.io["sigma"]):
        found = case.model(case.x()[i], float(sigma)).numpy()
        stated = case.config["suggested_tolerance_per_sigma"][i]
        assert np.abs(found - case.io["D_raw_weights"][i]).max() > 10 * stated


def test_a_sampler_runs_on_it(case):
    x = sb.sample(case.model, "heun", steps=4, seeds=range(2), sigma_max=20)
    assert x.shape == (2, *case.model.shape) and x.isfinite().all()
