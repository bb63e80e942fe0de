"""The kernel distance of Binkowski et al. 2018, on features of this package."""

import numpy as np

from samplebench.registry import metrics


def kernel(a, b):
    """The cubic kernel between rows [N, D] and [M, D]."""
    return (a @ b.T / a.shape[1] + 1) ** 3


def among(rows):
    """The mean of the kernel over pairs of different rows."""
    values, count = kernel(rows, rows), len(rows)
    return (values.sum() - np.trace(values)) / (count * (count - 1))


@metrics.register("kid-dct", statistic="features", extractor="example-dct", better="lower")
def kid_dct(rows, reference):
    """Kernel distance on DCT energies (not KID, which is on Inception's features)."""
    return float(among(rows) + among(reference) - 2 * kernel(rows, reference).mean())
