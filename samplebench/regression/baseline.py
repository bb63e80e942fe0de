"""Making results the baseline, and saying what that changes."""

from __future__ import annotations

from pathlib import Path

from samplebench.errors import InputError
from samplebench.regression import sidecar
from samplebench.regression.compare import Gate, compare
from samplebench.regression.points import CurvePoint, referred, replaced
from samplebench.regression.rows import Table, load_rows
from samplebench.regression.tolerance import RELATIVE, Rules, Tolerance
from samplebench.regression.verdict import Verdict
from samplebench.results.fields import counted, metrics_of, number

EXACT = Rules(every=Tolerance(RELATIVE, 0.0, "0"))


def update(source: Path, baseline: Path, *, subset: bool = False) -> list[Verdict]:
    """Writes the CSV and what its values were computed under beside it.

    Args:
        source: results folder or results.csv.
        baseline: file to write.
        subset: keep the baseline's points that the results do not have.

    Returns:
        A verdict per row that the old or the new baseline has: "moved" and "conditions differ" are
        rewritten, "missing" removed, "new" added.

    Raises:
        InputError: the results are not whole, or `baseline` is something else than a baseline.
    """
    new = load_rows(source)
    if source.is_dir() and (new.pending or not new.rows):
        raise InputError(
            f"{source} is not finished ({counted(new.pending, 'cell')} to go); finish its sweep, "
            f"or drop abandoned requests with 'samplebench forget {source}', then --update"
        )
    return write_baseline(new, baseline, subset=subset)


def write_baseline(new: Table, baseline: Path, *, subset: bool = False) -> list[Verdict]:
    """`update` with rows of a finished sweep.

    Raises:
        InputError: a point has no value, or `baseline` is something else than a baseline.
    """
    from samplebench.results.tables import write_csv

    _check_values(new)
    if baseline.is_dir():
        raise InputError(f"{baseline} is a folder; name a file, e.g. baseline.csv")
    old = _known(baseline)
    if subset:
        new = replaced(referred(old, new), new)
    verdicts = list(compare(new, old, Gate(EXACT)).verdicts)
    # As samplebench writes it, whatever a spreadsheet made of the source.
    write_csv(new.rows, baseline)
    cells = {cell for row in new.rows for cell in str(row["cell"]).split()}
    origins = {cell: origin for cell, origin in new.origins.items() if cell in cells}
    sidecar.write(baseline, origins, new.platforms)
    return verdicts


def _check_values(table: Table) -> None:
    """What a baseline holds can be compared: values, not the lack of one.

    Raises:
        InputError: naming the first point whose value is not finite.
    """
    for row in table.rows:
        values = {metric: row.get(metric) for metric in metrics_of([row])}
        given = {metric: value for metric, value in values.items() if value is not None}
        wrong = [f"{m} is {value}" for m, value in given.items() if number(value) is None]
        if wrong or not given:
            point = f"{row['model']} {Verdict('new', CurvePoint((row,), table)).name}"
            raise InputError(
                f"{table.source}: {point} has no value ({', '.join(wrong) or 'none at all'}), and "
                "a baseline needs one; run it again, or leave it out"
            )


def _known(baseline: Path) -> Table:
    """What is there; a damaged .provenance.json is what an update mends."""
    if not baseline.exists():
        return Table([], source=str(baseline))
    try:
        return load_rows(baseline)
    except InputError:
        pass
    try:
        return load_rows(baseline, provenance=False)
    except InputError as error:
        raise InputError(f"{error}; delete it or name another --baseline") from None
