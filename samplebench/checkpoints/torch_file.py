"""Files of `torch.save` (torch 1.6 and later, zip form) without running anything they hold.

First the zip directory and the pickle are checked from end to end, then torch reads the file with
weights_only=True. Tensors are mapped: their bytes are read when they are used, so what a checkpoint
holds beside the weights costs no memory.
"""

from __future__ import annotations

import io
import re
import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from samplebench.checkpoints.pickle_values import Damaged, Global, Refused, shown
from samplebench.checkpoints.torch_pickle import TENSORS, Float64, check, float64
from samplebench.errors import InputError

# The largest released checkpoint has 3,850 records: 0.4 MiB of pickle, 0.5 MiB of directory.
MAX_PICKLE = 4 << 20
MAX_DIRECTORY = 4 << 20

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
# For torch, under the names that files written with NumPy 1 and 2 use.
_STAND_INS = [
    (Float64, "numpy.dtype"),
    (float64, "numpy.core.multiarray.scalar"),
    (float64, "numpy._core.multiarray.scalar"),
]
_ONE_AT_A_TIME = threading.Lock()  # torch's list of safe globals is one for the process


def read_torch_file(path: Path, *, allowed: Mapping[tuple[str, str], Global] = TENSORS) -> Any:
    """What `torch.save` wrote: dictionaries, lists, numbers and tensors on the CPU.

    The tensors are backed by the file, which must not change while they are in use; writing to one
    changes only the copy in memory.

    Args:
        path: the file.
        allowed: the globals that may occur: `TENSORS`, with `NUMPY_FLOAT64` where needed.

    Raises:
        InputError: it cannot be read, or is not such a file.
    """
    import torch

    try:
        mapped = _check(path, allowed)
        with _ONE_AT_A_TIME, torch.serialization.safe_globals(_STAND_INS):  # type: ignore[arg-type]
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mapped)
    except Refused as error:
        raise InputError(f"{path}: {error}; {error.advice}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        # Nothing of what torch refuses should get this far, but how it does so is not specified.
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: torch cannot read it ({shown(reason)}); refused") from None


def _check(path: Path, allowed: Mapping[tuple[str, str], Global]) -> bool:
    """Whether the tensors of a checked file lie so that they can be used in place."""
    with _File(path) as file:
        start = file.read(512)
        if not start.startswith(b"PK\x03\x04"):
            raise _foreign(start)
        try:
            with ZipFile(file) as archive:
                offsets = _offsets(file, archive)
                root, records = _records(archive)
                data = archive.read(f"{root}/data.pkl")
        except (BadZipFile, NotImplementedError, EOFError, ValueError, struct.error) as error:
            raise Damaged(f"a broken zip file ({shown(str(error))})") from None
    check(data, records, allowed)
    return all(offsets[f"{root}/data/{key}"] % 8 == 0 for key in records)


class _File(io.FileIO):
    """Bounds the one read whose length the file itself decides, that of the zip directory."""

    def read(self, count: int | None = -1, /) -> bytes:
        if count is not None and count > MAX_DIRECTORY:
            raise Refused(f"a single read of {count} bytes, of its zip directory or its pickle")
        return super().read(count) or b""


def _records(archive: ZipFile) -> tuple[str, dict[str, int]]:
    """The folder that all records are in, and the bytes of each storage by key."""
    sizes: dict[str, int] = {}
    for info in archive.infolist():
        name = info.filename
        parts = name.split("/")
        if name != info.orig_filename or "\\" in name or not {"", ".", ".."}.isdisjoint(parts):
            raise Refused(f"a record named '{shown(info.orig_filename)}'")
        if name in sizes:
            raise Refused(f"two records named '{shown(name)}'")
        sizes[name] = info.file_size
    roots = {name.split("/")[0] for name in sizes}
    pickles = [name for name in sizes if name.split("/")[-1] == "data.pkl"]
    root = min(roots, default="")
    if len(roots) != 1 or len(pickles) > 1:
        raise Refused(f"{len(pickles)} data.pkl in {len(roots)} folders, not one in one")
    if f"{root}/constants.pkl" in sizes or any(n.startswith(f"{root}/code/") for n in sizes):
        raise Refused("a TorchScript archive, not a file of torch.save")
    if pickles != [f"{root}/data.pkl"] or f"{root}/version" not in sizes:
        raise Refused("a zip file without data.pkl or version, not a file of torch.save")
    if sizes[pickles[0]] > MAX_PICKLE:
        raise Refused(f"a data.pkl of {sizes[pickles[0]]} bytes")
    order = f"{root}/byteorder"
    if order in sizes and (sizes[order] != 6 or archive.read(order) != b"little"):
        raise Refused("its byte order is not little-endian")
    storages = re.compile(re.escape(f"{root}/data/") + r"([^/]+)")
    found = ((storages.fullmatch(name), size) for name, size in sizes.items())
    return root, {match[1]: size for match, size in found if match}


def _offsets(file: io.FileIO, archive: ZipFile) -> dict[str, int]:
    """Where each record's bytes begin.

    Raises:
        Refused: a record that is compressed or encrypted, or shares bytes with another.
        Damaged: a record's own header contradicts the directory.
    """
    if archive.comment:
        raise Refused("a zip file with a comment")
    starts, end = {}, 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = shown(info.filename)
        if info.compress_type != ZIP_STORED or info.flag_bits & 1:
            raise Refused(f"record '{name}' is compressed or encrypted")
        if info.compress_size != info.file_size:
            raise Damaged(f"record '{name}' states two lengths")
        if info.header_offset < end:
            raise Refused(f"record '{name}' overlaps another")
        start = info.header_offset + _header_bytes(file, info)
        end = start + info.file_size
        if end > archive.start_dir:
            raise Damaged(f"record '{name}' reaches beyond the file")
        starts[info.filename] = start
    return starts


def _header_bytes(file: io.FileIO, info: ZipInfo) -> int:
    """Length of the header before a record, from the header itself."""
    file.seek(info.header_offset)
    fixed = struct.Struct("<4s4xH16xHH")
    signature, method, name, extra = fixed.unpack(file.read(fixed.size))
    if signature != b"PK\x03\x04" or method != ZIP_STORED:
        raise Damaged(f"record '{shown(info.filename)}' has another header than the zip directory")
    if file.read(name) != info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"):
        raise Damaged(f"record '{shown(info.filename)}' has another name in its header")
    return fixed.size + name + extra


def _foreign(start: bytes) -> Refused:
    """What a file is that is no zip file, from its first 512 bytes."""
    if not start:
        return Damaged("an empty file")
    if start.lstrip()[:1] == b"<":
        return Damaged("a web page, not a checkpoint: the download went wrong")
    if start.startswith(_LEGACY):
        return Refused("the format of torch.save before 1.6; save it again with a newer torch")
    if start[257:262] == b"ustar":
        return Refused("a tar file, not a file of torch.save")
    if start[0] == 0x80:
        return Refused("a bare pickle, not a file of torch.save (EDM's are: format 'edm')")
    return Refused("not a file of torch.save")
