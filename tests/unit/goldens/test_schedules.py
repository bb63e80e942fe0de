"""Every time discretization against the grids of the reference implementations."""

from __future__ import annotations

import re

import numpy as np
import pytest

from samplebench.discretizations import build, iddpm_table

STEPS = (5, 10, 18, 40, 256)
RANGE = {"sigma_min": 0.002, "sigma_max": 80.0}
# Golden prefix and suffix around the step count -> our name and constants.
GRIDS = {
    **{("edm", f".rho{rho}"): ("edm", {"rho": float(rho)}) for rho in (1, 3, 5, 7, 10, 20)},
    ("vp", ""): ("vp", {}),
    ("ve", ""): ("ve", {}),
    ("iddpm", ""): ("iddpm", {}),
    ("kd.karras", ""): ("edm", RANGE),
    ("kd.exponential", ""): ("logsnr", RANGE),
    ("kd.polyexp1.5", ""): ("polyexponential", {"rho": 1.5, **RANGE}),
    ("kd.vp", ""): ("vp", {}),
    ("ds.polynomial7", ""): ("edm", {"rho": 7.0, **RANGE}),
    ("ds.logsnr7", ""): ("logsnr", RANGE),
    **{
        (f"ds.time_uniform{rho}", ""): ("time_uniform", {"rho": float(rho), **RANGE})
        for rho in (1, 2, 3)
    },
}


def relative(found, expected):
    """Relative difference of positive levels; a final 0 must be exact."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    positive = expected > 0
    assert np.array_equal(found[~positive], expected[~positive])
    return found[positive] / expected[positive] - 1


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize(("grid", "ours"), GRIDS.items(), ids=["".join(grid) for grid in GRIDS])
def test_grid(golden, agrees, grid, ours, steps):
    prefix, suffix = grid
    expected = golden("schedules.npz")[f"{prefix}.n{steps}{suffix}"]
    name, constants = ours
    levels = build(name, steps, **constants).levels
    if prefix.startswith("ds."):
        assert levels[-1] == 0
        levels = levels[:-1]
    difference = relative(levels, expected)
    agrees("schedules", difference, np.zeros_like(difference), 1e-9)


def test_no_grid_is_left_out(golden):
    found = {key for key in golden("schedules.npz") if re.search(r"\.n\d+(\.|$)", key)}
    assert found == {f"{prefix}.n{steps}{suffix}" for prefix, suffix in GRIDS for steps in STEPS}


def test_iddpm_table(golden, agrees):
    difference = relative(iddpm_table(), golden("schedules.npz")["iddpm.u_table_float64"])
    agrees("schedules", difference, np.zeros_like(difference), 1e-9)
