"""Network pickles of EDM and EDM2, read without running anything of theirs.

A file holds its networks' source text and asks the reader to execute it. Here the text is hashed
and dropped; names, shapes, values and constructor arguments say all that is needed. What a genuine
file does not contain is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.edm_families import EDM, FAMILIES, PickleFamily
from samplebench.checkpoints.edm_modules import init_kwargs, state_dict
from samplebench.checkpoints.edm_records import Module, Records
from samplebench.checkpoints.legacy_storage import Storage
from samplebench.checkpoints.pickle_machine import Machine
from samplebench.checkpoints.pickle_values import DamagedFile, Refused
from samplebench.checkpoints.structure import structure
from samplebench.errors import InputError
from samplebench.files.atomic import regular
from samplebench.files.beginnings import HEAD, is_web_page, named
from samplebench.files.shown import kind, shown

if TYPE_CHECKING:
    import torch

MAX_BYTES = 8 << 30  # the largest release has 3.0 GB


@dataclass(frozen=True)
class EdmPickle:
    """What a network pickle holds.

    Attributes:
        class_name: the preconditioner's class, e.g. "EDMPrecond".
        init_kwargs: its constructor arguments: plain numbers, texts, lists and dicts.
        tensors: its state dict, parameters and buffers in order, on the CPU.
        keys: of the file's outermost dictionary; the network is "ema".
        sources: SHA-256 of each embedded source text.
        encoder: class of what makes data for the network of images; "" where none is named.
    """

    class_name: str
    init_kwargs: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    keys: tuple[str, ...]
    sources: tuple[str, ...]
    encoder: str = ""

    @property
    def provenance(self) -> dict[str, Any]:
        """What the file says of its network beside the numbers."""
        return {
            "structure": structure((name, tensor.shape) for name, tensor in self.tensors.items()),
            "class_name": self.class_name,
            "init_kwargs": dict(self.init_kwargs),
            "embedded_source_sha256": list(self.sources),
        }


def read(path: Path, family: PickleFamily = EDM) -> EdmPickle:
    """Reads a network pickle; needs little more memory than the tensors.

    Raises:
        InputError: the file is no such pickle, one of the other family, is damaged, or holds what
            genuine ones do not.
    """
    try:
        with regular(path).open("rb") as file:
            return _read(file, family)
    except Refused as error:
        for other in FAMILIES:
            if other is not family and is_of(path, other):
                said = f"is a network pickle of {other.name}; its format is {other.format}"
                raise InputError(f"{path.name}: {said}") from None
        raise InputError(f"{path.name}: {error}; {error.advice}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def is_of(path: Path, family: PickleFamily) -> bool:
    """Whether a file holds a network of that family, however damaged or large it may be.

    No tensor is read.
    """
    try:
        with regular(path).open("rb") as file:
            _, network = _objects(file, Records(os.fstat(file.fileno()).st_size, family))
    except (Refused, InputError, OSError):
        return False
    return network.class_name in family.denoisers


def _read(file: BufferedReader, family: PickleFamily) -> EdmPickle:
    records = Records(os.fstat(file.fileno()).st_size, family)
    data, network = _objects(file, records)
    encoder = data.get("encoder")
    arguments, tensors = init_kwargs(network), state_dict(network, family)
    # Every check of the pickle is done: only now are numbers read.
    storages: dict[Storage, torch.Tensor] = {}
    return EdmPickle(
        class_name=network.class_name,
        init_kwargs=arguments,
        tensors={name: tensor.load(storages) for name, tensor in tensors.items()},
        keys=tuple(data),
        sources=tuple(records.sources.values()),
        encoder=encoder.class_name if type(encoder) is Module else "",
    )


def _objects(file: BufferedReader, records: Records) -> tuple[dict[str, Any], Module]:
    """The outermost dictionary, and the record of the network."""
    size, family = records.size, records.family
    if size > MAX_BYTES:
        raise Refused(f"{size >> 30} GiB, more than any {family.name} checkpoint has")
    _check_beginning(file.peek(HEAD)[:HEAD], family)
    machine = Machine(file, size, records.table())
    data = machine.load()
    if machine.position != size:
        raise Refused(f"{size - machine.position} bytes follow the end of the pickle")
    if type(data) is not dict or "ema" not in data:
        found = ", ".join(map(shown, list(data)[:4])) if type(data) is dict else kind(data)
        raise Refused(f"holds no network called 'ema' (it holds: {found})")
    network = data["ema"]
    if type(network) is not Module or network.class_name not in family.denoisers:
        raise Refused(f"'ema' is not one of {', '.join(family.denoisers)}")
    return data, network


def _check_beginning(head: bytes, family: PickleFamily) -> None:
    """Refuses what is no pickle, by name where the first bytes give it away."""
    if not head:
        raise DamagedFile("is empty")
    if is_web_page(head):
        raise DamagedFile("is a web page, not a checkpoint")
    if found := named(head):
        raise Refused(f"is {found}, not a pickle of {family.name}")
    if head[0] != 0x80:
        raise Refused("is not a pickle of protocol 2 to 5")
