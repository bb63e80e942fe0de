"""Files in the commits of a git repository, read by git itself; nothing is fetched or written."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from samplebench.errors import EnvironmentError_, InputError, UsageError, in_one_line, unknown
from samplebench.files.shown import shown

# Seconds; a clone without blobs asks its server for a file.
_PATIENCE = 60.0
# A hook has these set to its own repository, which a path elsewhere is not in.
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE")
# Messages in English, no question at a terminal, and names of files as they are.
_SETTINGS = {
    "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1", "GIT_PAGER": "cat",
}  # fmt: skip
# Of a user's own configuration, what would change the output of a command that is read here.
_CONFIGURED = ("-c", "log.showRoot=true", "-c", "log.diffMerges=separate")
_KINDS = {"120000": "a symbolic link", "160000": "a submodule", "040000": "a folder"}


class GitFailure(EnvironmentError_):
    """git ended with an error.

    Attributes:
        said: by git, on one line.
    """

    def __init__(self, said: str) -> None:
        super().__init__(f"git: {said}")
        self.said = said


def git(folder: Path, *words: str) -> bytes:
    """What a git command prints.

    Args:
        folder: in which it is started.
        words: of the command; a name of others among them must not begin with "-".

    Raises:
        GitFailure: git refuses.
        EnvironmentError_: there is no git, or it does not answer.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    try:
        done = subprocess.run(
            ["git", *_CONFIGURED, "-C", str(folder), *words],
            env=kept | _SETTINGS,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
        )
    except FileNotFoundError:
        raise EnvironmentError_("git is not installed or not on PATH; commits need it") from None
    except subprocess.TimeoutExpired:
        raise EnvironmentError_(
            f"git did not answer within {_PATIENCE:.0f} s ({' '.join(words[:2])} in {folder}); "
            "try that command by hand"
        ) from None
    except OSError as error:
        raise EnvironmentError_(f"git cannot be started ({error.strerror})") from None
    if done.returncode:
        said = in_one_line(done.stderr.decode(errors="replace")).removeprefix("fatal: ")
        raise GitFailure(said or f"{words[0]} ended with {done.returncode}")
    return done.stdout


@dataclass(frozen=True)
class TrackedFile:
    """A file's place in a repository, whether the file is there now or not.

    Attributes:
        path: as the user wrote it.
        folder: the top of the repository.
        name: from there, with "/".
    """

    path: Path
    folder: Path
    name: str

    @classmethod
    def at(cls, path: Path) -> TrackedFile:
        """Where a path is.

        Raises:
            InputError: in no repository, or in one without a working tree there.
            EnvironmentError_: there is no git, or it refuses the folder.
        """
        whole = Path(os.path.abspath(path))
        folder = next(parent for parent in whole.parents if parent.is_dir())
        try:
            found = os.fsdecode(git(folder, "rev-parse", "--show-toplevel", "--show-prefix"))
        except GitFailure as error:
            if "must be run in a work tree" in error.said:
                raise InputError(
                    f"{path} is in a git repository without a working tree; name the file as a "
                    "checkout has it"
                ) from None
            if "not a git repository" not in error.said:
                raise
            raise InputError(f"{path} is in no git repository, so no commit has it") from None
        top, prefix = found.removesuffix("\n").split("\n", 1)
        return cls(path, Path(top), prefix + whole.relative_to(folder).as_posix())

    @property
    def shallow(self) -> bool:
        """Whether the clone lacks older commits."""
        return git(self.folder, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def commit(self, ref: str, flag: str) -> str:
        """The full hash of what a ref names: a branch, a tag, a hash, HEAD~1.

        Args:
            ref: of the user.
            flag: by which it was given, for messages.

        Raises:
            UsageError: there is no such commit.
            EnvironmentError_: the clone is shallow, and does not have it.
        """
        if not ref or ref.startswith("-") or not ref.isprintable():
            raise UsageError(f"{flag} '{shown(ref)}' names no commit; write e.g. origin/main")
        try:
            found = git(self.folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except GitFailure:
            raise self._no_commit(ref, flag) from None
        return found.decode().strip()

    def _no_commit(self, ref: str, flag: str) -> UsageError | EnvironmentError_:
        if self.shallow:
            return EnvironmentError_(
                f"{flag} {ref} is not in this clone, which is shallow; let actions/checkout fetch "
                "all commits ('with: fetch-depth: 0'), or run 'git fetch --unshallow'"
            )
        listed = git(self.folder, "for-each-ref", "--format=%(refname:short)")
        names = listed.decode(errors="replace").split()
        if f"origin/{ref}" in names:
            return UsageError(f"unknown commit '{ref}' in {flag}; did you mean 'origin/{ref}'?")
        return unknown(f"commit in {flag}", shown(ref), names, "git branch --all")

    def content(self, commit: str, name: str, most: int) -> bytes | None:
        """A file as a checkout of a commit has it; None where the commit has none.

        Args:
            commit: full hash.
            name: as the attribute `name`.
            most: bytes.

        Raises:
            InputError: it is a link or a folder, or larger.
        """
        listed = git(self.folder, "ls-tree", "-z", "-l", "--full-tree", commit, "--", name)
        if not listed:
            return None
        mode, _, _, size = os.fsdecode(listed).partition("\t")[0].split()
        if mode in _KINDS:
            raise InputError(f"{name} is {_KINDS[mode]} in commit {commit[:12]}, not a file")
        if int(size) > most:
            raise InputError(f"{name} in commit {commit[:12]} is larger than {most:,} bytes")
        return git(self.folder, "cat-file", "--filters", f"{commit}:{name}")
