"""What a preset needs that is not on this machine yet."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from samplebench.checkpoints.catalog import Checkpoint, catalog
from samplebench.checkpoints.local import artefact
from samplebench.download import drive
from samplebench.download.address import address
from samplebench.download.cache import path_of
from samplebench.features import inception_weights
from samplebench.features.weights import given
from samplebench.references import reference as references
from samplebench.reproduce.preset import ReproductionPreset

READY, DOWNLOAD = "ready", "needs download"
DATA, EXTRA = "needs data", "needs an extra"
# Extra -> the package that it brings.
_FID = ("fid", "torch_fidelity")


@dataclass(frozen=True)
class MissingFile:
    """A file to be fetched.

    Attributes:
        what: whose it is, e.g. the catalogue's id.
        size: in bytes; None where nobody publishes it.
    """

    what: str
    file_name: str
    size: int | None


@dataclass(frozen=True)
class Needs:
    """Of one preset.

    Attributes:
        files: to be fetched.
        extras: of samplebench to be installed, e.g. "fid".
        images: that a reference has to be made of; "" for none.
    """

    files: tuple[MissingFile, ...] = ()
    extras: tuple[str, ...] = ()
    images: str = ""

    @property
    def state(self) -> str:
        """What is hardest of what is left to do."""
        if self.images:
            return DATA
        if self.extras:
            return EXTRA
        return DOWNLOAD if self.files else READY


def needs(preset: ReproductionPreset) -> Needs:
    """What is missing for a preset; no connection is opened and no file is read."""
    entry, words = catalog()[preset.checkpoint], preset.words
    if entry.embedded:
        return Needs()
    entries: list[Checkpoint] = [entry]
    if guide := words.get("guiding_model"):
        entries.append(catalog()[guide])
    if words.get("guidance") == "classifier" and entry.classifier is not None:
        entries.append(entry.classifier)
    files = [artefact(each) for each in entries]
    reference = words.get("reference", entry.reference)
    if not preset.images and (found := references.load(reference).artefact):
        files.append(found)
    if given(inception_weights.VARIABLE) is None:
        files.append(inception_weights.WEIGHTS)
    missing = [each for each in files if not path_of(each).is_file()]
    extras = [_FID[0]] if importlib.util.find_spec(_FID[1]) is None else []
    if any(address(each) is None for each in missing) and not drive.available():
        extras.append("drive")
    to_fetch = tuple(MissingFile(each.name, each.file_name, each.size) for each in missing)
    return Needs(to_fetch, tuple(extras), preset.images)
