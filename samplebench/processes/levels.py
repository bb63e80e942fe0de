"""Noise levels on a linear process: how much noise an image has at its lowest frequency."""

from __future__ import annotations

import math

from samplebench.processes.linear import LinearProcess


def level(process: LinearProcess, t: float) -> float:
    """Of the noise at time t in units of the image, over which all channels tell."""
    seen = process.signal(t)[0, 0, :, 0] @ process.score_factor(t)[0, 0]
    return 1 / math.sqrt(float(seen @ seen))


def time(process: LinearProcess, sigma: float) -> float:
    """When the noise has a level, one within the process's times."""
    from scipy.optimize import brentq  # type: ignore[import-untyped]

    ends = {level(process, t): t for t in (process.t_min, process.T)}
    if sigma in ends:
        return ends[sigma]
    return float(brentq(lambda t: math.log(level(process, t) / sigma), process.t_min, process.T))
