"""How the columns of a row are put into words; needs the standard library only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from samplebench.answers.parameters import label, word
from samplebench.results.record import Record
from samplebench.results.row import (
    COLUMNS,
    LARGEST,
    LEAST,
    OVER_REPEATS,
    SD,
    STDERR,
    Row,
    suffix_of,
)

# Points that differ in one of these are not points of the same curve.
CONDITIONS = ("guidance", "protocol", "reference", "num_samples", "dtype", "seed", "repeats")
HEADS = {"num_samples": "N", "nfe": "NFE", "nfe_requested": "NFE budget", "guide_nfe": "guide NFE"}
# What CI servers take for an order where it stands in a log: GitHub's, Azure's, TeamCity's.
_ORDER = re.compile(r"^\s*::|##(?=\w*\[)")
# How text begins that a spreadsheet runs as a formula, with or without apostrophes before it.
_FORMULA = re.compile(r"[\s']*[=+\-@]|'*[\t\r\n]")
_GUARD = "'"
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# Of a column of small values; from more on they share a power of ten.
_MOST_DECIMALS = 6
# Below it a power of ten is no number to divide by.
_LEAST_POWER = -307


def metrics_of(rows: Iterable[Row]) -> list[str]:
    """Metric names over all rows, by first appearance."""
    fixed = {*COLUMNS, "cell", "called"}
    names = dict.fromkeys(key for row in rows for key in row if key not in fixed)
    return [name for name in names if not suffix_of(name, names)]


def columns_of(rows: Iterable[Row]) -> list[str]:
    """All columns in the order of the CSV file; those over repeats where a row has them."""
    rows = list(rows)
    names, there = metrics_of(rows), {key for row in rows for key in row}
    more = [
        column
        for name in names
        for column in (name, name + STDERR, *(name + end for end in OVER_REPEATS))
        if column in there or column == name + STDERR
    ]
    return [*COLUMNS, *more, "cell"]


def hashes_of(row: Row) -> list[str]:
    """Hashes of the cells behind a row; several when it has repeats."""
    return str(row.get("cell") or "").split()


def alias_of(row: Row, records: Iterable[Record]) -> str | None:
    """What computed the row's cells, where that is another sampler or has other parameters.

    E.g. "heun", or "edm S_churn=5" for a larger S_churn that is clipped to the same.

    Args:
        records: of the row's cells.
    """
    written = f" {row.get('params') or ''} "
    for record in records:
        conditions = record["conditions"]
        name, params = conditions.get("sampler"), conditions.get("params")
        if name and name != row.get("sampler"):
            return str(name)
        other = {
            k: v
            for k, v in (params if isinstance(params, dict) else {}).items()
            if f" {k}=" in written and f" {k}={word(v)} " not in written and number(v) is not None
        }
        if name and other:
            return f"{name} {label(other)}"
    return None


def visible(text: object) -> str:
    """`text` on one line, a mark for what cannot be seen."""
    return "".join(c if c.isprintable() else _UNKNOWN for c in str(text))


def printable(text: object) -> str:
    """`text` on one line that is only text, to terminals, logs of CI servers and XML alike."""
    return _ORDER.sub(_UNKNOWN, visible(text))


def inert(document: str) -> str:
    """JSON of the same content that no CI server takes for an order."""
    return document.replace("##", "#\\u0023")


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before one."""
    return _GUARD + text if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if text.startswith(_GUARD) and _FORMULA.match(text[1:]) else text


def counted(count: int, noun: str) -> str:
    """E.g. "1 model", "3 models"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def number(value: object) -> float | None:
    """A finite float, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def called(row: Mapping[str, object], column: str) -> str:
    """A name of a row as readers are told it: its label, where it has one."""
    labels = row.get("called")
    label = labels.get(column) if isinstance(labels, Mapping) else None
    return printable(label or row.get(column) or "?")


def sampler_label(row: Mapping[str, object]) -> str:
    """Sampler with its parameters, e.g. "edm S_churn=10"."""
    return printable(f"{called(row, 'sampler')} {row.get('params') or ''}").strip()


def rho_label(row: Mapping[str, object], symbol: str = "rho") -> str:
    """E.g. "rho=7", or "" where rho is unused."""
    rho = number(row.get("rho"))
    return "" if rho is None else f"{symbol}={rho:g}"


def grid_label(row: Mapping[str, object], symbol: str = "rho") -> str:
    """Time discretization, e.g. "edm rho=7"."""
    return printable(f"{called(row, 'discretization')} {rho_label(row, symbol)}").strip()


def condition_label(key: str, values: Sequence[object]) -> str:
    """E.g. "N=1000", "protocol digits or digits-half", "seed 0", "3 repeats", "guidance none"."""
    text = " or ".join(printable(value) or "none" for value in values)
    if key == "repeats":
        return f"{text} repeat{'' if text == '1' else 's'}"
    return f"N={text}" if key == "num_samples" else f"{key} {text}"


def reference_name(reference: str) -> str:
    """Of a reference as the column says it, what it is called: "digits" of "digits@1a2b3c4d"."""
    name, mark, _ = reference.rpartition("@")
    return name if mark else reference


def order_of(row: Row) -> tuple[float, float]:
    """Sort key along a curve: counted NFE, then steps."""
    nfe, steps = number(row.get("nfe")), number(row.get("steps"))
    return (math.inf if nfe is None else nfe, math.inf if steps is None else steps)


def unevaluated(row: Mapping[str, object]) -> bool:
    """Whether a row has samples for no evaluation: exact draws, which are on no curve."""
    return number(row.get("nfe")) == 0


def count_text(count: object) -> str:
    """Evaluations per sample for readers: whole, or to four digits, as the mean over samples is."""
    return f"{count:.4g}" if isinstance(count, float) else printable(count)


def value_text(value: object, stderr: object = None) -> str:
    """A value rounded to the two leading digits of its standard error, e.g. "12.35 ± 0.12"."""
    return value_texts([(value, stderr)])[0]


def value_texts(pairs: Sequence[tuple[object, object]]) -> list[str]:
    """`value_text` of each (value, standard error) of a column; small ones share a power of ten.

    E.g. "(6.07 ± 0.20)e-04" above "(-0.12 ± 0.15)e-04".
    """
    both = [(number(value) or 0.0, number(error) or 0.0) for value, error in pairs]
    known = [(mean, error) for mean, error in both if mean or error]
    top = max((_exponent(max(abs(mean), error)) for mean, error in known), default=0)
    last = min((_last(mean, error) for mean, error in known), default=0)
    power = max(top, _LEAST_POWER) if top < -3 and last < -_MOST_DECIMALS else None
    return [_value_text(value, error, power) for value, error in pairs]


def _value_text(value: object, stderr: object, power: int | None) -> str:
    """As `value_texts` says.

    Args:
        power: of ten, that small values share; None where they are written out.
    """
    if value is None:
        return "-"
    mean, error = number(value), number(stderr)
    if mean is None:
        return printable(value)
    if error is None or error <= 0:
        text = f"{mean:.4g}" if power is None else f"{mean / 10.0**power:.3f}e{power:+03d}"
        after = printable(stderr) if error is None else f"{error:g}"
        return text if stderr is None else f"{text} ± {after}"
    place, top = _last(mean, error), _exponent(max(abs(mean), error))
    if power is None and (-5 < top < 7 or -_MOST_DECIMALS - 2 <= place < 0):
        digits = max(0, -place)
        return f"{mean:.{digits}f} ± {error:.{digits}f}"
    top = max(top, _LEAST_POWER) if power is None else power
    digits, scale = min(15, max(0, top - place)), 10.0**top
    return f"({mean / scale:.{digits}f} ± {error / scale:.{digits}f})e{top:+03d}"


def _last(mean: float, error: float) -> int:
    """Power of ten of the last digit that is shown."""
    return _exponent(error) - 1 if error > 0 else _exponent(mean) - 3


def repeats_text(row: Row, metric: str) -> str:
    """What the values of a row's repeats did, e.g. "sd 0.12, min 2.31"; "" without repeats."""
    found = ((end, row.get(metric + end)) for end in (SD, LEAST, LARGEST))
    told = ((end.strip("_"), value) for end, value in found if value is not None)
    return ", ".join(f"{name} {value_text(value)}" for name, value in told)


def _exponent(value: float) -> int:
    """Power of ten of the first digit after rounding to two digits (so 0.0996 counts as 0.10)."""
    return int(f"{value:.1e}".partition("e")[2]) if value else -400
