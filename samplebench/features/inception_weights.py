"""The released weights of the 2015-12-05 Inception: fetched, verified, and opened here alone.

The file is read without running anything it holds; torch-fidelity, which would unpickle it freely,
gets a copy that was written here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.download.artefact import Artefact
from samplebench.features.weights import checked, named_tensors, verified

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
_WHOSE = "the 2015-12-05 Inception"


def weights_file(*, offline: bool = False, quiet: bool = True) -> Path:
    """The verified file; see `weights.verified`."""
    return verified(WEIGHTS, VARIABLE, LICENCE, offline=offline, quiet=quiet)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, float32 on the CPU.

    Raises:
        InputError: it is no file of torch.save, or its tensors are not those of Inception.
    """
    found = named_tensors(path, _WHOSE)
    kept = {name: value for name, value in found.items() if not name.endswith(_COUNTER)}
    return checked(kept, STRUCTURE, path, _WHOSE, WEIGHTS.file_name)
