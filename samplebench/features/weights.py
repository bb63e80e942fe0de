"""Released weights of extractors: fetched or given by the user, verified, read as named tensors."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.checkpoints.structure import structure
from samplebench.checkpoints.torch_file import read_torch_file
from samplebench.download.announce import announce_artefact
from samplebench.download.artefact import Artefact
from samplebench.download.fetch import fetch, verify
from samplebench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def given(variable: str) -> Path | None:
    """The file that an environment variable names."""
    own = os.environ.get(variable)
    return Path(own).expanduser() if own else None


def verified(
    weights: Artefact, variable: str, licence: str, *, offline: bool = False, quiet: bool = True
) -> Path:
    """The verified file: the one that the variable names, else the cache's.

    Args:
        weights: the released file.
        variable: of the environment.
        licence: said before it is fetched.
        offline: open no connection.
        quiet: nothing on stderr.

    Raises:
        InputError: it is another file.
        EnvironmentError_: it cannot be fetched.
    """
    if path := given(variable):
        verify(weights, path)
        return path
    if not (quiet or offline):
        announce_artefact(weights.name, weights, licence, sys.stderr)
    return fetch(weights, offline=offline, progress=not quiet)


def named_tensors(path: Path, whose: str) -> dict[str, Tensor]:
    """The tensors of a file by name; nothing that it holds is run.

    Args:
        path: of a file of torch.save.
        whose: weights they should be, for messages.

    Raises:
        InputError: it is no such file, or holds something else.
    """
    import torch

    found = read_torch_file(path)
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    ):
        raise InputError(f"{path} does not hold named tensors; not {whose}'s weights")
    return dict(found)


def checked(
    tensors: dict[str, Tensor], expected: str, path: Path, whose: str, released: str
) -> dict[str, Tensor]:
    """The same tensors in float32, of the names and shapes that they should have.

    Args:
        expected: the structure's fingerprint.
        path: they were read from.
        whose: weights they should be.
        released: name of the file to give.

    Raises:
        InputError: they have others, or are whole numbers.
    """
    if structure((name, value.shape) for name, value in tensors.items()) != expected:
        raise InputError(
            f"{path} holds {len(tensors)} tensors that are not those of {whose}; "
            f"give the released {released}"
        )
    if wrong := next((name for name, v in tensors.items() if not v.is_floating_point()), None):
        raise InputError(f"{path}: {wrong} holds whole numbers; not {whose}'s weights")
    return {name: value.float() for name, value in tensors.items()}
