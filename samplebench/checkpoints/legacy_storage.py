"""The legacy `torch.save` stream of one storage, as a pickled tensor carries it.

Five pickles (magic number, protocol, the writer's system, a storage's description, the list of its
key), the number of elements in 8 bytes, the elements. torch's own reader of it,
`torch.storage._load_from_bytes`, is a full `torch.load` and runs what the stream asks for.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.checkpoints.pickle_machine import Machine
from samplebench.checkpoints.pickle_values import Blob, DamagedFile, Global, Refused
from samplebench.files.shown import shown

if TYPE_CHECKING:
    import torch

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SYSTEM = {
    "protocol_version": PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
MAX_HEADER = 2048  # the five pickles take some 240 bytes

# Storage class -> the dtype's name in torch, and bytes per element.
DTYPES = {
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "DoubleStorage": ("float64", 8),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
}
_TABLE = {("torch", name): Global(f"torch.{name}") for name in DTYPES}


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """`count` numbers that are still in the file, `nbytes` bytes of `data` from `start`."""

    data: Blob
    start: int
    dtype: str
    count: int
    nbytes: int

    def load(self) -> torch.Tensor:
        """The numbers, [count], in memory of their own.

        Raises:
            DamagedFile: the file was cut while it was read.
        """
        import torch

        numbers = torch.empty(self.count, dtype=getattr(torch, self.dtype))
        self.data.file.seek(self.data.start + self.start)
        # The bytes go straight to their place: reading needs no more memory than the tensors.
        place = numbers.view(torch.uint8).numpy().data
        if self.data.file.readinto(place) != self.nbytes:
            raise DamagedFile("breaks off within a tensor")
        return numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Header:
    """The fourth pickle: what is stored, under which key."""

    storage: str
    key: str
    count: int


def parse(data: Blob) -> Storage:
    """What the stream `data` describes; its elements are not read.

    Raises:
        Refused: anything but one storage of a known type, written on a little-endian machine.
        DamagedFile: the counts contradict each other or the length of the stream.
    """
    head = data.read(MAX_HEADER)
    if head.startswith(b"PK\x03\x04"):
        raise Refused("a storage stream in zip form does not occur in genuine files")
    if head[257:262] == b"ustar":
        raise Refused("a storage stream in tar form does not occur in genuine files")
    file = io.BytesIO(head)
    magic, protocol, system, header, keys = (
        Machine(file, len(head), _TABLE, _header).load() for _ in range(5)
    )
    check_writer(magic, protocol, system)
    if type(header) is not _Header:
        raise Refused("a storage stream that does not hold one storage")
    if type(keys) is not list or len(keys) != 1:
        raise Refused("a storage stream with other than one key")
    if type(keys[0]) is not str or keys[0] != header.key:
        raise Refused(f"a storage stream whose key is not '{shown(header.key)}', as announced")
    dtype, width = DTYPES[header.storage]
    start = file.tell() + 8
    count = int.from_bytes(head[start - 8 : start], "little", signed=True)
    if start > len(head) or count != header.count:
        raise DamagedFile(f"a storage of {header.count} elements whose data says {count}")
    if data.length - start != count * width:
        raise DamagedFile(f"a storage of {count} {dtype} with {data.length - start} bytes")
    return Storage(data, start, dtype, count, count * width)


def check_writer(magic: Any, protocol: Any, system: Any) -> None:
    """What such a stream begins with.

    Raises:
        Refused: other values than a little-endian machine's torch writes.
    """
    if type(magic) is not int or magic != MAGIC:
        raise Refused("a storage stream without torch's magic number")
    if type(protocol) is not int or protocol != PROTOCOL:
        raise Refused(f"a storage stream of protocol {shown(protocol)}, not {PROTOCOL}")
    if type(system) is not dict or system.keys() != SYSTEM.keys():
        raise Refused("a storage stream that does not describe its system")
    if system["little_endian"] is not True:
        raise Refused("a storage stream of a big-endian machine")
    for key, value in SYSTEM.items():
        if type(system[key]) is not type(value) or system[key] != value:
            raise Refused(f"a storage stream with an unusual {key}")


def _header(found: Any) -> _Header:
    """The persistent id of a storage."""
    if type(found) is not tuple or len(found) != 6 or found[0] != "storage":
        raise Refused("a persistent id that does not describe a storage")
    _, kind, key, location, count, view = found
    if type(kind) is not Global or type(key) is not str or not re.fullmatch(r"[0-9]{1,32}", key):
        raise Refused("a storage without type or key")
    if type(location) is not str or not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", location):
        raise Refused(f"a storage on the unknown device {shown(location)}")
    if type(count) is not int or count < 0:
        raise Refused(f"a storage with {shown(count)} elements")
    if view is not None:
        raise Refused("a storage that is a view of another")
    return _Header(kind.name.removeprefix("torch."), key, count)
