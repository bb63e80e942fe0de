"""The catalogue: checkpoints.toml as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from samplebench.checkpoints import entries
from samplebench.checkpoints.checkpoint import Checkpoint, Preset
from samplebench.errors import InputError, UsageError, unknown
from samplebench.files import texts
from samplebench.files.atomic import expanded

__all__ = ["DEFAULT_MODEL", "Checkpoint", "Preset", "aliases", "catalog", "checkpoint", "resolved"]

DEFAULT_MODEL = "digits-exact"


def catalog(extra: str | Path | None = None) -> dict[str, Checkpoint]:
    """All checkpoints by id, in the file's order.

    Args:
        extra: a TOML file of the same form; its tables replace those of the same name. Paths in
            it are relative to it.

    Raises:
        InputError: it cannot be read or is not of that form.
    """
    return (
        dict(_shipped()) if extra is None else {**_shipped(), **_read(expanded(str(extra)), extra)}
    )


def aliases(known: Mapping[str, Checkpoint] | None = None) -> Mapping[str, str]:
    """Other spelling of a checkpoint, as papers and tables have it -> its id.

    Args:
        known: a catalogue; None for the shipped one.
    """
    return _shipped_aliases() if known is None else _aliases(known)


def resolved(name: str, known: Mapping[str, Checkpoint] | None = None) -> str:
    """The id that `name` means: itself, or that of which it is another spelling.

    A name that means none comes back as it is.
    """
    here = _shipped() if known is None else known
    return name if name in here else aliases(known).get(name, name)


def _aliases(known: Mapping[str, Checkpoint]) -> dict[str, str]:
    return {name: entry.id for entry in known.values() for name in entry.published}


@cache
def _shipped_aliases() -> dict[str, str]:
    return _aliases(_shipped())


# What files of weights are called.
_FILES = (".pt", ".pth", ".pkl", ".npz", ".ckpt", ".safetensors", ".bin", ".zip", ".tar")


def checkpoint(name: str, known: Mapping[str, Checkpoint] | None = None) -> Checkpoint:
    """The checkpoint called `name`, by its id or as papers and tables spell it.

    Raises:
        UsageError: there is none; the message holds the nearest id.
    """
    name, known = resolved(name, known), _shipped() if known is None else known
    if name not in known:
        if Path(name).name != name or Path(name).suffix in _FILES:
            raise UsageError(
                f"model {name} is a path, not an id of the catalogue; give the released model's "
                "id with --file PATH, or describe your own file with --checkpoints FILE.toml"
            )
        base, plus, how = name.partition("+")
        if plus and (own := resolved(base, known)) in known:
            raise UsageError(
                f"model '{name}' is the network '{own}' with {how}, a name from tables of "
                f"published values; use {own}, with --guidance if it is guided"
            )
        raise unknown("model", name, known, "samplebench list models")
    return known[name]


@cache
def _shipped() -> dict[str, Checkpoint]:
    package = Path(str(resources.files("samplebench")))
    inside = package / "checkpoints.toml"
    # In a checkout the file lies beside the package, in a wheel inside it.
    return _read(inside if inside.is_file() else package.parent / "checkpoints.toml", None)


def _read(path: Path, given: str | Path | None) -> dict[str, Checkpoint]:
    name = path.name if given is None else f"--checkpoints {given}"
    try:
        tables = texts.toml(texts.read_bytes(path, texts.MOST_TOML))
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{name} is not TOML: {error}") from None
    found = {}
    for key, table in tables.items():
        found[key] = _checkpoint(key, table, name)
        if given is not None:
            entries.check_foreign(found[key], f"{name}, table [{key[:80]}]")
            found[key] = replace(found[key], home=str(path.parent))
        found[key] = _placed(found[key], path.parent)
    return found


def _placed(entry: Checkpoint, home: Path) -> Checkpoint:
    """With what lies beside the catalogue at its place, the classifier's file as well."""
    if entry.classifier is not None:
        entry = replace(entry, classifier=_placed(entry.classifier, home))
    if entry.embedded or entry.remote:
        return entry
    return replace(entry, location=str(home / expanded(entry.location)))


def _checkpoint(key: str, table: Any, name: str) -> Checkpoint:
    values = entries.checked(key, table, f"{name}, table [{key[:80]}]")
    presets = {k: Preset(**v) for k, v in values.pop("presets", {}).items()}
    if classifier := values.pop("classifier", None):
        own = {"format": table["format"], "shape": table["shape"], **classifier}
        values["classifier"] = _checkpoint(f"{key}-classifier", own, name)
    return Checkpoint(id=key, presets=presets, **values)
