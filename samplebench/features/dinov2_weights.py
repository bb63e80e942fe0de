"""The released weights of DINOv2 ViT-L/14 (Oquab et al. 2024): fetched, verified, and read here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from samplebench.download.artefact import Artefact
from samplebench.errors import InputError
from samplebench.features.weights import checked, given, named_tensors, verified

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "SAMPLEBENCH_DINOV2"
# The authors publish no hash; ten independent public records agree on this one.
WEIGHTS = Artefact(
    name="dinov2",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    file_name="dinov2_vitl14_pretrain.pth",
    size=1_217_586_395,
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    option=f"{VARIABLE}=PATH",
)
LICENCE = "Apache-2.0"
# Of its 343 tensors: 24 blocks of 14, the patches' projection, class and mask token, positions of
# 37x37 patches, and the last normalization.
STRUCTURE = "514a83589bde241291d160ad77a8da824aed4882e37bfa5a4ee5eaac8f2d6da1"
_WHOSE = "DINOv2 ViT-L/14"
_REGISTERS = "register_tokens"


def weights_file(*, offline: bool = False, quiet: bool = True) -> Path:
    """The verified file; see `weights.verified`."""
    if own := given(VARIABLE):
        _refuse_registers(own)
    return verified(WEIGHTS, VARIABLE, LICENCE, offline=offline, quiet=quiet)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, float32 on the CPU, backed by the file.

    Raises:
        InputError: it is no file of torch.save, or its tensors are not those of ViT-L/14.
    """
    found = named_tensors(path, _WHOSE)
    return checked(found, STRUCTURE, path, _WHOSE, WEIGHTS.file_name)


def _refuse_registers(path: Path) -> None:
    """Raises `InputError` for the variant that is next to the released file, and named like it."""
    try:
        found = named_tensors(path, _WHOSE)
    except InputError:
        # What it is instead is told by its hash.
        return
    if _REGISTERS in found:
        raise InputError(
            f"{path} is DINOv2 with register tokens, which gives other features; use "
            f"{WEIGHTS.file_name}"
        )
