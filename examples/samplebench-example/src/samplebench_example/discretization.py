"""Chebyshev's points in log sigma."""

import numpy as np

from samplebench.registry import discretizations


@discretizations.register("example-chebyshev")
def chebyshev(steps, *, sigma_min=0.002, sigma_max=80.0, bend=0.5):
    """Between uniform in log sigma (bend=0) and Chebyshev's points, dense at both ends (bend=1)."""
    ramp = np.linspace(0, 1, steps)
    place = (1 - bend) * ramp + bend * (1 - np.cos(np.pi * ramp)) / 2
    return sigma_max * (sigma_min / sigma_max) ** place
