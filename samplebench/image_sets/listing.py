"""Which entries of a folder or a zip archive are images of the set, and what is said of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from samplebench.errors import InputError
from samplebench.image_sets.picture import SUFFIXES, looks_like_one

# What file managers and notebooks leave behind: copies, thumbnails, resource forks.
_LEFT_BEHIND = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin",
    "system volume information", "lost+found",
}  # fmt: skip
# Images all the same: a set with one of them is not read in part.
_UNREAD = frozenset(
    ".heic .heif .hif .jxl .jxr .jp2 .j2k .jpc .jpf .jpx .j2c .psd .psb .svg .svgz .eps .ps "
    ".ico .cur .icns .wmf .emf .exr .hdr .dng .nef .cr2 .cr3 .arw .raf .orf .rw2 .dcm .nii "
    ".fits .fit .fts .dds .im .msp .xbm .xpm .fli .flc .ftc .ftu .gbr .pcd .pxr .blp .dcx .iim "
    ".avifs .mng .jng .xcf".split()
)
_SHOWN = 3


@dataclass
class Listing:
    """The entries of a set as they are found.

    Attributes:
        images: their names, parts of a path below the set's.
        left_out: how many entries of which kind are no images of the set.
        refused: name and reason of entries that must not be left out.
    """

    images: list[tuple[str, ...]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def hidden(self, name: str) -> bool:
        """Whether an entry is of no concern, with all that is in it; it is counted then."""
        if not name.startswith(".") and name.lower() not in _LEFT_BEHIND:
            return False
        self.left_out["hidden"] += 1
        return True

    def add(self, parts: tuple[str, ...], shown: str, start: Callable[[], bytes]) -> None:
        """Sorts a file in.

        Args:
            parts: of its path below the set.
            shown: what it is called in messages.
            start: reads its first bytes, for names that do not say what it is.
        """
        suffix = suffix_of(parts)
        if suffix in SUFFIXES:
            self.images.append(parts)
        elif suffix in _UNREAD:
            self.refused.append((shown, f"{suffix} is not read here: save it as PNG"))
        elif not looks_like_one(start()):
            self.left_out[suffix or parts[-1]] += 1
        elif suffix:
            reason = f"an image under the suffix {suffix}: rename it or move it away"
            self.refused.append((shown, reason))
        else:
            self.images.append(parts)

    def note(self) -> tuple[str, ...]:
        """The line on what was left out, if anything was."""
        if not self.left_out:
            return ()
        kinds = [f"{count:,} {printable(kind)}" for kind, count in self.left_out.most_common(8)]
        more = len(self.left_out) - len(kinds)
        text = ", ".join(kinds) + (f" and {more:,} other kinds" if more else "")
        return (f"ignored, not images of the set: {text}",)


def suffix_of(parts: tuple[str, ...]) -> str:
    """Of a file's name, in lower case."""
    return PurePosixPath(parts[-1]).suffix.lower()


def refuse(found: Sequence[tuple[str, str]]) -> None:
    """Raises `InputError` with the first entry and its reason, and names some of the others."""
    if not found:
        return
    name, reason = found[0]
    text = f"{printable(name)} is not a readable image ({reason})"
    if others := [printable(name) for name, _ in found[1 : 1 + _SHOWN]]:
        dots = ", ..." if len(found) > 1 + _SHOWN else ""
        text += f"; {len(found) - 1:,} more are refused: {', '.join(others)}{dots}"
    raise InputError(text)


def printable(text: str) -> str:
    """Text from a file system or archive on one line, without escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
