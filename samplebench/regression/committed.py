"""A baseline as a commit has it: its CSV, and what lies beside it there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from samplebench.errors import InputError
from samplebench.files.git import TrackedFile
from samplebench.regression import sidecar
from samplebench.regression.rows import MOST_BYTES, Table, table_in


def load_committed(baseline: Path, ref: str) -> Table:
    """The rows of a baseline in a commit; the file need not be in the working tree.

    Args:
        baseline: where it is, or would be, in the working tree.
        ref: a branch, a tag, a hash or whatever else git takes for a commit.

    Raises:
        UsageError: there is no such commit.
        InputError: the commit has no such file, or it is not a results table.
        EnvironmentError_: there is no git, or the clone is shallow and lacks the commit.
    """
    file = TrackedFile.at(baseline)
    commit = file.commit(ref, "--baseline-ref")
    table = table_at(file, commit, file.name, ref)
    if table is None:
        raise InputError(
            f"{file.name} is not in {ref} (commit {commit[:12]}); name a commit that has it, or "
            "leave --baseline-ref out to read the file of the working tree"
        )
    return table


def table_at(file: TrackedFile, commit: str, name: str, ref: str) -> Table | None:
    """The rows of one version of a file; None where the commit does not have it.

    Args:
        file: of the repository.
        commit: full hash.
        name: of the file in that commit, from the top of the repository.
        ref: what messages call the commit.

    Raises:
        InputError: it is not a results table, or what is beside it is damaged.
    """
    content = file.content(commit, name, MOST_BYTES)
    if content is None:
        return None
    beside = sidecar.beside(PurePosixPath(name))
    facts = file.content(commit, str(beside), sidecar.MOST_BYTES)
    table = table_in(content, facts, f"{ref}:{name}")
    return replace(table, commit=commit)
