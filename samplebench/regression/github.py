"""The verdicts for a workflow of GitHub Actions: annotations, outputs, the summary of the job."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from samplebench.errors import UsageError
from samplebench.regression.markdown import to_markdown
from samplebench.regression.summary import Summary
from samplebench.results.fields import counted, grid_label, printable, sampler_label

# GitHub shows so many errors of a step.
_MOST = 10
# Files of the job that a step appends to.
_SUMMARY, _OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"


def check_workflow(environment: Mapping[str, str]) -> None:
    """Raises UsageError where this is no step of a workflow."""
    if lacking := [name for name in (_SUMMARY, _OUTPUT) if not environment.get(name)]:
        raise UsageError(
            f"--github writes for a step of GitHub Actions, and {lacking[0]} is not set; elsewhere "
            "use --markdown FILE"
        )


def annotation(text: str, file: str = "", title: str = "samplebench check") -> str:
    """A line of a log that GitHub shows as an error, beside a file of the repository."""
    properties = {"file": file, "title": title}
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::error {told}::{_data(printable(text))}"


def annotated(summary: Summary, file: str) -> list[str]:
    """One per row that fails, as many as GitHub shows.

    Args:
        file: the baseline, from the top of the repository.
    """
    found = summary.failures()
    if len(found) > _MOST:
        more = counted(len(found) - _MOST + 1, "further row")
        found = [*found[: _MOST - 1], f"{more} failed; the summary of the job has all of them"]
    return [annotation(line, file) for line in found]


def moved_curves(summary: Summary) -> list[str]:
    """Each curve with a row that fails once, e.g. "digits-exact: heun, edm rho=7"."""
    rows = (verdict.row for verdict in summary.verdicts if verdict.failed)
    names = (f"{r['model']}: {sampler_label(r)}, {grid_label(r)}" for r in rows)
    return list(dict.fromkeys(map(printable, names)))


def write_workflow(summary: Summary, environment: Mapping[str, str]) -> None:
    """Appends to the files of the step: the summary, and `moved`, a JSON list of curves.

    Raises:
        OSError: one of them cannot be written.
    """
    # JSON in ASCII is one line, whatever names hold.
    moved = f"moved={json.dumps(moved_curves(summary))}\n"
    for name, text in ((_SUMMARY, to_markdown(summary)), (_OUTPUT, moved)):
        with Path(environment[name]).open("a", encoding="utf-8") as file:
            file.write(text)


def within(path: Path, environment: Mapping[str, str]) -> str:
    """A file from the top of the repository, as annotations name it; else as it is given."""
    top = environment.get("GITHUB_WORKSPACE", "")
    whole = Path(os.path.abspath(path))
    return whole.relative_to(top).as_posix() if top and whole.is_relative_to(top) else str(path)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
