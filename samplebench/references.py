"""Reference statistics: what samples are compared with. Load, list, make, describe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from samplebench.checkpoints.catalog import embedded
from samplebench.errors import InputError, unknown
from samplebench.files import atomic, sha256
from samplebench.metrics.frechet import symmetric_root
from samplebench.metrics.moments import Moments

_SUFFIX = ".reference.npz"


@dataclass(frozen=True)
class Reference:
    """Mean and covariance of an extractor's features over a set of images.

    Attributes:
        id: embedded name, or the file's name.
        path: where it was read.
        sha256: of the file.
        mean, cov: float64 [D] and [D, D], covariance with divisor N - 1.
        num_images: how many images it was made of.
        extractor: name of the extractor.
        weights_sha256: of the extractor's weights.
        made_from: in words.
    """

    id: str
    path: Path
    sha256: str
    mean: np.ndarray
    cov: np.ndarray
    num_images: int
    extractor: str
    weights_sha256: str
    made_from: str

    @cached_property
    def root(self) -> np.ndarray:
        """The square root of cov; one eigen-decomposition for a whole sweep."""
        return symmetric_root(self.cov)

    def describe(self) -> dict[str, Any]:
        """What it is, in plain values."""
        eigenvalues = np.linalg.eigvalsh(self.cov)
        return {
            "id": self.id,
            "made_from": self.made_from,
            "num_images": self.num_images,
            "extractor": self.extractor,
            "feature_dim": len(self.mean),
            "weights_sha256": self.weights_sha256,
            "sha256": self.sha256,
            "mean_norm": float(np.linalg.norm(self.mean)),
            "trace": float(np.trace(self.cov)),
            "smallest_eigenvalue": float(eigenvalues[0]),
            "largest_eigenvalue": float(eigenvalues[-1]),
            "path": str(self.path),
        }


def names() -> list[str]:
    """Ids of the references that ship with the package."""
    folder = embedded("references")
    return sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))


def load(source: str) -> Reference:
    """A reference by embedded id or by path.

    Raises:
        UsageError: neither an id nor a file.
        InputError: the file is not a reference made by samplebench.
    """
    path = Path(source)
    if source in names():
        path = embedded("references") / f"{source}{_SUFFIX}"
    elif not path.is_file():
        raise unknown("reference", source, names(), "samplebench reference list")
    try:
        with np.load(path, allow_pickle=False) as archive:
            facts = json.loads(str(archive["facts"]))
            mean, cov = archive["mu"].astype(np.float64), archive["sigma"].astype(np.float64)
            name = path.name.removesuffix(_SUFFIX)
            return Reference(name, path, sha256(path), mean, cov, **facts)
    except (KeyError, ValueError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} is not a reference of samplebench ({error}); make one with "
            "'samplebench reference make'"
        ) from None


def save(path: Path, moments: Moments, extractor: Any, made_from: str) -> Reference:
    """Writes moments as a reference and loads it back.

    Args:
        extractor: its name and weights_sha256 go into the file.
        made_from: in words, e.g. "50,000 exact draws".
    """
    facts = {
        "num_images": moments.count,
        "extractor": extractor.name,
        "weights_sha256": extractor.weights_sha256,
        "made_from": made_from,
    }
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, mu=moments.mean, sigma=moments.cov, facts=json.dumps(facts, sort_keys=True))
    return load(str(path))
