"""Files of `torch.save` without running anything they hold.

First the zip directory and the pickle are checked from end to end (before torch 1.6 there was no
zip file: the pickles and the lengths), then torch reads the file with weights_only=True. Tensors in
a zip file are mapped: their bytes are read when they are used, so what a checkpoint holds beside
the weights costs no memory.
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

from samplebench.checkpoints.pickle_values import DamagedFile, Global, Refused
from samplebench.checkpoints.torch_pickle import (
    MAX_PICKLE,
    TENSORS,
    Attributes,
    NumpyType,
    check,
    check_legacy,
    number,
)
from samplebench.errors import InputError
from samplebench.files.atomic import regular
from samplebench.files.beginnings import HEAD, is_web_page, named
from samplebench.files.shown import shown

# The largest released checkpoint has 3,850 records: 0.5 MiB.
MAX_DIRECTORY = 4 << 20

# The last records of a zip file: end of directory, the 64-bit one's locator, the 64-bit one.
_END = struct.Struct("<4s4H2IH")
_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
# For torch, under the names that files written with NumPy 1 and 2 use.
_STAND_INS = [
    (NumpyType, "numpy.dtype"),
    (number, "numpy.core.multiarray.scalar"),
    (number, "numpy._core.multiarray.scalar"),
    (Attributes, "argparse.Namespace"),
]
_ONE_AT_A_TIME = threading.Lock()  # torch's list of safe globals is one for the process


def read_torch_file(path: Path, *, allowed: Mapping[tuple[str, str], Global] = TENSORS) -> Any:
    """What `torch.save` wrote: dictionaries, lists, numbers and tensors on the CPU.

    The tensors of a zip file are backed by it, and it must not change while they are in use;
    writing to one changes only the copy in memory.

    Args:
        path: the file.
        allowed: the globals that may occur: `TENSORS`, with `PARAMETERS` or `NUMPY_NUMBERS` where
            needed.

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
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        # Nothing of what torch refuses should get this far, but how it does so is not specified.
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: torch cannot read it ({shown(reason)}); refused") from None


def _check(path: Path, allowed: Mapping[tuple[str, str], Global]) -> bool:
    """Whether the tensors of a checked file lie so that they can be used in place."""
    with _File(regular(path)) as file:
        start = file.read(HEAD)
        if start.startswith(_LEGACY):
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            check_legacy(file, size, allowed)
            return False
        if not start.startswith(b"PK\x03\x04"):
            raise _foreign(start)
        try:
            with ZipFile(file) as archive:
                _check_end(file, archive)
                _check_kind(archive)
                offsets = _offsets(file, archive)
                root, records = _records(archive)
                data = archive.read(f"{root}/data.pkl")
        except (BadZipFile, NotImplementedError, EOFError, ValueError, struct.error) as error:
            raise DamagedFile(f"a broken zip file ({shown(str(error))})") from None
    check(data, records, allowed)
    return all(offsets[f"{root}/data/{key}"] % 8 == 0 for key in records)


class _File(io.FileIO):
    """Bounds the one read whose length the file itself decides, that of the zip directory."""

    def read(self, count: int | None = -1, /) -> bytes:
        if count is not None and count > MAX_DIRECTORY:
            raise Refused(f"a single read of {count} bytes, of its zip directory or its pickle")
        return super().read(count) or b""


def _check_kind(archive: ZipFile) -> None:
    """Refuses by name the zip files that others than torch.save write."""
    names = [info.filename for info in archive.infolist()]
    if names and all(name.endswith(".npy") for name in names):
        raise Refused("a NumPy archive (.npz), not a file of torch.save")
    inner = [name.partition("/")[2] for name in names]
    if any(name == "constants.pkl" or name.startswith("code/") for name in inner):
        raise Refused("a TorchScript archive, not a file of torch.save")
    if "dataset.json" in names:
        raise Refused("a zip file of images (dataset.json), not a file of torch.save")


def _records(archive: ZipFile) -> tuple[str, dict[str, int]]:
    """The folder that all records are in, and the bytes of each storage by key."""
    sizes: dict[str, int] = {}
    seen: set[str] = set()
    for info in archive.infolist():
        name = info.filename
        parts = name.split("/")
        if name != info.orig_filename or "\\" in name or not {"", ".", ".."}.isdisjoint(parts):
            raise Refused(f"a record named '{shown(info.orig_filename)}'")
        # torch looks records up without regard to case.
        if name.lower() in seen:
            raise Refused(f"two records named '{shown(name)}'")
        seen.add(name.lower())
        sizes[name] = info.file_size
    roots = {name.split("/")[0] for name in sizes}
    pickles = [name for name in sizes if name.split("/")[-1] == "data.pkl"]
    root = min(roots, default="")
    if len(roots) != 1 or len(pickles) > 1:
        raise Refused(f"{len(pickles)} data.pkl in {len(roots)} folders, not one in one")
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


def _check_end(file: io.FileIO, archive: ZipFile) -> None:
    """The zip directory that Python found must be the one that torch will find.

    Each looks for it in its own way, so a file can hold one for either: nothing may lie between
    directory, 64-bit end record, its locator and end record, and all must say the same.

    Raises:
        Refused: they do not.
    """
    if archive.comment:
        raise Refused("a zip file with a comment")
    size = file.seek(0, io.SEEK_END)
    end = size - _END.size
    file.seek(max(0, end - _LOCATOR.size - _END64.size))
    tail = file.read(size - file.tell())
    signature, *_, count, length, start, _ = _END.unpack(tail[-_END.size :])
    stated = [(count, 0xFFFF), (length, 0xFFFFFFFF), (start, 0xFFFFFFFF)]
    where = tail[-_END.size - _LOCATOR.size : -_END.size]
    if where.startswith(b"PK\x06\x07") and len(tail) == _END64.size + _LOCATOR.size + _END.size:
        end -= _LOCATOR.size + _END64.size
        _, _, pointed, _ = _LOCATOR.unpack(where)
        signature64, *_, count, length, start = _END64.unpack(tail[: _END64.size])
        if signature64 != b"PK\x06\x06" or pointed != end:
            raise Refused("a zip file with a second directory")
    wide = zip((count, length, start), stated, strict=True)
    if (
        signature != b"PK\x05\x06"
        or any(narrow not in (value, most) for value, (narrow, most) in wide)
        or start != archive.start_dir
        or start + length != end
        or count != len(archive.infolist())
    ):
        raise Refused("a zip file with a second directory")


def _offsets(file: io.FileIO, archive: ZipFile) -> dict[str, int]:
    """Where each record's bytes begin.

    Raises:
        Refused: a record that is compressed or encrypted, or shares bytes with another.
        DamagedFile: a record's own header contradicts the directory.
    """
    starts, end = {}, 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = shown(info.filename)
        if info.compress_type != ZIP_STORED or info.flag_bits & 1:
            raise Refused(f"record '{name}' is compressed or encrypted")
        if info.compress_size != info.file_size:
            raise DamagedFile(f"record '{name}' states two lengths")
        if info.header_offset < end:
            raise Refused(f"record '{name}' overlaps another")
        start = info.header_offset + _header_bytes(file, info)
        end = start + info.file_size
        if end > archive.start_dir:
            raise DamagedFile(f"record '{name}' reaches beyond the file")
        starts[info.filename] = start
    return starts


def _header_bytes(file: io.FileIO, info: ZipInfo) -> int:
    """Length of the header before a record, from the header itself."""
    file.seek(info.header_offset)
    fixed = struct.Struct("<4s4xH16xHH")
    signature, method, name, extra = fixed.unpack(file.read(fixed.size))
    if signature != b"PK\x03\x04" or method != ZIP_STORED:
        raise DamagedFile(
            f"record '{shown(info.filename)}' has another header than the zip directory"
        )
    if file.read(name) != info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"):
        raise DamagedFile(f"record '{shown(info.filename)}' has another name in its header")
    return fixed.size + name + extra


def _foreign(start: bytes) -> Refused:
    """What a file is that is no zip file, from its first 512 bytes."""
    if not start:
        return DamagedFile("an empty file")
    if is_web_page(start):
        return DamagedFile("a web page, not a checkpoint: the download went wrong")
    if found := named(start):
        return Refused(f"{found}, not a file of torch.save")
    if start[0] == 0x80:
        return Refused("a bare pickle, not a file of torch.save (EDM's are: format 'edm')")
    return Refused("not a file of torch.save")
