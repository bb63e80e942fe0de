"""A zip archive of image files, EDM's with dataset.json among them: read without unpacking."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from samplebench.errors import InputError
from samplebench.files.archives import Unreadable, one_line, opened
from samplebench.image_sets.image_set import MAX_PIXELS
from samplebench.image_sets.listing import Listing, printable

# RGB of 16 bits, unpacked, and as much again for what else is in the file.
_LARGEST = 12 * MAX_PIXELS


class Zipped:
    """The images in a zip archive, which is read like its unpacked folder.

    Args:
        path: of the archive.

    Attributes:
        listing: what is in it.

    Raises:
        InputError: its members point outside of it, or unpack to more than there can be.
        Unreadable: it is damaged or encrypted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.listing = Listing()
        self._members: dict[tuple[str, ...], ZipInfo] = {}
        packed = 0
        with opened(path) as archive:
            for info in archive.infolist():
                parts = self._parts(info)
                packed += info.compress_size
                if info.is_dir() or self._hidden(parts):
                    continue
                if parts in self._members:
                    raise InputError(f"{path} holds '{printable(info.filename)}' twice")
                self._members[parts] = info
                self._sort_in(archive, info, parts)
        if packed > path.stat().st_size:
            raise InputError(f"{path} has members that overlap; a zip bomb, or damaged")
        self.listing.images.sort()

    def shown(self, parts: tuple[str, ...]) -> str:
        """What an image is called in messages."""
        return f"{self._path}/{'/'.join(parts)}"

    @contextmanager
    def reading(self) -> Iterator[Callable[[tuple[str, ...]], io.BytesIO]]:
        """Yields what maps an image's name to its bytes."""
        with opened(self._path) as archive:

            def read(parts: tuple[str, ...]) -> io.BytesIO:
                info = self._members[parts]
                if info.file_size > _LARGEST:
                    raise Unreadable(f"{info.file_size:,} bytes in one image")
                with one_line():
                    return io.BytesIO(archive.read(info))

            yield read

    def _parts(self, info: ZipInfo) -> tuple[str, ...]:
        """A member's path, in which both kinds of slashes part folders."""
        parts = tuple(p for p in info.filename.replace("\\", "/").split("/") if p not in ("", "."))
        if ".." in parts or info.filename.startswith(("/", "\\")) or info.filename[1:2] == ":":
            raise InputError(
                f"{self._path} holds '{printable(info.filename)}', which points outside of it"
            )
        return parts

    def _hidden(self, parts: tuple[str, ...]) -> bool:
        return not parts or any(self.listing.hidden(part) for part in parts)

    def _sort_in(self, archive: ZipFile, info: ZipInfo, parts: tuple[str, ...]) -> None:
        if stat.S_ISLNK(info.external_attr >> 16):
            self.listing.refused.append((self.shown(parts), "a link inside of a zip archive"))
            return

        def start() -> bytes:
            with archive.open(info) as file:
                return file.read(32)

        self.listing.add(parts, self.shown(parts), start)
