"""What is about to be downloaded: size, licence, where from and where to."""

from __future__ import annotations

from typing import TextIO

from samplebench.download.address import shown
from samplebench.download.artefact import Artefact
from samplebench.download.cache import megabytes


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
    from samplebench.download.fetch import plan

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
