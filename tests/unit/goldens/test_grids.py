"""Our samplers on optimised time grids against the listed distances to the exact solution."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import samplebench as sb

SAMPLERS = {"euler": "euler", "heun": "heun", "dpmpp2m": "dpmpp-2m", "ipndm": "ipndm"}


@pytest.mark.parametrize("end", ["smin", "zero"])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["smooth5", "image5", "tight4"])
def test_distances_on_listed_grids(goldens, mixture, agrees, name, sampler, end):
    folder = goldens / "grids"
    rows = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    wanted = (name, sampler, end)
    rows = [row for row in rows if (row["mixture"], row["sampler"], row["end"]) == wanted]
    if not rows:
        pytest.skip("the repository holds those of one mixture")
    cases = json.loads((folder / "index.json").read_text(encoding="utf-8"))["cases"]
    grids = {case["id"]: case["sigmas"] for case in cases}
    with np.load(folder / "costs.npz") as arrays:
        exact = torch.tensor(arrays[f"exact.{name}.{end}"])
    model = mixture(name)
    latents = torch.tensor(np.random.RandomState(4048).standard_normal((64, 3, 4, 4)))
    for row in rows:
        levels = [*grids[row["grid"]], *([0.0] if end == "zero" else [])]
        # A list is the whole grid: its last level is the end.
        final = "zero" if end == "zero" else "sigma_min"
        x = sb.sample(model, SAMPLERS[sampler], latents=latents, discretization=levels, final=final)
        found = float((x - exact).square().mean().sqrt())
        # Listed with 8 digits behind the point; the levels with 12 in all.
        agrees("grids", found, row["rmse"], 1e-8 + 1e-8 * row["rmse"])
