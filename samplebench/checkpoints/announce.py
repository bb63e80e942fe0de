"""What is about to be downloaded: size, licence, where from and where to."""

from __future__ import annotations

from typing import TextIO

from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.checkpoints.local import artefact
from samplebench.download.announce import announce_artefact
from samplebench.download.cache import megabytes


def announce(entry: Checkpoint, stream: TextIO | None, ask: bool = False) -> None:
    """Writes what a download would bring, or nothing where the file is here.

    Args:
        entry: of the catalogue.
        stream: to write to.
        ask: ask the server for a size that the catalogue does not know.
    """
    if entry.on_hub and stream is not None:
        size = "size not known" if entry.size is None else megabytes(entry.size)
        print(f"{entry.id}: {size}, licence {entry.licence}, from {entry.location}", file=stream)
    if entry.remote:
        announce_artefact(entry.id, artefact(entry), entry.licence, stream, ask)
