"""What is about to be downloaded: size, licence, where from and where to."""

from __future__ import annotations

from typing import TextIO

from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.checkpoints.local import artefact
from samplebench.download.announce import announce_artefact


def announce(entry: Checkpoint, stream: TextIO | None, ask: bool = False) -> None:
    """Writes what a download would bring, or nothing where the file is here.

    Args:
        entry: of the catalogue.
        stream: to write to.
        ask: ask the server for a size that the catalogue does not know.
    """
    if entry.remote:
        announce_artefact(entry.id, artefact(entry), entry.licence, stream, ask)
