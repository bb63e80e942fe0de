"""Google Drive through gdown, where it is installed; its pages are too unsteady for own code."""

from __future__ import annotations

import errno
from pathlib import Path, PurePosixPath
from types import ModuleType

from samplebench.download import cache, patience
from samplebench.download.address import by_hand, drive_id, is_folder, shown
from samplebench.download.artefact import Artefact
from samplebench.download.bar import Bar
from samplebench.download.words import harmless
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS}


def download(artefact: Artefact, target: Path, *, progress: bool) -> Path:
    """Brings a file of Google Drive here, not yet verified.

    Args:
        artefact: with a Google Drive address.
        target: its final path; the download lies beside it.
        progress: show a bar.

    Returns:
        Where it lies.

    Raises:
        InputError: the folder does not hold the file.
        EnvironmentError_: gdown is missing, or Drive does not hand the file out (its quota, its
            pages, the network); the message is the manual step.
    """
    gdown = _gdown(artefact)
    raw = target.with_name(f"{target.name}.drive")
    if artefact.sha256 is None:
        # Across calls gdown cannot tell one version of a file from another.
        _clear(raw)
    try:
        with Bar(artefact.file_name, progress) as bar:

            def reach(size: int, total: int | None) -> None:
                expected = max(total or artefact.size or 0, size)
                cache.need(raw, expected - size)
                _bound(artefact, raw, expected, announced=expected > size)
                bar.reach(size, total or artefact.size)

            gdown.download(
                id=_file_id(gdown, artefact),
                output=str(raw),
                quiet=True,
                use_cookies=False,
                resume=True,
                timeout=patience.TIMEOUTS,
                retries=patience.ATTEMPTS - 1,
                progress=reach,
            )
    except SamplebenchError as error:
        if artefact.sha256 is None or isinstance(error, InputError):
            _clear(raw)
        raise
    # Whatever it is: Drive's pages change, and a scraper then fails in any way, or exits.
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            with cache.writing(raw):
                raise
        why = harmless(str(error) or type(error).__name__)
        raise EnvironmentError_(
            f"Google Drive refuses to send {artefact.file_name} ({why}); {by_hand(artefact)}"
        ) from error
    if not raw.is_file():
        raise EnvironmentError_(
            f"Google Drive refuses to send {artefact.file_name}; {by_hand(artefact)}"
        )
    return raw


def _clear(raw: Path) -> None:
    """Removes what gdown has left.

    Raises:
        EnvironmentError_: the cache cannot be written.
    """
    with cache.writing(raw):
        for left in (raw, *raw.parent.glob(f"{raw.name}*.part")):
            left.unlink(missing_ok=True)


def _bound(artefact: Artefact, raw: Path, size: int, *, announced: bool) -> None:
    """Ends a download that is too large for the file, or fills the disk without saying how long."""
    limit = artefact.size or artefact.most
    if limit is not None and size > limit:
        raise InputError(
            f"what Google Drive sends as {artefact.file_name} goes beyond "
            f"{cache.megabytes(limit)}: it is another file; {by_hand(artefact)}"
        )
    if not announced:
        cache.keep(raw, size)


def available() -> bool:
    """Whether gdown is installed."""
    try:
        import gdown  # noqa: F401
    except ImportError:
        return False
    return True


def _gdown(artefact: Artefact) -> ModuleType:
    try:
        import gdown
    except ImportError:
        raise EnvironmentError_(
            f"{artefact.name} is on Google Drive, which needs gdown: pip install "
            f"'samplebench[drive]'; or {by_hand(artefact)}"
        ) from None
    return gdown


def _file_id(gdown: ModuleType, artefact: Artefact) -> str | None:
    """The file's own id, or that of the folder's file with the right name."""
    if not is_folder(artefact):
        return drive_id(artefact)
    listed = gdown.download_folder(
        id=drive_id(artefact),
        quiet=True,
        use_cookies=False,
        skip_download=True,
        timeout=patience.TIMEOUTS,
    )
    paths = [(PurePosixPath(file.path), str(file.id)) for file in listed]
    found = [(path, file) for path, file in paths if path.name == artefact.file_name]
    if len(found) != 1:
        listed_names = ", ".join(sorted(str(path) for path, _ in paths)[:20])
        holds = harmless(listed_names, 1000) or "nothing that is listed"
        raise InputError(
            f"{shown(artefact.url)} holds {'no' if not found else 'more than one'} "
            f"{artefact.file_name}, but {holds}; {by_hand(artefact)}"
        )
    return found[0][1]
