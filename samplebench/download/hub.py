"""Folders of a model hub, by huggingface_hub: its address, its token and its cache are the user's.

HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE mean what they mean there. A folder is looked at
once, and from then on read at the commit that it had.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplebench.answers.blame import line_of, said
from samplebench.download.fetch import no_connection
from samplebench.download.words import harmless
from samplebench.errors import EnvironmentError_, InputError, SamplebenchError, UsageError
from samplebench.extras import extra, unlogged
from samplebench.files.atomic import sha256

PREFIX = "hf:"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_WORD = re.compile(rf"hf:({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,200}}))?")
_LOCATION = re.compile(rf"hf:({_PART}/{_PART})@([0-9a-f]{{40}})/([\w./-]+)")
_COMMIT, _DIGEST = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")
_MAIN = "main"
_SHORT = 8  # of a commit's digits
# A folder of weights has some dozens.
_MOST_FILES = 100_000


@dataclass(frozen=True)
class HubFile:
    """What the hub says of a file: its size in bytes, and its SHA-256 where Git LFS holds it."""

    size: int | None
    sha256: str = ""


@dataclass(frozen=True)
class HubFolder:
    """A folder at one commit.

    Attributes:
        repo: "org/name".
        revision: as it was asked for.
        commit: 40 hexadecimal digits.
        files: by name, relative to the folder.
    """

    repo: str
    revision: str
    commit: str
    files: Mapping[str, HubFile]

    @property
    def name(self) -> str:
        """ "org/name", and the revision where it is another than the usual one, in short."""
        revision = self.revision[:_SHORT] if self.revision == self.commit else self.revision
        return self.repo if revision == _MAIN else f"{self.repo}@{revision}"

    @property
    def word(self) -> str:
        """What names it for all time: "hf:org/name@commit"."""
        return f"{PREFIX}{self.repo}@{self.commit}"

    def location(self, name: str) -> str:
        """Of one of its files; see `fetch_at`."""
        return f"{self.word}/{name}"


def look(word: str, *, offline: bool = False) -> HubFolder:
    """What is in a folder now.

    Args:
        word: "hf:org/name" or "hf:org/name@revision".
        offline: look into the hub's cache only.

    Raises:
        UsageError: the word is none such, or there is no such folder or revision.
        InputError: the hub answers with what makes no sense.
        EnvironmentError_: it is not reached or not in the cache, or wants to know who asks.
    """
    found = _WORD.fullmatch(word)
    if not found or ".." in word or "//" in word or word.endswith("/"):
        raise UsageError(
            f"model {line_of(word)} is not a folder of a hub; write hf:org/name or "
            "hf:org/name@revision"
        )
    repo, revision = found[1], found[2] or _MAIN
    client = _client()
    if closed(offline):
        return _cached(client, repo, revision)
    with _told(f"{PREFIX}{repo}", revision):
        info = client.HfApi().model_info(repo, revision=revision, files_metadata=True)
    commit, siblings = info.sha, info.siblings or []
    if not (isinstance(commit, str) and _COMMIT.fullmatch(commit)) or len(siblings) > _MOST_FILES:
        raise InputError(f"{word}: the hub's answer names no commit, or too many files")
    files = {str(each.rfilename): _file(each) for each in siblings}
    return HubFolder(repo, revision, commit, files)


def fetch(
    folder: HubFolder, name: str, *, offline: bool = False, quiet: bool = True, pinned: bool = True
) -> Path:
    """One of its files in the hub's cache, as the hub said that it is.

    Args:
        folder: as it was looked at.
        name: of the file.
        offline: open no connection.
        quiet: no progress on stderr.
        pinned: at the folder's commit; else at the revision that was asked for, which the cache
            then knows offline.

    Raises:
        InputError: what came has another size or hash.
        EnvironmentError_: it cannot be fetched.
    """
    known = folder.files.get(name, HubFile(None))
    revision = folder.commit if pinned else folder.revision
    path = _download(folder.repo, revision, name, offline, quiet)
    if pinned:
        _verify(path, known, f"{folder.word}: {name}")
    return path


def fetch_at(location: str, known: HubFile, *, offline: bool = False, quiet: bool = True) -> Path:
    """The file of `HubFolder.location`; arguments and errors as of `fetch`."""
    found = _LOCATION.fullmatch(location)
    if not found:
        raise InputError(f"{line_of(location)} is not a file of a hub; hf:org/name@commit/file is")
    folder = HubFolder(found[1], found[2], found[2], {found[3]: known})
    return fetch(folder, found[3], offline=offline, quiet=quiet)


def _download(repo: str, revision: str, name: str, offline: bool, quiet: bool) -> Path:
    client, shut = _client(), closed(offline)
    how: dict[str, Any] = {"tqdm_class": _silent()} if quiet else {}
    with _told(f"{PREFIX}{repo}@{revision}: {name}", revision):
        try:
            return Path(
                client.hf_hub_download(repo, name, revision=revision, local_files_only=shut, **how)
            )
        except client.errors.LocalEntryNotFoundError:
            if not shut:
                raise
            raise EnvironmentError_(
                f"{PREFIX}{repo}@{revision}: {name} is not in the hub's cache, and --offline "
                "opens no connection; fetch it on a machine with internet access"
            ) from None


def _verify(path: Path, known: HubFile, who: str) -> None:
    """Raises `InputError` where a file is not what the hub said; it is left for the user to see."""
    try:
        size = path.stat().st_size
        wrong = ""
        if known.size is not None and size != known.size:
            wrong = f"has {size:,} bytes, but the hub says {known.size:,}"
        elif known.sha256 and (found := sha256(path)) != known.sha256:
            wrong = f"has sha256 {found[:12]}..., but the hub says {known.sha256[:12]}..."
    except OSError as error:
        raise EnvironmentError_(f"{path} cannot be read ({error.strerror})") from None
    if wrong:
        raise InputError(
            f"{who} {wrong}: it is another file; delete {path.resolve()} and fetch again"
        )


def _cached(client: Any, repo: str, revision: str) -> HubFolder:
    """What the cache holds of a folder, at the commit that the revision had."""
    names = ("model_index.json", "config.json", "unet/config.json", "scheduler_config.json")
    with _told(f"{PREFIX}{repo}", revision):
        for name in names:
            found = client.try_to_load_from_cache(repo, name, revision=revision)
            if not isinstance(found, str):
                continue
            root = Path(found).parents[name.count("/")]
            files = sorted(path for path in root.rglob("*") if path.is_file())
            sizes = {
                path.relative_to(root).as_posix(): HubFile(path.stat().st_size) for path in files
            }
            if _COMMIT.fullmatch(root.name):
                return HubFolder(repo, revision, root.name, sizes)
    raise EnvironmentError_(
        f"{PREFIX}{repo}@{revision} is not in the hub's cache, and --offline opens no "
        "connection; fetch it on a machine with internet access"
    )


def _file(sibling: Any) -> HubFile:
    size, lfs = sibling.size, sibling.lfs
    digest = getattr(lfs, "sha256", None)
    return HubFile(
        size if type(size) is int and size >= 0 else None,
        digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else "",
    )


@contextmanager
def _told(who: str, revision: str) -> Iterator[None]:
    """Around what huggingface_hub does: each of its failures in one line, by whose it is."""
    errors = _client().errors
    try:
        with unlogged():
            yield
    except SamplebenchError:
        raise
    except errors.GatedRepoError:
        raise EnvironmentError_(
            f"{who} is gated: accept its terms on its page, and set HF_TOKEN to a token of yours"
        ) from None
    except errors.RevisionNotFoundError:
        raise UsageError(
            f"{who} has no revision '{revision}'; name a branch, tag or commit"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UsageError(
            f"{who}: the hub has no such folder, or you have no access; check the spelling, or set "
            "HF_TOKEN"
        ) from None
    except errors.RemoteEntryNotFoundError:
        raise InputError(f"{who} is listed by the hub but missing there") from None
    except OSError as error:  # a disk, or a connection, whose errors are of this kind, too
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise EnvironmentError_(
                f"{who} cannot be written ({error.strerror}); make room, or set HF_HOME to another "
                "folder"
            ) from None
        raise _unreached(who, error) from None
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{who}: the hub sent an invalid answer ({said(error)})") from None
    except Exception as error:  # of the client below, which has changed its kinds before
        raise _unreached(who, error) from None


def _unreached(who: str, error: Exception) -> EnvironmentError_:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return EnvironmentError_(
        f"{who} could not be fetched ({harmless(said(cause))}); try again, or use --offline with "
        "what is in the hub's cache"
    )


def closed(offline: bool) -> bool:
    """Whether no connection may be opened: as told, or by the environment."""
    return offline or no_connection() or bool(_client().constants.is_offline_mode())


def _client() -> Any:
    # Its parts are attributes only once somebody has imported them.
    for part in ("constants", "errors"):
        extra(f"huggingface_hub.{part}", "folders of a hub (hf:)")
    return extra("huggingface_hub", "folders of a hub (hf:)")


def _silent() -> type[Any]:
    """A progress bar that shows nothing."""
    from tqdm.auto import tqdm

    class Silent(tqdm):  # type: ignore[type-arg]
        def __init__(self, *values: Any, **how: Any) -> None:
            how.pop("name", None)
            super().__init__(*values, **{**how, "disable": True})

    return Silent
