"""A folder of image files: all that are in it, through links, in sorted order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from samplebench.errors import InputError
from samplebench.image_sets.listing import Listing, suffix_of
from samplebench.image_sets.picture import SUFFIXES


class Folder:
    """The images below a folder.

    Args:
        root: the folder. Links to folders are followed, each folder once.

    Attributes:
        listing: what is in it.

    Raises:
        InputError: a folder below it cannot be read, so that images may be missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listing = Listing()
        self._seen: set[tuple[int, int]] = set()
        self._walk(root, ())
        self.listing.images.sort()

    def shown(self, parts: tuple[str, ...]) -> str:
        """What a file is called in messages."""
        return str(self.root.joinpath(*parts))

    @contextmanager
    def reading(self) -> Iterator[Callable[[tuple[str, ...]], Path]]:
        """Yields what maps an image's name to its file."""
        yield lambda parts: self.root.joinpath(*parts)

    def _walk(self, folder: Path, parts: tuple[str, ...]) -> None:
        # A stack of its own: folders may be nested deeper than Python calls.
        waiting = [(folder, parts)]
        while waiting:
            folder, parts = waiting.pop()
            try:
                state = folder.stat()
                names = sorted(os.listdir(folder))
            except OSError as error:
                raise InputError(
                    f"the folder {folder} cannot be read ({error.strerror}), and images may be in "
                    "it; make it readable or move it away"
                ) from None
            if (state.st_dev, state.st_ino) in self._seen:
                self.listing.left_out["link to a folder that is read already"] += 1
                continue
            self._seen.add((state.st_dev, state.st_ino))
            inner = [(folder / name, (*parts, name)) for name in names]
            # Sorted as `waiting` is emptied from its end.
            waiting += [entry for entry in reversed(inner) if self._is_folder(*entry)]

    def _is_folder(self, path: Path, parts: tuple[str, ...]) -> bool:
        """Whether an entry is a folder to be walked; any other is sorted in."""
        if self.listing.hidden(parts[-1]):
            return False
        image = suffix_of(parts) in SUFFIXES
        try:
            mode = path.stat().st_mode
        except OSError as error:
            # Behind a broken link without suffix there may have been a folder of images.
            if image or not suffix_of(parts):
                reason = f"a broken link: {error.strerror}" if path.is_symlink() else error.strerror
                self.listing.refused.append((str(path), str(reason)))
            else:
                self.listing.left_out["broken link"] += 1
            return False
        if stat.S_ISDIR(mode):
            return True
        if stat.S_ISREG(mode):
            self.listing.add(parts, str(path), lambda: self._start(path))
        elif image:
            self.listing.refused.append((str(path), "it is not a file"))
        else:
            self.listing.left_out["pipe, socket or device"] += 1
        return False

    def _start(self, path: Path) -> bytes:
        """The first bytes of a file whose name does not say that it is an image."""
        try:
            with path.open("rb") as file:
                return file.read(32)
        except OSError:
            self.listing.left_out["unreadable"] += 1
            return b""
