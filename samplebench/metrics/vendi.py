"""The Vendi score: how many different samples a set amounts to."""

from __future__ import annotations

import numpy as np

from samplebench.metrics.pairs import read, rows_of, unit, whole


def vendi(features: np.ndarray) -> float:
    """exp(-sum l ln l) over the eigenvalues l of K / N, K the rows' cosine similarities.

    Friedman & Dieng 2023: between 1, where all rows have one direction, and N. Of features
    [N, D], N >= 1; the eigenvalues are those of a matrix [D, D] where N is larger.

    Raises:
        ValueError: there are no rows, or one is 0.
    """
    rows = rows_of(features, "features", 1)
    parts = whole(rows)
    if len(rows) > rows.shape[1]:
        similar = np.zeros((rows.shape[1], rows.shape[1]))
        for part in parts:
            directions = unit(read(rows, part))
            similar += directions.T @ directions
    else:
        directions = unit(read(rows, slice(None)))
        similar = directions @ directions.T
    values = np.linalg.eigvalsh(similar / len(rows))
    values = values[values > 0]
    return float(np.exp(-(values * np.log(values)).sum()))
