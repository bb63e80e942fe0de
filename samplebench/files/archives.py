"""Zip archives and NumPy files of others: what they hold is looked at before it is read."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from samplebench.errors import EnvironmentError_, SamplebenchError
from samplebench.files.atomic import regular
from samplebench.files.beginnings import HEAD, what
from samplebench.files.shown import shown

# numpy takes headers of up to 10,000 characters.
_HEAD = 12_000
# An array read whole may unpack to this, or to _RATIO times its packed bytes: numbers hardly pack.
_FREE, _RATIO = 64 << 20, 8
# Bytes of a zip directory that need no reason.
_DIRECTORY = 64 << 10
_PIECE = 1 << 20
# What a member of a zip archive begins with (APPNOTE 4.3.7): its sign, and where two lengths are.
_LOCAL, _SIGN, _NAME, _EXTRA = 30, b"PK\3\4", slice(26, 28), slice(28, 30)


class Unreadable(ValueError):
    """Why a file cannot be read, in a few words and without its name."""


@contextmanager
def one_line() -> Iterator[None]:
    """Around libraries that read a file: however they fail, it is `Unreadable`.

    Raises:
        Unreadable: with the first line of what the library said.
        EnvironmentError_: memory ran out.
    """
    try:
        yield
    except (SamplebenchError, Unreadable):
        raise
    except MemoryError:
        raise EnvironmentError_("out of memory while reading a file; free some memory") from None
    except OSError as error:
        raise Unreadable(error.strerror or shown(str(error))) from None
    except Exception as error:  # zipfile, zlib, lzma, numpy and Pillow raise a dozen others
        reason = str(error).strip().split("\n")[0]
        raise Unreadable(shown(reason) or type(error).__name__) from None


class _Bounded(io.FileIO):
    """A file that bounds the one read whose length the file itself decides: a zip's directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(regular(path))
        self.size = self.seek(0, io.SEEK_END)
        self.seek(0)
        # Every member takes more outside of the directory than in it.
        self.limit: float = max(_DIRECTORY, self.size / 2)

    def read(self, count: int | None = -1, /) -> bytes:
        if count is not None and count > self.limit:
            raise Unreadable("its zip directory is larger than its members can be")
        return super().read(count) or b""


@contextmanager
def opened(path: Path) -> Iterator[ZipFile]:
    """A zip archive; what fails inside is `Unreadable` too.

    Raises:
        Unreadable: not a whole archive, or one with encrypted members, impossible sizes or two
            members of one name.
    """
    with one_line(), _Bounded(path) as file, ZipFile(file) as archive:
        file.limit = math.inf
        seen = set()
        for info in archive.infolist():
            if info.flag_bits & 1:
                raise Unreadable(f"its member '{shown(info.filename)}' is encrypted")
            if info.compress_size > file.size:
                raise Unreadable(f"its member '{shown(info.filename)}' is larger than the file")
            if info.filename in seen:
                raise Unreadable(f"it has two members '{shown(info.filename)}'")
            seen.add(info.filename)
        yield archive


@dataclass(frozen=True)
class Stored:
    """An array in a file, of which only the header has been read.

    Attributes:
        shape, dtype: as its header says.
        fortran: the first index runs fastest.
        offset: bytes before its numbers.
        packed: bytes that it takes in the file.
        path, member: where it is; no member in an .npy.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int
    packed: int
    path: Path
    member: ZipInfo | None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def text(self) -> str:
        """Its kind and shape, for messages."""
        return f"{self.dtype} {list(self.shape)}"

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        """The array in pieces of up to `rows` along its first axis, without ever being whole.

        Raises:
            Unreadable: it is damaged.
        """
        if self.fortran:
            whole = self.whole()
            yield from (whole[i : i + rows] for i in range(0, len(whole), rows))
            return
        with self._data() as file:
            for start in range(0, self.shape[0], rows):
                shape = (min(rows, self.shape[0] - start), *self.shape[1:])
                yield self._array(file, shape)
            file.read(1)  # the end of a member is where its checksum is looked at

    def whole(self) -> np.ndarray:
        """The array.

        Raises:
            Unreadable: it is damaged, or unpacks to far more than numbers can.
        """
        self.refuse_bomb()
        with self._data() as file:
            array = self._array(file, self.shape)
            file.read(1)
        return array

    def mapped(self) -> np.ndarray:
        """The array, read-only and where it lies in the file; read whole where it is packed there.

        A member of an archive is read through once before, for its checksum.

        Raises:
            Unreadable: as `whole` does.
        """
        begin = self._begin() if self.nbytes and self.dtype.isnative else None
        if begin is None:
            array = self.whole()
            array.flags.writeable = False
            return array
        order: Any = "F" if self.fortran else "C"
        with one_line():
            if self.member is not None:
                with _member(self.path, self.member) as file:
                    while file.read(_PIECE):
                        pass
            return np.asarray(np.memmap(self.path, self.dtype, "r", begin, self.shape, order))

    def _begin(self) -> int | None:
        """Bytes of the file before the array's numbers; None where these are packed."""
        info = self.member
        if info is None:
            return self.offset
        if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
            return None
        with one_line(), regular(self.path).open("rb") as file:
            file.seek(info.header_offset)
            head = bytes(_exactly(file, _LOCAL))
        if not head.startswith(_SIGN):
            raise Unreadable("a member of it does not begin where its directory says")
        lengths = (int.from_bytes(head[part], "little") for part in (_NAME, _EXTRA))
        return info.header_offset + _LOCAL + sum(lengths) + self.offset

    def refuse_bomb(self) -> None:
        """Raises `Unreadable` where more comes out than numbers could be packed to."""
        if self.nbytes > max(_FREE, _RATIO * self.packed):
            raise Unreadable(f"{self.packed:,} bytes that unpack to {self.nbytes:,}")

    def _array(self, file: IO[bytes], shape: tuple[int, ...]) -> np.ndarray:
        data = _exactly(file, math.prod(shape) * self.dtype.itemsize)
        array = np.frombuffer(data, self.dtype).reshape(shape, order="F" if self.fortran else "C")
        return array.astype(self.dtype.newbyteorder("="), copy=False)

    @contextmanager
    def _data(self) -> Iterator[IO[bytes]]:
        """The file from the array's first number on."""
        with _member(self.path, self.member) as file:
            _exactly(file, self.offset)
            yield file


class Arrays:
    """The arrays of an .npz by key, or that of an .npy under ""; headers are read when asked for.

    Args:
        path: of the file.

    Attributes:
        keys: of the arrays.
        others: names of members that are no arrays.

    Raises:
        Unreadable: it is neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, ZipInfo | None] = {"": None}
        self.others: list[str] = []
        with one_line():
            with regular(path).open("rb") as file:
                start = file.read(HEAD)
        if not start.startswith(npy.MAGIC_PREFIX):
            if not start.startswith(b"PK"):
                raise Unreadable(f"it is {what(start)}")
            with opened(path) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
            self._members = {i.filename[:-4]: i for i in infos if i.filename.endswith(".npy")}
            self.others = [i.filename for i in infos if not i.filename.endswith(".npy")]
        self.keys = tuple(self._members)

    def __getitem__(self, key: str) -> Stored:
        """The header of one array.

        Raises:
            Unreadable: it is no plain array, or less is there than its header says.
        """
        info = self._members[key]
        with _member(self._path, info) as file:
            head = io.BytesIO(file.read(_HEAD))
        shape, fortran, dtype = _header(head)
        size = info.file_size if info else self._path.stat().st_size
        packed = info.compress_size if info else size
        found = Stored(shape, dtype, fortran, head.tell(), packed, self._path, info)
        if dtype.hasobject:
            raise Unreadable("objects, which could run code: numpy's allow_pickle is never used")
        if dtype.fields or dtype.subdtype or not dtype.itemsize or min(shape, default=0) < 0:
            raise Unreadable(f"{shown(found.text)} is not a plain array")
        if size - head.tell() < found.nbytes:
            raise Unreadable(f"cut off: {found.text} takes {found.nbytes:,} bytes, not {size:,}")
        return found

    def named(self) -> str:
        """Its keys in words, a few of them."""
        keys = [shown(key) for key in self.keys[:8]]
        more = len(self.keys) - len(keys)
        return ", ".join(keys) + (f" and {more:,} more" if more else "") or "no array"


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type from the beginning of an .npy."""
    with one_line(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that Python 2 wrote
        try:
            version = npy.read_magic(file)
            if version == (1, 0):
                return npy.read_array_header_1_0(file)
            if version == (2, 0):
                return npy.read_array_header_2_0(file)
        except (RecursionError, MemoryError):
            raise Unreadable("the header of its array is too deep") from None
    raise Unreadable(f"an array of NumPy's format {version}, which is for structures")


@contextmanager
def _member(path: Path, info: ZipInfo | None) -> Iterator[IO[bytes]]:
    """A member of a zip archive, or the file itself, to be read once."""
    with one_line():
        if info is None:
            with regular(path).open("rb") as file:
                yield file
        else:
            with opened(path) as archive, archive.open(info) as inside:
                yield inside


def _exactly(file: IO[bytes], count: int) -> bytearray:
    """That many bytes; memory grows with what is there, not with what is announced."""
    data = bytearray()
    while len(data) < count:
        more = file.read(min(_PIECE, count - len(data)))
        if not more:
            raise Unreadable(f"cut off after {len(data):,} of {count:,} bytes")
        data += more
    return data
