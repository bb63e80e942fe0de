"""The explicit midpoint rule in log sigma."""

from itertools import pairwise
from math import sqrt

from samplebench.registry import samplers
from samplebench.samplers.step import Step


def evaluations(steps, final="zero"):
    """Two a step; the step to 0, where log sigma has no middle, is Euler's."""
    return 2 * steps - (final == "zero")


@samplers.register("example-midpoint", order=2, evaluations=evaluations)
def midpoint(model, x, grid, *, callback=None):
    """Explicit midpoint rule for dx/d(log sigma) = x - D(x; sigma), Euler at the end, order 2."""
    levels = grid.tolist()
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = model(x, sigma)
        if sigma_next == 0:
            x = denoised
        else:
            middle = sqrt(sigma * sigma_next)
            # Exact for a constant D: the linear part of the equation is solved, not approximated.
            halfway = denoised + (middle / sigma) * (x - denoised)
            denoised = model(halfway, middle)
            x = denoised + (sigma_next / sigma) * (x - denoised)
        if callback is not None:
            callback(Step(i, x, sigma_next, denoised))
    return x
