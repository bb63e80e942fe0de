"""What the pickle inside a file of `torch.save` may say; nothing of it is built here.

torch's own reader with weights_only=True runs no foreign code, but it knows many more functions
than a checkpoint needs, calls them with any arguments, and completes any tensor (BUILD). So the
pickle is gone through once, with inert records in place of tensors, before torch sees it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samplebench.checkpoints.legacy_storage import DTYPES, check_writer
from samplebench.checkpoints.numpy_scalar import NUMBERS
from samplebench.checkpoints.pickle_machine import Machine
from samplebench.checkpoints.pickle_values import Buildable, DamagedFile, Global, Refused
from samplebench.files.shown import shown

MAX_DIMENSIONS = 8
MAX_KEY_BITS = 64
# The largest released checkpoint's pickle has 0.4 MiB.
MAX_PICKLE = 4 << 20


def check(
    data: bytes, records: Mapping[str, int], allowed: Mapping[tuple[str, str], Global]
) -> None:
    """Goes through a pickle.

    Args:
        data: the pickle, protocol 2.
        records: bytes of each storage, by key.
        allowed: the globals that may occur, e.g. `TENSORS`.

    Raises:
        Refused: another global, or an allowed one used otherwise than `torch.save` uses it.
        DamagedFile: the pickle breaks off, or a storage is not as long as it says.
    """
    if data[:2] != b"\x80\x02":
        raise Refused("its data.pkl is not a pickle of protocol 2")
    machine = _Machine(io.BytesIO(data), len(data), allowed, _Storages(records))
    machine.load()
    if machine.position != len(data):
        raise Refused(f"{len(data) - machine.position} bytes follow the end of its data.pkl")


def check_legacy(file: io.FileIO, size: int, allowed: Mapping[tuple[str, str], Global]) -> None:
    """Goes through a file of `torch.save` before version 1.6.

    Three pickles about the writer, one of the content, one with the keys of the storages; then for
    each of these the number of elements in 8 bytes, and the elements.

    Args:
        file: at its beginning.
        size: its bytes.
        allowed: the globals that may occur.

    Raises:
        Refused: see `check`.
        DamagedFile: the file breaks off, or a storage is not as long as it says.
    """
    data = file.read(MAX_PICKLE)
    head = io.BytesIO(data)

    def load(table: Mapping[tuple[str, str], Global], storages: _Storages | None = None) -> Any:
        if not data.startswith(b"\x80\x02", head.tell()):
            raise Refused("one of its pickles is not of protocol 2")
        return _Machine(head, len(data), table, storages).load()

    check_writer(*(load({}) for _ in range(3)))
    storages = _LegacyStorages()
    load(allowed, storages)
    keys = load({})
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise Refused("its storages have no list of keys")
    if sorted(keys) != sorted(storages.seen):
        raise Refused("the storages that it lists are not those that it uses")
    position = head.tell()
    for key in keys:
        file.seek(position)
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storages.seen[key].count:
            raise DamagedFile(
                f"storage '{shown(key)}' of {storages.seen[key].count} elements, "
                f"whose data says {count}"
            )
        position += 8 + storages.records[key]
        if position > size:
            raise DamagedFile(f"breaks off within storage '{shown(key)}'")
    if position != size:
        raise Refused(f"{size - position} bytes follow its last storage")


class _Machine(Machine):
    """Ordered dictionaries and keys that are numbers, which the optimizer's state has."""

    def find(self, module: Any, name: Any) -> None:
        try:
            super().find(module, name)
        except Refused:
            where = f"{shown(module)}.{shown(name)}"
            raise Refused(
                f"global {where} is not part of such a checkpoint; a state dict saved alone is read"
            ) from None

    def target(self, wanted: type) -> Any:
        found = self.stack[-1]
        return found if wanted is dict and type(found) is _Ordered else super().target(wanted)

    def set_items(self, items: list[Any]) -> None:
        found = self.target(dict)
        if len(items) % 2:
            raise DamagedFile("a dictionary key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a deeply nested tuple would overflow the stack.
            if type(key) not in (str, int):
                raise Refused(f"a dictionary key of type {type(key).__name__}")
            # Larger numbers can be chosen so that all share a hash; an address has 64 bits.
            if type(key) is int and key.bit_length() > MAX_KEY_BITS:
                raise Refused(f"a dictionary key of {key.bit_length()} bits")
            found[key] = value


class _Ordered(dict[Any, Any], Buildable):
    """Stands for collections.OrderedDict."""

    def build(self, state: Any) -> None:
        if type(state) is not dict or state.keys() != {"_metadata"}:
            raise Refused("an OrderedDict is given other attributes than _metadata")


@dataclass(frozen=True, slots=True)
class _Storage:
    """Stands for `count` numbers of a record."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class _Tensor:
    """Stands for a view of a storage."""

    storage: _Storage


class _Storages:
    """The meaning of persistent ids: ("storage", class, key, device, number of elements)."""

    def __init__(self, records: Mapping[str, int]) -> None:
        self.records = records
        self.seen: dict[str, _Storage] = {}

    def __call__(self, found: Any) -> _Storage:
        if type(found) is not tuple or len(found) != 5 or found[0] != "storage":
            raise Refused("a persistent id that does not describe a storage")
        _, kind, key, location, count = found
        if type(kind) is not Global or kind.name not in _WIDTHS:
            raise Refused("a storage of no known type")
        if not (type(key) is type(location) is str and type(count) is int and count >= 0):
            raise Refused("a storage without key, device or number of elements")
        if key not in self.records:
            raise DamagedFile(f"storage '{shown(key)}' has no record in the file")
        if count * _WIDTHS[kind.name] != self.records[key]:
            raise DamagedFile(
                f"storage '{shown(key)}' has {self.records[key]} bytes, not {count} elements of "
                f"{_WIDTHS[kind.name]}"
            )
        storage = _Storage(kind.name, count)
        if self.seen.setdefault(key, storage) != storage:
            raise Refused(f"storage '{shown(key)}' has two types")
        return storage


class _LegacyStorages(_Storages):
    """As `_Storages`, of files that say how long a storage is only behind the pickle."""

    records: dict[str, int]

    def __init__(self) -> None:
        super().__init__({})

    def __call__(self, found: Any) -> _Storage:
        if type(found) is not tuple or len(found) != 6:
            raise Refused("a persistent id that does not describe a storage")
        *known, view = found
        if view is not None:
            raise Refused("a storage that is a view of another")
        _, kind, key, _, count = known
        if type(kind) is Global and type(key) is str and type(count) is int:
            self.records.setdefault(key, count * _WIDTHS.get(kind.name, 0))
        return super().__call__(tuple(known))


def _ordered(arguments: tuple[Any, ...]) -> _Ordered:
    if arguments != ():
        raise Refused("an OrderedDict is made from arguments")
    return _Ordered()


def _tensor(arguments: tuple[Any, ...]) -> _Tensor:
    if len(arguments) != 6:
        raise Refused(f"a tensor is made from {len(arguments)} arguments, not 6")
    storage, offset, size, stride, requires_grad, hooks = arguments
    if type(storage) is not _Storage or type(requires_grad) is not bool or hooks != {}:
        raise Refused("a tensor is made from other things than a storage")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride):
        raise Refused("a tensor without size and strides")
    if len(size) > MAX_DIMENSIONS:
        raise Refused(f"a tensor of {len(size)} dimensions")
    if any(type(n) is not int or n < 0 for n in (offset, *size, *stride)):
        raise Refused("a tensor with a negative or broken size, stride or offset")
    if 0 not in size:
        # Smallest stride first, each step must clear what the ones before cover.
        covered = 1
        for step, count in sorted(zip(stride, size, strict=True)):
            if count > 1 and step < covered:
                raise Refused("a tensor whose elements overlap in memory")
            covered += (count - 1) * step
        if offset + covered > storage.count:
            raise Refused("a tensor that reaches beyond its storage")
    return _Tensor(storage)


def _parameter(arguments: tuple[Any, ...]) -> _Tensor:
    if len(arguments) != 3:
        raise Refused(f"a parameter is made from {len(arguments)} arguments, not 3")
    tensor, requires_grad, hooks = arguments
    if type(tensor) is not _Tensor or type(requires_grad) is not bool or hooks != {}:
        raise Refused("a parameter is made from other things than a tensor")
    return tensor


class NumpyType(Buildable):
    """Stands for numpy.dtype of a plain number, here and where torch reads the pickle."""

    __slots__ = ("code",)

    def __init__(self, *arguments: Any) -> None:
        code, *others = arguments or ("",)
        if type(code) is not str or code not in NUMBERS or others != [False, True]:
            raise Refused("a NumPy type other than that of a number")
        self.code = code

    def build(self, state: Any) -> None:
        order = "|" if self.code.endswith("1") else "<"
        if state != (3, order, None, None, None, -1, -1, 0):
            raise Refused(f"a NumPy type that is not the machine's {self.code}")

    __setstate__ = build


def number(dtype: Any, data: Any) -> float | int | bool:
    """Stands for NumPy's constructor of scalars, here and where torch reads the pickle."""
    if type(dtype) is not NumpyType or type(data) is not bytes:
        raise Refused("a NumPy scalar that is not a number")
    layout = f"<{NUMBERS[dtype.code]}"
    if len(data) != struct.calcsize(layout):
        raise Refused(f"a NumPy scalar of type {dtype.code} with {len(data)} bytes")
    return struct.unpack(layout, data)[0]


class Attributes(Buildable):
    """Stands for argparse.Namespace, a trainer's options, here and where torch reads the pickle."""

    __slots__ = ()

    def build(self, state: Any) -> None:
        if type(state) is not dict:
            raise Refused("an argparse.Namespace without attributes")

    __setstate__ = build


def _encode(arguments: tuple[Any, ...]) -> bytes:
    """`_codecs.encode`, by which protocol 2 writes the bytes of a NumPy scalar."""
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":
        raise Refused("_codecs.encode is called with other arguments than a text and 'latin1'")
    if len(arguments[0]) > 8 or max(arguments[0], default="") > "\xff":
        raise Refused("_codecs.encode is called for other than the up to 8 bytes of a number")
    return arguments[0].encode("latin1")


def _scalar(arguments: tuple[Any, ...]) -> float | int | bool:
    if len(arguments) != 2:
        raise Refused("a NumPy scalar without type or value")
    return number(*arguments)


# Masks and flags may lie beside the weights.
_WIDTHS = {f"torch.{name}": width for name, (_, width) in DTYPES.items()}
_WIDTHS["torch.BoolStorage"] = 1
# A state dict, and plain data around it.
TENSORS: Mapping[tuple[str, str], Global] = {
    ("collections", "OrderedDict"): Global("collections.OrderedDict", _ordered),
    ("torch._utils", "_rebuild_tensor_v2"): Global("torch._utils._rebuild_tensor_v2", _tensor),
    **{("torch", name): Global(f"torch.{name}") for name in (*DTYPES, "BoolStorage")},
    ("argparse", "Namespace"): Global("argparse.Namespace", new=Attributes),
}
# A tensor that was trained, as a module holds it.
PARAMETERS: Mapping[tuple[str, str], Global] = {
    ("torch._utils", "_rebuild_parameter"): Global("torch._utils._rebuild_parameter", _parameter),
}
# NumPy's scalars; NumPy 2 has another name for their constructor.
NUMPY_NUMBERS: Mapping[tuple[str, str], Global] = {
    ("numpy", "dtype"): Global("numpy.dtype", lambda arguments: NumpyType(*arguments)),
    ("_codecs", "encode"): Global("_codecs.encode", _encode),
    **{
        (module, "scalar"): Global(f"{module}.scalar", _scalar)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    },
}
