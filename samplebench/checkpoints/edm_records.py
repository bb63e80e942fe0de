"""What stands for the objects of a network pickle: inert records, and what makes them.

A record holds what the file says and can do nothing. Tensors are made from the records after the
whole pickle has been read and checked: during the reading a file could still alter them.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints import legacy_storage, numpy_scalar
from samplebench.checkpoints.edm_families import EDM, PickleFamily
from samplebench.checkpoints.legacy_storage import Storage
from samplebench.checkpoints.numpy_array import ARRAYS
from samplebench.checkpoints.pickle_values import Blob, Buildable, Global, Refused, expect
from samplebench.files.shown import kind, shown

if TYPE_CHECKING:
    import torch

META_KEYS = ("type", "version", "module_src", "class_name", "state")
META_VERSION = 6
MAX_STORAGES = 10_000
MAX_DIMS = 8
_PIECE = 1 << 20  # bytes of a text that are decoded at once


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A window into a storage; `parameter`: a torch Parameter, not a buffer."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    parameter: bool = False

    def load(self, storages: dict[Storage, torch.Tensor]) -> torch.Tensor:
        """The tensor, `size`; `storages` holds those already read and gets the new one."""
        if self.storage not in storages:
            storages[self.storage] = self.storage.load()
        return storages[self.storage].as_strided(self.size, self.stride, self.offset)


@dataclass(slots=True, eq=False)
class Module(Buildable):
    """An object of one of a family's classes, or a ModuleDict."""

    class_name: str
    state: dict[str, Any] | None = None

    def build(self, state: Any) -> None:
        """Takes over a ModuleDict's `__dict__`, once."""
        if type(state) is not dict:
            raise Refused(f"the state of a {self.class_name} is {kind(state)}, not a dictionary")
        if self.state is not None:
            raise Refused(f"a {self.class_name} is given a second state")
        self.state = state


@dataclass(eq=False)
class Records:
    """The functions behind the allowed globals, and what they may use up.

    Attributes:
        size: bytes of the file; storages and decoded texts may not sum to more.
        family: whose files are read.
        sources: SHA-256 of each embedded source text, in the order of the file. No other use is
            made of a source.
    """

    size: int
    family: PickleFamily = EDM
    sources: dict[str, str] = field(default_factory=dict)
    storages: int = 0
    stored: int = 0
    decoded: int = 0

    def table(self) -> dict[tuple[str, str], Global]:
        """The allowed globals by exact (module, name)."""
        calls: dict[tuple[str, str], Callable[[tuple[Any, ...]], Any]] = {
            ("torch_utils.persistence", "_reconstruct_persistent_obj"): self.persistent_object,
            ("collections", "OrderedDict"): _ordered_dict,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch.storage", "_load_from_bytes"): self.storage,
            ("numpy.core.multiarray", "scalar"): numpy_scalar.scalar,
            ("numpy._core.multiarray", "scalar"): numpy_scalar.scalar,
            ("numpy", "dtype"): numpy_scalar.dtype,
            # Protocols 2 and 3 write sets, protocol 2 bytes, in a roundabout way.
            ("builtins", "set"): _set,
            ("__builtin__", "set"): _set,
            ("_codecs", "encode"): self.latin_bytes,
        }
        classes: dict[tuple[str, str], Callable[[], Any]] = {
            ("torch.nn.modules.container", "ModuleDict"): lambda: Module("ModuleDict"),
            ("dnnlib.util", "EasyDict"): dict,
        }
        return {
            **(ARRAYS if self.family.arrays else {}),
            **{key: Global(".".join(key), reduce=call) for key, call in calls.items()},
            **{key: Global(".".join(key), new=make) for key, make in classes.items()},
        }

    def persistent_object(self, arguments: tuple[Any, ...]) -> Module:
        """The record of an object whose class definition travels with it as source text."""
        (meta,) = expect("_reconstruct_persistent_obj", arguments, dict)
        if tuple(meta) != META_KEYS:
            raise Refused(f"a persistent object without the keys {', '.join(META_KEYS)}")
        if meta["type"] != "class" or type(meta["version"]) is not int:
            raise Refused("a persistent object that is not a class")
        if meta["version"] != META_VERSION:
            raise Refused(
                f"a persistent object of version {meta['version']}, only {META_VERSION} is known"
            )
        source, name, state = meta["module_src"], meta["class_name"], meta["state"]
        if type(source) is not str:
            raise Refused("a persistent object whose source is not text of the usual length")
        family = self.family
        if type(name) is not str or name not in (*family.modules, *family.aside):
            raise Refused(f"class {shown(name)} is not part of an {family.name} checkpoint")
        if type(state) is not dict:
            raise Refused(f"the state of a {name} is {kind(state)}, not a dictionary")
        if source not in self.sources:
            encoded = source.encode("utf-8")
            self.sources[source] = hashlib.sha256(encoded).hexdigest()
        return Module(name, state)

    def storage(self, arguments: tuple[Any, ...]) -> Storage:
        """The record of a storage out of its `torch.save` stream."""
        (data,) = expect("_load_from_bytes", arguments, Blob)
        self.storages += 1
        if data.text or self.storages > MAX_STORAGES:
            raise Refused(f"a storage of text, or more than {MAX_STORAGES} storages")
        found = legacy_storage.parse(data)
        self.stored += found.nbytes
        if self.stored > self.size:
            raise Refused("storages hold more than the file does")
        return found

    def latin_bytes(self, arguments: tuple[Any, ...]) -> Blob:
        """The byte string that protocol 2 wrote as a text of one character per byte."""
        if len(arguments) != 2 or type(arguments[1]) is not str or arguments[1] != "latin1":
            raise Refused("_codecs.encode is called with other arguments than a text and latin1")
        text = arguments[0]
        if type(text) is str:
            encoded = text.encode("utf-8")
            text = Blob(io.BytesIO(encoded), 0, len(encoded), text=True)
        if type(text) is not Blob or not text.text:
            raise Refused(f"_codecs.encode is called with {kind(text)}")
        self.decoded += text.length
        if self.decoded > self.size:
            raise Refused("decoded texts hold more than the file does")
        # In pieces: whole, the text would be held in UTF-8, decoded and encoded again.
        data, decoder = io.BytesIO(), codecs.getincrementaldecoder("utf-8")()
        try:
            for start in range(0, text.length, _PIECE):
                last = start + _PIECE >= text.length
                data.write(decoder.decode(text.read(_PIECE, start), last).encode("latin-1"))
        except UnicodeEncodeError:
            raise Refused("_codecs.encode is called with a text that is not latin1") from None
        return Blob(data, 0, data.tell())


def _ordered_dict(arguments: tuple[Any, ...]) -> dict[str, Any]:
    expect("collections.OrderedDict", arguments)
    return {}


def _set(arguments: tuple[Any, ...]) -> set[Any]:
    (items,) = expect("set", arguments, list)
    if items:
        raise Refused("a set that is not empty does not occur in genuine files")
    return set()


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    tensor, _, hooks = expect("_rebuild_parameter", arguments, Tensor, bool, dict)
    if hooks:
        raise Refused("a parameter with hooks")
    return Tensor(tensor.storage, tensor.offset, tensor.size, tensor.stride, parameter=True)


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    # Newer versions of torch may append metadata, which plain tensors do not have.
    if len(arguments) == 7 and arguments[6] is None:
        arguments = arguments[:6]
    storage, offset, size, stride, _, hooks = expect(
        "_rebuild_tensor_v2", arguments, Storage, int, tuple, tuple, bool, dict
    )
    if hooks:
        raise Refused("a tensor with hooks")
    if len(size) != len(stride) or len(size) > MAX_DIMS:
        raise Refused(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in (offset, *size, *stride)):
        raise Refused("a tensor whose sizes, strides or offset are not counts")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset > storage.count or (prod(size) and last >= storage.count):
        raise Refused(f"a tensor that reaches beyond its storage of {storage.count} elements")
    if prod(size) > storage.count:
        raise Refused(f"a tensor of more elements than its storage, which has {storage.count}")
    return Tensor(storage, offset, size, stride)
