"""Reference statistics: what samples are compared with. Load, list, make, describe."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.download.announce import announce_artefact
from samplebench.download.artefact import Artefact
from samplebench.download.fetch import fetch, known_sha256, path_of, reject
from samplebench.embedded import packaged
from samplebench.errors import InputError, unknown
from samplebench.files.archives import Unreadable
from samplebench.files.atomic import atomic, expanded, regular, sha256
from samplebench.metrics.blocks import BlockedRows
from samplebench.metrics.frechet import symmetric_root
from samplebench.metrics.moments import Moments
from samplebench.references.files import DIMS, FEATURES, Statistics, read
from samplebench.registry.entry import NOTHING
from samplebench.results.fields import visible

_SUFFIX = ".reference.npz"
# Of those that ship with the package: the images that they are made of, where these do, too.
_IMAGES = {"digits": "digits.npz"}
# Bytes of a released file: statistics take 34 MB, and some hold their images or activations, too.
_MOST = 1 << 32


@dataclass(frozen=True)
class Reference:
    """Mean and covariance of an extractor's features over a set of images.

    A released one is known before its file is here; the file is fetched when it is needed.

    Attributes:
        id: embedded or released name, or the file's name.
        path: where it was read, or will be.
        sha256: of the file; "" where nobody knows it before it is fetched.
        feature_dim: D.
        num_images: how many images it was made of; None where not stated.
        extractor: name of the extractor.
        weights_sha256: of the extractor's weights; "" where it was made with a port of the same
            network from elsewhere.
        made_from: in words.
        made_with: which port, in words; "" for our own.
        artefact: what is fetched; None where the file is here by itself.
        licence: of what is fetched.
        images: of which features are made where a metric needs them and none are kept.
        kept: whether a released file keeps features, as its table says.
        holds: the extractors whose statistics the file holds.
        given: what the file holds, where it has been read already.
    """

    id: str
    path: Path
    sha256: str
    feature_dim: int
    num_images: int | None
    extractor: str
    weights_sha256: str
    made_from: str
    made_with: str = ""
    artefact: Artefact | None = None
    licence: str = ""
    images: Path | None = None
    kept: bool = False
    holds: tuple[str, ...] = ()
    given: Statistics | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.holds:
            object.__setattr__(self, "holds", (self.extractor,))

    @cached_property
    def statistics(self) -> Statistics:
        """What the file holds of the extractor, fetched first where it has to be.

        Raises:
            InputError: it is not what it should be.
            EnvironmentError_: it cannot be fetched.
        """
        if self.given is not None:
            return self.given
        path = self.fetch(offline=False, quiet=True)
        try:
            found = read(path, self.extractor)
        except InputError as error:
            raise (reject(self.artefact, path, error) if self.artefact else error) from None
        if found.extractor != self.extractor:
            # A whole file, which serves other metrics.
            held, wanted = ", ".join(found.holds), self.extractor
            raise InputError(f"{path} holds {held} features, not {wanted} ones")
        return found

    @property
    def mean(self) -> np.ndarray:
        """float64 [D]."""
        return self.statistics.mean

    @property
    def cov(self) -> np.ndarray:
        """float64 [D, D], with divisor N - 1."""
        return self.statistics.cov

    @property
    def keeps_rows(self) -> bool | None:
        """Whether the features themselves are kept; None where only the file says it."""
        if self.given is not None:
            return self.given.rows is not None
        return None if self.artefact is None else self.kept

    @cached_property
    def rows(self) -> np.ndarray:
        """The features themselves [M, D], read-only, in the precision they are kept in.

        Raises:
            InputError: they are not kept, or damaged.
        """
        if self.statistics.rows is None:
            others = "".join(f"{name}, " for name in _with_features(self.extractor))
            raise InputError(
                f"reference {self.id} keeps no features; give --reference {others}images, or make "
                "it again with 'samplebench reference make --keep features'"
            )
        try:
            return self.statistics.rows()
        except Unreadable as error:
            raise InputError(f"the features in {self.path} cannot be read ({error})") from None

    def statistic(self, kind: str) -> Any:
        """What a metric is given of it.

        Args:
            kind: "moments", which gives an object with mean, cov and root, "features", rows
                [M, D], or "nothing".

        Raises:
            InputError: as `rows` does.
        """
        if kind == NOTHING:
            return None
        return self.rows if kind == "features" else self

    def blocked(self, kind: str) -> Any:
        """The same, rows as `BlockedRows`: one object for a whole sweep."""
        return self._blocked_rows if kind == "features" else self.statistic(kind)

    def forget(self) -> None:
        """Drops what code of others has made of its rows: a process may run several sweeps."""
        if "_blocked_rows" in self.__dict__:
            self._blocked_rows.forget()

    @cached_property
    def _blocked_rows(self) -> BlockedRows:
        return BlockedRows(self.rows)

    @cached_property
    def root(self) -> np.ndarray:
        """The square root of cov; one eigen-decomposition for a whole sweep."""
        root = symmetric_root(self.cov)
        root.flags.writeable = False
        return root

    def fetch(self, *, offline: bool, quiet: bool) -> Path:
        """The file, verified and here.

        Args:
            offline: open no connection.
            quiet: nothing on stderr.

        Raises:
            InputError: it is not the released file.
            EnvironmentError_: it cannot be fetched.
        """
        if self.artefact is None:
            return self.path
        if not (quiet or offline):
            announce_artefact(self.id, self.artefact, self.licence, sys.stderr)
        return fetch(self.artefact, offline=offline, progress=not quiet)

    def fetched(self, *, offline: bool, quiet: bool) -> Reference:
        """The same with its file here and all of it known, its hash too; see `fetch`."""
        self.fetch(offline=offline, quiet=quiet)
        return self if self.sha256 else load(self.id, extractor=self.extractor)

    def facts(self) -> dict[str, Any]:
        """What is known without the file, in plain values."""
        released = {"made_with": self.made_with, "licence": self.licence}
        return {
            "id": self.id,
            "made_from": self.made_from,
            **{key: value for key, value in released.items() if value},
            "num_images": "not stated" if self.num_images is None else self.num_images,
            "extractor": self.extractor,
            **({"holds": ", ".join(self.holds)} if len(self.holds) > 1 else {}),
            "feature_dim": self.feature_dim,
            "weights_sha256": self.weights_sha256 or "not stated",
            "sha256": self.sha256 or "unknown until it is downloaded",
            "path": str(self.path),
        }

    def describe(self) -> dict[str, Any]:
        """What it is, in plain values; with its size in feature space where the file is here."""
        if not self.path.is_file():
            return self.facts()
        eigenvalues = np.linalg.eigvalsh(self.cov)
        return {
            **self.facts(),
            "features": "not kept" if self.statistics.rows is None else "kept",
            "mean_norm": float(np.linalg.norm(self.mean)),
            "trace": float(np.trace(self.cov)),
            "smallest_eigenvalue": float(eigenvalues[0]),
            "largest_eigenvalue": float(eigenvalues[-1]),
        }


def names() -> list[str]:
    """Ids of all references: those that ship with the package, then the released ones."""
    return [*shipped(), *_released()]


def shipped() -> list[str]:
    """Ids of the references that ship with the package."""
    folder = packaged("references")
    return sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))


def _with_features(extractor: str) -> list[str]:
    """Ids of the references that have an extractor's features, or images to make them of."""
    if extractor == "digits":
        return list(_IMAGES)
    found = (_of_table(name, table, extractor) for name, table in _released().items())
    return [each.id for each in found if each.extractor == extractor and (each.kept or each.images)]


def load(source: str, home: str = "", extractor: str = "") -> Reference:
    """A reference by id or by path; nothing is fetched yet.

    Args:
        source: its id or path.
        home: a folder in which the file may lie, too.
        extractor: whose statistics are meant where it holds them; else the first that it holds.

    Raises:
        UsageError: neither an id nor a file.
        InputError: the file holds no reference statistics, or cannot be read.
    """
    if source in _released():
        return _of_table(source, _released()[source], extractor)
    path = expanded(source)
    if home and (beside := Path(home) / path).is_file():
        path = beside
    images = None
    if source in shipped():
        path = packaged("references") / f"{source}{_SUFFIX}"
        images = packaged(_IMAGES[source]) if source in _IMAGES else None
    elif not source or not os.path.lexists(path):
        raise unknown("reference", source, names(), "samplebench reference list")
    elif os.path.isdir(path):
        raise InputError(
            f"{path} is a folder, not a reference; make one of the images in it with "
            f"'samplebench reference make --images {path}'"
        )
    try:
        found = read(regular(path), extractor)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    return Reference(
        id=visible(path.name.removesuffix(_SUFFIX)),
        path=path,
        sha256=sha256(path),
        feature_dim=len(found.mean),
        num_images=found.num_images,
        extractor=found.extractor,
        weights_sha256=found.weights_sha256,
        made_from=found.made_from,
        made_with="" if found.weights_sha256 else "not stated",
        images=path if found.imaged else images,
        holds=found.holds,
        given=found,
    )


def save(
    path: Path,
    moments: Moments,
    extractor: Any,
    made_from: str,
    rows: np.ndarray | None = None,
) -> Reference:
    """Writes moments as a reference and loads it back; see `write`."""
    write(path, moments, extractor, made_from, rows)
    return load(str(path))


def write(
    path: Path,
    moments: Moments,
    extractor: Any,
    made_from: str,
    rows: np.ndarray | None = None,
    **more: str,
) -> None:
    """Writes moments as a reference.

    Args:
        extractor: its name and weights_sha256 go into the file.
        made_from: in words, e.g. "50,000 exact draws".
        rows: the features themselves, [M, D], where they are to be kept; may be mapped.
        more: further texts, which no reader of references looks at.
    """
    facts = {
        "num_images": moments.count,
        "extractor": extractor.name,
        "weights_sha256": extractor.weights_sha256,
        "made_from": made_from,
    }
    arrays: dict[str, Any] = {"mu": moments.mean, "sigma": moments.cov, **more}
    if rows is not None:
        # Stored as they are, so that they can be mapped.
        arrays["features"] = rows
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays, facts=json.dumps(facts, sort_keys=True))


@cache
def _released() -> Mapping[str, Mapping[str, Any]]:
    """references.toml by id."""
    text = (resources.files("samplebench") / "references.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _of_table(name: str, table: Mapping[str, Any], extractor: str) -> Reference:
    location = table["location"]
    file = table.get("file") or location.rpartition("/")[2]
    artefact = Artefact(
        name,
        location,
        file,
        table.get("size"),
        table.get("sha256"),
        option="--reference PATH",
        container="pickle" if file.endswith(".pkl") else "npz",
        most=_MOST,
    )
    holds = tuple(table.get("extractors", (FEATURES,)))
    whose = extractor if extractor in holds else holds[0]
    return Reference(
        id=name,
        path=path_of(artefact),
        sha256=known_sha256(artefact) or "",
        feature_dim=DIMS[whose],
        num_images=table.get("num_images"),
        extractor=whose,
        weights_sha256="",
        made_from=table["made_from"],
        made_with=table["made_with"],
        artefact=artefact,
        licence=table["licence"],
        images=path_of(artefact) if table.get("images") else None,
        kept=whose == FEATURES and table.get("features", False),
        holds=holds,
    )
