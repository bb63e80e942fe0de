"""Files of reference statistics: our own, and the forms in which others released theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile
from zlib import error as BadStream

import numpy as np

from samplebench.errors import InputError
from samplebench.metrics.moments import Moments

# Whatever was released without saying so was made with Inception's pooled features.
FEATURES, DIM = "inception", 2048
# Rows of activations that are in memory as float64 at a time.
_ROWS = 4096


@dataclass(frozen=True)
class Statistics:
    """What a file holds.

    Attributes:
        mean, cov: float64 [D] and [D, D], covariance with divisor N - 1.
        num_images: how many images they were made of; None where the file does not say.
        extractor: name of the extractor.
        weights_sha256: of the extractor's weights; "" where the file does not say.
        made_from: in words.
    """

    mean: np.ndarray
    cov: np.ndarray
    num_images: int | None
    extractor: str
    weights_sha256: str
    made_from: str


def read(path: Path) -> Statistics:
    """Reads an .npz of one of four forms.

    * ours: mu, sigma and facts;
    * EDM's: mu, sigma;
    * OpenAI's VIRTUAL_*: mu, sigma over the whole training set, beside arr_0, 10,000 of its images,
      which say nothing about them and are not read;
    * score-SDE's and gDDIM's: pool_3, the features themselves [N, 2048].

    Raises:
        InputError: it is none of these, or its numbers are no mean and covariance.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "facts" in archive:
                facts = json.loads(str(archive["facts"]))
                mean, cov = archive["mu"].astype(np.float64), archive["sigma"].astype(np.float64)
                return _checked(Statistics(mean, cov, **facts))
            if "mu" in archive:
                mean, cov = _floats(archive["mu"]), _floats(archive["sigma"])
                return _checked(_released(mean, cov, None))
            return _checked(_of_activations(_floats(archive["pool_3"])))
    except (KeyError, ValueError, TypeError, OSError, EOFError, BadZipFile, BadStream) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{path} is not a reference of samplebench or a released one ({reason}); make one "
            "with 'samplebench reference make'"
        ) from None


def _released(mean: np.ndarray, cov: np.ndarray, num_images: int | None) -> Statistics:
    if mean.shape != (DIM,):
        raise ValueError(f"without facts, mu has {DIM} numbers, not the shape {mean.shape}")
    mean, cov = mean.astype(np.float64), cov.astype(np.float64)
    return Statistics(mean, cov, num_images, FEATURES, "", "statistics as released")


def _of_activations(rows: np.ndarray) -> Statistics:
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"pool_3 is [N, {DIM}], not of shape {rows.shape}")
    moments = Moments.zeros(rows.shape[1])
    for start in range(0, len(rows), _ROWS):
        moments.add(rows[start : start + _ROWS])
    return _released(moments.mean, moments.cov, moments.count)


def _floats(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        raise ValueError(f"its numbers are {array.dtype}, not floating-point ones")
    return array


def _checked(found: Statistics) -> Statistics:
    """Statistics whose arrays are a mean and a covariance."""
    if found.mean.ndim != 1 or found.cov.shape != 2 * found.mean.shape:
        raise ValueError(f"mu of shape {found.mean.shape}, sigma of {found.cov.shape}")
    if not (np.isfinite(found.mean).all() and np.isfinite(found.cov).all()):
        raise ValueError("its numbers are not all finite")
    variances = found.cov.diagonal()
    # Features that hardly vary have variances that are the rounding errors of their squares.
    tolerance = 1e-6 * (np.abs(variances).max() + np.square(found.mean).max())
    if variances.min() < -tolerance or np.abs(found.cov - found.cov.T).max() > tolerance:
        raise ValueError("its sigma is no covariance")
    # All cells of a sweep share them, and a metric of others may write on what it gets.
    found.mean.flags.writeable = found.cov.flags.writeable = False
    return found
