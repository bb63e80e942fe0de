"""What is about to be downloaded: size, licence, where from and where to."""

from __future__ import annotations

from typing import TextIO

from samplebench.checkpoints.catalog import Checkpoint
from samplebench.checkpoints.download.cache import megabytes
from samplebench.checkpoints.local import artefact


def announce(entry: Checkpoint, stream: TextIO, ask: bool = False) -> None:
    """Writes what a download would bring, or nothing where the file is here.

    Args:
        entry: of the catalogue.
        stream: to write to.
        ask: ask the server for a size that the catalogue does not know.
    """
    if not entry.remote:
        return
    from samplebench.checkpoints.fetch import plan

    found = plan(artefact(entry), ask=ask)
    if found.present:
        return
    size = "size not published" if found.size is None else megabytes(found.size)
    print(f"{entry.id}: {entry.file_name}, {size}, licence {entry.licence}", file=stream)
    print(f"  from {found.url or entry.location}", file=stream)
    print(f"  to   {found.path} ({megabytes(found.free)} free)", file=stream)
