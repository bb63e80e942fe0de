"""What is about to be downloaded: size, licence, where from and where to."""

from __future__ import annotations

from typing import TextIO

from samplebench.checkpoints.catalog import Checkpoint
from samplebench.checkpoints.download.address import shown
from samplebench.checkpoints.download.artefact import Artefact
from samplebench.checkpoints.download.cache import megabytes
from samplebench.checkpoints.local import artefact


def announce(entry: Checkpoint, stream: TextIO | None, ask: bool = False) -> None:
    """Writes what a download would bring, or nothing where the file is here.

    Args:
        entry: of the catalogue.
        stream: to write to.
        ask: ask the server for a size that the catalogue does not know.
    """
    if entry.remote:
        announce_artefact(entry.id, artefact(entry), entry.licence, stream, ask)


def announce_artefact(
    name: str, file: Artefact, licence: str, stream: TextIO | None, ask: bool = False
) -> None:
    """Writes what the download of one file would bring, or nothing where it is here.

    Args:
        name: what the file belongs to, e.g. the catalogue's id.
        file: to be fetched.
        licence: in words.
        stream: to write to.
        ask: ask the server for a size that is not known.
    """
    from samplebench.checkpoints.fetch import plan

    found = plan(file, ask=ask)
    if found.present:
        return
    size = "size not published" if found.size is None else megabytes(found.size)
    lines = (
        f"{name}: {file.file_name}, {size}, licence {licence}",
        f"  from {found.url or shown(file.url)}",
        f"  to   {found.path} ({megabytes(found.free)} free)",
    )
    if stream is not None:  # as stderr is where it was closed
        for line in lines:
            print(line, file=stream)
