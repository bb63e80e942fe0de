"""The released weights of the 2015-12-05 Inception: fetched, verified, and opened here alone.

The file is read without running anything it holds; torch-fidelity, which would unpickle it freely,
gets a copy that was written here.
"""

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

VARIABLE = "SAMPLEBENCH_INCEPTION"
WEIGHTS = Artefact(
    name="inception",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    file_name="weights-inception-2015-12-05-6726825d.pth",
    size=95_628_359,
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    option=f"{VARIABLE}=PATH",
)
LICENCE = "Apache-2.0"
# Of its 472 tensors: 94 convolutions with batch normalization, and the last layer.
STRUCTURE = "50e9a2d761bfa13f69a95a0a5ba08b27eb36b9f157cc0b3509410debc9b8cc7b"
# Batches seen in training: some writers keep the number, inference never reads it.
_COUNTER = ".num_batches_tracked"


def weights_file(*, offline: bool = False, quiet: bool = True) -> Path:
    """The verified file: the one that SAMPLEBENCH_INCEPTION names, else the cache's.

    Args:
        offline: open no connection.
        quiet: nothing on stderr.

    Raises:
        InputError: it is another file.
        EnvironmentError_: it cannot be fetched.
    """
    if own := os.environ.get(VARIABLE):
        path = Path(own).expanduser()
        verify(WEIGHTS, path)
        return path
    if not (quiet or offline):
        announce_artefact(WEIGHTS.name, WEIGHTS, LICENCE, sys.stderr)
    return fetch(WEIGHTS, offline=offline, progress=not quiet)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, float32 on the CPU.

    Raises:
        InputError: it is no file of torch.save, or its tensors are not those of Inception.
    """
    import torch

    found = read_torch_file(path)
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    ):
        raise InputError(f"{path} holds something else than named tensors; not Inception's weights")
    kept = {name: value for name, value in found.items() if not name.endswith(_COUNTER)}
    if structure((name, value.shape) for name, value in kept.items()) != STRUCTURE:
        raise InputError(
            f"{path} holds {len(kept)} tensors that are not those of the 2015-12-05 Inception; "
            f"give the released {WEIGHTS.file_name}"
        )
    if wrong := next((name for name, v in kept.items() if not v.is_floating_point()), None):
        raise InputError(f"{path}: {wrong} holds whole numbers; not Inception's weights")
    return {name: value.float() for name, value in kept.items()}
