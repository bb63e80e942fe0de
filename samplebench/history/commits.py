"""The commits that changed a file, along the first parents of HEAD."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from samplebench.errors import InputError, UsageError
from samplebench.files.git import GitFailure, TrackedFile, git

# Before each commit; a hash follows, so that no subject can be taken for the start of one.
_START = re.compile("\x01(?=[0-9a-f]{40,64}\x02)")
_FORMAT = "--format=%x01%H%x02%h%x02%cs%x02%s%x02"


@dataclass(frozen=True)
class FileCommit:
    """A commit, and what a file is called in it.

    Attributes:
        hash, short: of the commit.
        date: of the commit, as 2026-11-30.
        subject: first line of its message.
        name: of the file, from the top of the repository; "" where the commit removes it.
        before: its name in the commit before; "" where the commit adds it, also as a copy.
    """

    hash: str
    short: str
    date: str
    subject: str
    name: str
    before: str


def commits_of(file: TrackedFile, since: str | None) -> list[FileCommit]:
    """Those that changed a file, under its earlier names too, the oldest first.

    A merge is one commit, with all that it brings to the branch.

    Args:
        file: of the repository.
        since: a commit; what HEAD had in common with it comes first, then what changed the file.

    Raises:
        UsageError: there is no such commit.
        InputError: no commit has the file, or none is in common with `since`.
    """
    try:
        head = file.commit("HEAD", "history")
    except UsageError:
        raise InputError(f"the repository of {file.path} has no commit yet") from None
    if since is None:
        found = _log(file, head)
        if not found:
            raise InputError(f"no commit has {file.name}; commit it first, or correct the path")
        return found
    other = file.commit(since, "--since")
    try:
        base = git(file.folder, "merge-base", other, head).decode().strip()
    except GitFailure:
        raise InputError(f"--since {since} and HEAD have no commit in common") from None
    found = _log(file, head, f"^{base}")
    # A commit that adds the file has none before it.
    name = found[0].before if found else file.name
    if not name:
        return found
    shown = git(file.folder, "log", "-1", "--no-show-signature", "--encoding=UTF-8", _FORMAT, base)
    (start,) = _parsed(shown, name)
    return [start, *found]


def _log(file: TrackedFile, *ends: str) -> list[FileCommit]:
    words = ("log", "-z", "-m", "--first-parent", "--follow", "--name-status", "--no-ext-diff",
             "--no-relative", "--no-show-signature", "--encoding=UTF-8", _FORMAT)  # fmt: skip
    return _parsed(git(file.folder, *words, *ends, "--", file.name))[::-1]


def _parsed(output: bytes, name: str | None = None) -> list[FileCommit]:
    """Commits of a log in its order.

    Args:
        name: of the file in all of them; None where the log says it.
    """
    found = []
    for text in _START.split(os.fsdecode(output))[1:]:
        commit, short, date, rest = text.split("\x02", 3)
        subject, _, changed = rest.rpartition("\x02")
        if name is not None:
            found.append(FileCommit(commit, short, date, subject, name, name))
            continue
        kind, *names = changed.strip("\0\n").split("\0")
        now = "" if kind.startswith("D") else names[-1]
        then = "" if kind.startswith(("A", "C")) else names[0]
        found.append(FileCommit(commit, short, date, subject, now, then))
        if kind.startswith("C"):
            # git goes on with the file that was copied, whose commits changed another curve.
            break
    return found
