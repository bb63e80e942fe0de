"""A sweep against its baseline, in words for a test's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from samplebench.errors import InputError, UsageError

if TYPE_CHECKING:
    from samplebench.results.view import View


class GateWords(NamedTuple):
    """How a curve is compared: the options of `samplebench check`."""

    tolerance: tuple[str, ...]
    subset: bool
    allow_better: bool
    retrained: bool

    def check(self) -> None:
        """Raises UsageError for a value of another type: "false" would count as true."""
        if not all(isinstance(rule, str) for rule in self.tolerance):
            raise UsageError("tolerance is a text or a list of texts, e.g. '3sigma' or 'fid:2%'")
        for name in ("subset", "allow_better", "retrained"):
            if not isinstance(value := getattr(self, name), bool):
                raise UsageError(f"{name} is True or False, not {value!r}")


def checked(
    baseline: Path, cells: Path, words: Mapping[str, Any], gate: GateWords, update: str
) -> str:
    """Runs a sweep and compares it; what failed, as `samplebench check` prints it, else "".

    Args:
        baseline: CSV.
        cells: results folder.
        words: of the sweep.
        gate: how it is compared.
        update: the command that makes the sweep the baseline.

    Raises:
        SamplebenchError: of the sweep, the baseline or the comparison.
    """
    from samplebench.api import failures
    from samplebench.cli.check import compared, told
    from samplebench.regression import load_rows
    from samplebench.regression.rows import table_of

    # Before the sweep, which may take a while.
    if baseline.is_dir():
        raise InputError(f"{baseline} is a folder; name a file, e.g. baseline.csv")
    old = load_rows(baseline)
    view = _measured(cells, words)
    summary = compared(table_of(view, cells), old, **gate._asdict())
    if not summary.failed:
        return ""
    failed = [f"failed: {line}" for line in failures(view)]
    table = told(summary, quiet=True, retrained=gate.retrained)
    lines = [f"samplebench: not the curves of {baseline}", *table, *failed]
    return "\n".join([*lines, summary.next_step(update)])


def updated(baseline: Path, cells: Path, words: Mapping[str, Any], *, subset: bool) -> str:
    """Runs a sweep and makes it the baseline; what that changes, in words.

    Args:
        baseline, cells, words: as above.
        subset: keep the points of the baseline that the sweep does not have.

    Raises:
        SamplebenchError: of the sweep; or it has points without a value.
    """
    from samplebench.cli.check import told_update
    from samplebench.cli.common import writing
    from samplebench.files.locks import acquire
    from samplebench.regression.baseline import write_baseline
    from samplebench.regression.rows import table_of

    table = table_of(_measured(cells, words), cells)
    # Several tests may have parts of one baseline, in workers beside each other.
    with acquire(cells.with_name("baselines.lock")), writing(baseline, "name another baseline"):
        verdicts = write_baseline(table, baseline, subset=subset)
    return "\n".join(told_update(baseline, verdicts))


def _measured(cells: Path, words: Mapping[str, Any]) -> View:
    """The rows of this sweep, of which the folder has all that did not change."""
    from samplebench.ambient import own_settings
    from samplebench.bench import plan as planning
    from samplebench.bench.ready import ready
    from samplebench.bench.request import Request
    from samplebench.files.locks import acquire
    from samplebench.tune.execution import executed

    if "out" in words:
        raise UsageError("assert_curve keeps its cells in pytest's cache; leave out= out")
    cells.parent.mkdir(parents=True, exist_ok=True)
    # A second run of the suite waits for this test.
    with acquire(cells.with_name(f"{cells.name}.lock")), own_settings():
        plan = ready(planning.make(Request.of(**words, out=str(cells))), quiet=True)
        return executed([plan], quiet=True, report=False)
