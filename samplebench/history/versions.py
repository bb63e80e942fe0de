"""What each commit made of a committed curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from samplebench.errors import InputError
from samplebench.files.git import TrackedFile
from samplebench.history.commits import FileCommit, commits_of
from samplebench.regression import Change, Table, Verdict
from samplebench.regression.baseline import EXACT
from samplebench.regression.changes import changes
from samplebench.regression.committed import table_at
from samplebench.regression.conditions import causes, differences
from samplebench.regression.points import CurvePoint, points, referred
from samplebench.regression.tolerance import STRICT
from samplebench.regression.verdict import MISSING, MOVED, NEW, SAME
from samplebench.results.fields import metrics_of

REMOVED = "removed"


@dataclass(frozen=True)
class Version:
    """A baseline as a commit left it.

    Attributes:
        commit: that changed it.
        fault: why it cannot be read, REMOVED where there is none; "" where it can.
        verdicts: of each point against the version before that can be read: "same", "moved", "new"
            or "missing", with all its values, exactly compared.
    """

    commit: FileCommit
    fault: str = ""
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class CurveHistory:
    """All versions.

    Attributes:
        name: of the file, from the top of its repository.
        versions: the oldest first.
        shallow: whether the clone lacks older commits.
    """

    name: str
    versions: tuple[Version, ...]
    shallow: bool


def history_of(baseline: Path, since: str | None = None) -> CurveHistory:
    """The versions of a baseline that the commits of HEAD have.

    Args:
        baseline: a CSV in a git repository.
        since: a commit, whose version comes first.

    Raises:
        UsageError: there is no such commit.
        InputError: no commit has the file, or it is a table in none of them.
        EnvironmentError_: there is no git.
    """
    if baseline.is_dir():
        raise InputError(f"{baseline} is a folder; name a file, e.g. baseline.csv")
    file = TrackedFile.at(baseline)
    versions = tuple(_versions(file, commits_of(file, since)))
    if all(version.fault for version in versions):
        told = [version.fault for version in versions if version.fault != REMOVED]
        raise InputError(
            told[-1] if told else f"{file.name} is neither in {since} nor in a commit after it"
        )
    return CurveHistory(file.name, versions, file.shallow)


def _versions(file: TrackedFile, commits: list[FileCommit]) -> Iterator[Version]:
    last = Table([])
    for commit in commits:
        try:
            table = table_at(file, commit.hash, commit.name, commit.short) if commit.name else None
            now = table or Table([])
            verdicts = tuple(_verdicts(last, now))
        except InputError as error:
            yield Version(commit, str(error))
            continue
        yield Version(commit, "" if table else REMOVED, verdicts)
        last = now


def _verdicts(old: Table, new: Table) -> Iterator[Verdict]:
    """Points of the new version in their order, then those that it lacks."""
    now = points(referred(new, old), by_seed=True)
    then = points(referred(old, new), by_seed=True)
    for key, point in now.items():
        yield _compared(then[key], point) if key in then else Verdict(NEW, point, "", _alone(point))
    for key, point in then.items():
        if key not in now:
            gone = tuple(replace(c, old=c.new, new=None) for c in _alone(point))
            yield Verdict(MISSING, point, "", gone)


def _alone(point: CurvePoint) -> tuple[Change, ...]:
    """The values of a point that the other version does not have."""
    values = ((metric, point.value(metric)) for metric in metrics_of(point.rows))
    return tuple(Change(m, None, v, None, STRICT, False) for m, v in values if v is not None)


def _compared(old: CurvePoint, new: CurvePoint) -> Verdict:
    found = tuple(changes(old, new, EXACT, by_seed=True))
    if not any(change.moved for change in found):
        return Verdict(SAME, new, "", found)
    return Verdict(MOVED, new, _cause(old, new), found)


def _cause(old: CurvePoint, new: CurvePoint) -> str:
    """What else differs, as far as both versions tell."""
    then, now = old.origins, new.origins
    if not then or not now or {r["cell"] for r in old.rows} == {r["cell"] for r in new.rows}:
        return ""
    pair = then[0].conditions, now[0].conditions
    found = [*differences(*pair), *causes(*pair)]
    return f"differs: {', '.join(found) or 'code or defaults of a sampler'}"
