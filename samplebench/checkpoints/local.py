"""The verified local file of a checkpoint, wherever its location is."""

from __future__ import annotations

from pathlib import Path

from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.download.artefact import Artefact
from samplebench.download.kinds import OF_FORMAT
from samplebench.embedded import packaged
from samplebench.errors import InputError
from samplebench.files.atomic import sha256

# What a released file can need: weights, their average and Adam's two states take 16 bytes a
# parameter in float32. Twice that, and room for what is no tensor.
_A_PARAMETER = 32
_BESIDE = 1 << 26


def artefact(entry: Checkpoint) -> Artefact:
    """The released file of a checkpoint that has to be fetched."""
    parameters = max(0, entry.parameters or 0)
    most = _BESIDE + _A_PARAMETER * parameters if parameters else None
    return Artefact(
        entry.id,
        entry.location,
        entry.file_name,
        entry.size or None,
        entry.sha256 or None,
        container=OF_FORMAT.get(entry.format, ""),
        most=most,
    )


def local_file(entry: Checkpoint, *, offline: bool = False, quiet: bool = True) -> Path:
    """The checkpoint's file; fetched first where it has to be.

    Args:
        entry: of the catalogue.
        offline: open no connection.
        quiet: no progress on stderr.

    Raises:
        InputError: the file is missing, or is not what the catalogue says.
        EnvironmentError_: it cannot be fetched.
    """
    if entry.on_hub:
        from samplebench.download.hub import HubFile, fetch_at

        known = HubFile(entry.size, entry.sha256)
        return fetch_at(entry.location, known, offline=offline, quiet=quiet)
    if entry.remote:
        from samplebench.download.fetch import fetch

        return fetch(artefact(entry), offline=offline, progress=not quiet)
    if entry.embedded:
        path = packaged(entry.location.removeprefix("package://"))
        missing = f"{path.name} is missing from the installation; reinstall samplebench"
    else:
        path = Path(entry.path or entry.location)
        missing = f"{path} does not exist; give the file's path"
    if not path.is_file():
        raise InputError(f"{entry.id}: {missing}")
    if entry.published_at:
        from samplebench.download.fetch import verify

        verify(artefact(entry), path)
    elif entry.sha256 and (found := sha256(path)) != entry.sha256:
        raise InputError(
            f"{entry.id}: {path.name} has sha256 {found[:12]}..., the catalogue says "
            f"{entry.sha256[:12]}...: it is another file; "
            + ("reinstall samplebench" if entry.embedded else "download it again")
        )
    return path


def rejected(entry: Checkpoint, path: Path, error: InputError) -> InputError:
    """What to say of a file that turned out not to be the checkpoint's; see `fetch.reject`."""
    if not entry.published_at:
        return error
    from samplebench.download.fetch import reject

    return reject(artefact(entry), path, error)


def digest(entry: Checkpoint) -> str:
    """SHA-256 of the checkpoint's file, "" where nobody knows it before it is fetched."""
    if entry.sha256:
        return entry.sha256
    if entry.remote:
        from samplebench.download.fetch import known_sha256

        return known_sha256(artefact(entry)) or ""
    return sha256(local_file(entry))
