"""A history in rows: for the terminal, as Markdown and as JSON."""

from __future__ import annotations

from samplebench.history.versions import CurveHistory, Version
from samplebench.regression.markdown import markdown_table
from samplebench.regression.text import lines, plain
from samplebench.regression.verdict import MISSING, MOVED, NEW, SAME
from samplebench.results.fields import HEADS, counted, printable

Line = dict[str, object]
# What names a point; where it is one thing in all lines it is said once.
_OF_POINT = ("model", "sampler", "params", "discretization", "rho", "nfe", "seed", "reference")
_COLUMNS = (
    "date", "commit", "subject", "status", *_OF_POINT, "value", "old", "new", "change", "sigma",
    "note",
)  # fmt: skip
_LONGEST = 60


def lines_of(history: CurveHistory) -> tuple[str, list[Line]]:
    """What all lines have in common, in words, and a line per number that a commit changed.

    The first version shows all its values. A commit that changed none has a line too.
    """
    table: list[Line] = []
    for version in history.versions:
        named = _commit(version)
        found = [verdict for verdict in version.verdicts if verdict.status != SAME]
        if found:
            table += lines(found, words_in(history, version), [named] * len(found))
        if version.fault or not found:
            table.append({**named, "note": printable(version.fault or "no value changed")})
    valued = [line for line in table if "status" in line]
    constant = [key for key in _OF_POINT if len({str(line.get(key, "")) for line in valued}) == 1]
    facts = [(key, valued[0][key]) for key in constant if _filled(valued[0], key)]
    told = [f"{HEADS.get(key, key)} {printable(value)}" for key, value in facts]
    keys = [k for k in _COLUMNS if k not in constant and any(_filled(line, k) for line in table)]
    return ", ".join(told), [{key: line.get(key, "") for key in keys} for line in table]


def _filled(line: Line, key: str) -> bool:
    return line.get(key) not in (None, "")


def _commit(version: Version) -> Line:
    commit = version.commit
    subject = printable(commit.subject)
    short = subject if len(subject) <= _LONGEST else f"{subject[: _LONGEST - 3]}..."
    return {"date": commit.date, "commit": commit.short, "subject": short}


def remarks(history: CurveHistory) -> list[str]:
    """What is to be known of all of it."""
    found = [f"{history.name}: {counted(len(history.versions), 'commit')}"]
    if history.shallow:
        found.append(
            "the clone is shallow: its first commit looks like the beginning; "
            "'git fetch --unshallow' gets the earlier ones"
        )
    return found


def markdown_of(history: CurveHistory) -> str:
    """For a comment or the summary of a job."""
    told, table = lines_of(history)
    title, *notes = map(printable, remarks(history))
    blocks = [f"### {title}", *([told] if told else []), markdown_table(table), *notes]
    return "\n\n".join(blocks) + "\n"


def json_of(history: CurveHistory) -> list[dict[str, object]]:
    """A commit each, the oldest first, with the values of every point."""
    return [
        {
            "commit": version.commit.hash,
            "date": version.commit.date,
            "subject": version.commit.subject,
            "file": version.commit.name or None,
            "fault": version.fault or None,
            "points": [
                {**plain(v), "status": words_in(history, version)[v.status]}
                for v in version.verdicts
            ],
        }
        for version in history.versions
    ]


def words_in(history: CurveHistory, version: Version) -> dict[str, str]:
    """What statuses are called in a version: in the first one nothing is new."""
    first = version is history.versions[0]
    return {SAME: "same", MOVED: "changed", MISSING: "removed", NEW: "start" if first else "new"}
