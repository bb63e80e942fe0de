"""A comparison in rows: for the terminal and the page, as CSV and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from samplebench.compare.comparison import Against, Comparison
from samplebench.compare.difference import Difference
from samplebench.compare.match import Alone
from samplebench.regression.points import SEEDS
from samplebench.report.best import better_words
from samplebench.report.layout import Column, condense
from samplebench.report.terminal import lines_of
from samplebench.results.fields import (
    HEADS,
    count_text,
    counted,
    grid_label,
    number,
    printable,
    sampler_label,
    value_texts,
)
from samplebench.results.row import COLUMNS, Row
from samplebench.results.tables import csv_text, rounded

_COUNTED = ("nfe", "steps")
Line = tuple[Against, Difference]


def lines_in(comparison: Comparison) -> list[Line]:
    """Every difference with the side it is of, metric by metric."""
    return [
        (each, one)
        for metric in comparison.metrics
        for each in comparison.against
        for one in each.differences
        if one.metric == metric
    ]


def columns_of(comparison: Comparison) -> tuple[list[tuple[str, str]], list[Column]]:
    """Facts that hold for every difference as (name, text), and the columns, a cell each.

    What the comparison is about stands with the conditions, and in no column; so do seeds and
    repeats of a folder that has others than the base.
    """
    found = lines_in(comparison)
    # A point has a line for each metric and folder.
    places = list(dict.fromkeys(one.base for _, one in found))
    named = [cast(Row, _named(comparison.base.rows[place])) for place in places]
    facts, columns = condense(named) if named else ([], [])
    at = [places.index(one.base) for _, one in found]
    columns = [replace(column, cells=[column.cells[i] for i in at]) for column in columns]
    about = {HEADS.get(key, key) for key in comparison.subject}
    about |= {"sampler"} if "params" in comparison.subject else set()
    about |= {"discretization"} if "rho" in comparison.subject else set()
    about |= {key for key in SEEDS if _differs(comparison, key, found)}
    facts = [(name, text) for name, text in facts if name not in about]
    columns = [column for column in columns if column.head not in about]
    columns = [_counts(column, comparison, found) for column in columns]
    several = len(comparison.against) > 1
    if several:
        labels = [each.side.label for each, _ in found]
        columns.insert(0, Column("folder", "folder", labels))
    names = [printable(one.metric) for _, one in found]
    if len(set(names)) > 1:
        columns.insert(0, Column("metric", "metric", names))
    elif found:
        words = better_words(comparison.better[found[0][1].metric])
        facts.insert(0, ("metric", f"{names[0]}{words}"))
    sides = comparison.base.label, "folder's" if several else comparison.against[0].side.label
    return facts, [*columns, *_numbers(found, sides)]


def _named(row: Row) -> dict[str, Any]:
    """What names a point, without its values."""
    return {key: value for key, value in row.items() if key in (*COLUMNS, "called")}


def _differs(comparison: Comparison, key: str, found: list[Line]) -> bool:
    """Whether two points that are compared have another value in a column."""
    ours = comparison.base.rows
    return any(ours[one.base].get(key) != each.side.rows[one.other].get(key) for each, one in found)


def _counts(column: Column, comparison: Comparison, found: list[Line]) -> Column:
    """NFE and steps of both where they differ, e.g. "20 | 19"."""
    if column.key not in _COUNTED:
        return column
    cells = []
    for text, (each, one) in zip(column.cells, found, strict=True):
        there = each.side.rows[one.other].get(column.key)
        same = comparison.base.rows[one.base].get(column.key) == there
        cells.append(text if same else f"{text} | {count_text(there)}")
    return replace(column, cells=cells)


def _numbers(found: list[Line], labels: tuple[str, str]) -> list[Column]:
    """Both values, the difference and what it says."""
    differences = [one for _, one in found]
    columns = []
    for side, label in enumerate(labels):
        pairs = [((one.change.old, one.change.new)[side], one.errors[side]) for one in differences]
        columns.append(Column(f"value {side}", label, value_texts(pairs), metric=True))
    apart = value_texts([(one.value, one.change.error) for one in differences])
    scores = ["-" if one.z is None else f"{one.z:+.2f}" if one.z else "0" for one in differences]
    percents = [one.change.percent().removesuffix(" %") or "-" for one in differences]
    paired = ["no" if one.unpaired else "yes" for one in differences]
    return [
        *columns,
        Column("difference", "difference", apart, metric=True),
        Column("percent", "%", percents, metric=True),
        Column("z", "z", scores, metric=True),
        Column("paired", "paired", paired),
        Column("verdict", "verdict", [one.verdict for one in differences]),
    ]


def text_of(comparison: Comparison) -> str:
    """For the terminal: the folders, what differs, the differences, what stands alone."""
    sides, blocks = comparison.sides, []
    width = max(len(side.label) for side in sides)
    heads = []
    for side in sides:
        source = printable(side.table.source)
        to_go = f", {counted(side.table.pending, 'cell')} to go" if side.table.pending else ""
        points = counted(len(side.points), "point")
        heads.append(f"{side.label:<{width}}  {points}  {source}{to_go}")
    differing = [each for each in comparison.conditions if not each.equal]
    apart = [f"  {each.name}: {' | '.join(each.texts)}" for each in differing]
    blocks.append([*heads, *(["", "what differs", *apart] if apart else [])])
    facts, columns = columns_of(comparison)
    if lines_in(comparison):
        said = ", ".join(f"{name}: {text}" for name, text in facts)
        blocks.append([*([said, ""] if said else []), *lines_of(columns)])
    base = comparison.base.label
    blocks.append([f"{each.side.label} against {base}: {each.counts()}"
                   for each in comparison.against])  # fmt: skip
    blocks[-1] += [f"note: {printable(remark)}" for remark in comparison.remarks()]
    if lonely := alone_of(comparison):
        told = [f"  {label}: {counted(len(names), 'point')} ({_some(names)}); {reason}"
                for label, reason, names in lonely]  # fmt: skip
        blocks.append(["not compared", *told])
    return "\n\n".join("\n".join(block) for block in blocks)


def _some(names: list[str]) -> str:
    """The first names."""
    return "; ".join(names[:2]) + (" ..." if len(names) > 2 else "")


def alone_of(comparison: Comparison) -> list[tuple[str, str, list[str]]]:
    """(label, reason, points) of what is compared with nothing, by folder and reason."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for each in comparison.against:
        for one in each.alone:
            found.setdefault((one.side.label, one.reason), {})[_name(one)] = None
    return [(label, reason, list(names)) for (label, reason), names in found.items()]


def _name(alone: Alone) -> str:
    row = alone.side.rows[alone.place]
    return f"{sampler_label(row)}, {grid_label(row)}, NFE {count_text(row.get('nfe'))}"


def csv_of(comparison: Comparison) -> str:
    """A line per difference, floats with 12 significant digits, nothing volatile."""
    lines = list(_plain(comparison))
    return csv_text(list(lines[0]) if lines else ["base", "folder"], lines)


def json_of(comparison: Comparison) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "base": comparison.base.label,
        "folders": [
            {
                "label": side.label,
                "source": side.table.source,
                "points": len(side.points),
                "pending": side.table.pending,
            }
            for side in comparison.sides
        ],
        "differs": {c.name: c.texts for c in comparison.conditions if not c.equal},
        "equal": {c.name: c.texts[0] for c in comparison.conditions if c.equal},
        "differences": [
            {key: _finite(value) for key, value in line.items()} for line in _plain(comparison)
        ],
        "not_compared": [
            {"folder": label, "reason": reason, "points": names}
            for label, reason, names in alone_of(comparison)
        ],
        "remarks": comparison.remarks(),
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and number(value) is None else rounded(value)


def _plain(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """The columns of the other's point, and the base's where the comparison is about them."""
    about = [column for column in COLUMNS if column in comparison.subject]
    for each, one in lines_in(comparison):
        ours, theirs = comparison.base.rows[one.base], each.side.rows[one.other]
        yield {
            "base": comparison.base.label,
            "folder": each.side.label,
            "metric": one.metric,
            "better": one.change.better,
            **{column: theirs.get(column) for column in COLUMNS},
            **{f"{column}_base": ours.get(column) for column in (*about, "nfe", "seed")},
            "value_base": one.change.old,
            "stderr_base": one.errors[0],
            "value": one.change.new,
            "stderr": one.errors[1],
            "difference": one.value,
            "difference_stderr": one.change.error,
            "z": one.z,
            "paired": "no" if one.unpaired else "yes",
            "verdict": one.verdict,
        }
