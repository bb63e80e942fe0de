"""The catalogue: checkpoints.toml as objects."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from samplebench.errors import InputError, unknown

DEFAULT_MODEL = "digits-exact"


@dataclass(frozen=True)
class Checkpoint:
    """One table of checkpoints.toml; the fields are explained at its top."""

    id: str
    summary: str
    format: str
    location: str
    sha256: str
    source: str
    licence: str
    dtype: str
    protocol: str
    reference: str
    shape: tuple[int, int, int]
    num_classes: int
    samplers: tuple[str, ...]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    cite: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    same_weights: tuple[str, ...] = ()

    def path(self) -> Path:
        """The verified local file.

        Raises:
            InputError: the file is missing or its sha256 is not the catalogue's.
        """
        path = embedded(self.location.removeprefix("package://"))
        if not path.is_file():
            raise InputError(f"{self.id}: {path.name} is missing from the installation; reinstall")
        found = sha256(path)
        if found != self.sha256:
            raise InputError(
                f"{self.id}: {path.name} has sha256 {found[:12]}..., the catalogue says "
                f"{self.sha256[:12]}...; reinstall samplebench"
            )
        return path


@cache
def catalog() -> dict[str, Checkpoint]:
    """All checkpoints by id, in the file's order."""
    with _file().open("rb") as file:
        tables = tomllib.load(file)
    found = {}
    for name, table in tables.items():
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in table.items()
        }
        try:
            found[name] = Checkpoint(id=name, **values)
        except TypeError as error:
            raise InputError(f"checkpoints.toml, table [{name}]: {error}") from None
    return found


def checkpoint(name: str) -> Checkpoint:
    """The checkpoint called `name`.

    Raises:
        UsageError: there is none; the message holds the nearest id.
    """
    known = catalog()
    if name not in known:
        raise unknown("model", name, known, "samplebench list models")
    return known[name]


def embedded(name: str) -> Path:
    """A file that ships inside the package."""
    return Path(str(resources.files("samplebench") / "embedded" / name))


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file() -> Path:
    package = Path(str(resources.files("samplebench")))
    inside = package / "checkpoints.toml"
    # In a checkout the file lies beside the package, in a wheel inside it.
    return inside if inside.is_file() else package.parent / "checkpoints.toml"
