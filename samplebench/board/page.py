"""The board as Markdown: every table of a model, and the best of each budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from samplebench.board.entrants import Absent
from samplebench.board.ranking import student
from samplebench.board.table import EXACT, BoardRow
from samplebench.files.atomic import write_atomic
from samplebench.results.fields import number, printable, value_text

BEST = 5
_NOTHING, _LOST = "–", "not finite"


def models_of(rows: Iterable[BoardRow]) -> list[str]:
    return list(dict.fromkeys(row.model for row in rows))


def budgets_of(rows: Iterable[BoardRow]) -> list[int]:
    return sorted({row.nfe_requested for row in rows if row.nfe_requested is not None})


def facts_of(rows: Sequence[BoardRow]) -> str:
    """What holds for all values, in a few sentences."""
    repeats = len(rows[0].w2_each)
    return (
        f"{repeats} sets of {rows[0].num_samples:,} samples; values are means over them, ± the "
        "standard error of the mean. W2 and truncation error are root mean squares per element, "
        "of data in [-1, 1]; the excess is the part of W2² that two sets from one distribution "
        "do not show by chance, and about 0 for a sampler without error. Ranks are by the "
        "excess, in its unit of data² per element. Neighbours whose paired difference is below "
        f"{student(repeats):.2f} of its standard errors are ties and share a rank; after it are "
        "the places that the sampler may have, compared with each other one directly."
    )


def best_table(rows: Sequence[BoardRow], count: int = BEST) -> str:
    """The first of each budget by the excess, a column each, as a Markdown table.

    Args:
        rows: of one model.
    """
    budgets = budgets_of(rows)
    ordered = {b: [r for r in rows if r.nfe_requested == b] for b in budgets}
    lines = [[f"NFE {budget}" for budget in budgets]]
    for place in range(count):
        line = []
        for budget in budgets:
            found = ordered[budget][place : place + 1]
            told = [f"{r.rank}. {_name(r)} {excess_text(r)} ({places_text(r)})" for r in found]
            line.append("".join(told) or _NOTHING)
        lines.append(line)
    return _markdown(lines)


def excess_table(rows: Sequence[BoardRow]) -> str:
    """All samplers of a model by their first places, the excess with its rank at every budget."""
    cells = {_at(r): f"{excess_text(r)} ({r.rank}; {places_text(r)})" for r in rows if r.rank}
    return _table(rows, cells, "first_place")


def w2_table(rows: Sequence[BoardRow]) -> str:
    """W2, the samplers in the same order."""
    return _table(rows, {_at(r): w2_text(r) for r in rows}, "first_place")


def truncation_table(rows: Sequence[BoardRow]) -> str:
    """As `excess_table` of the truncation error, of those that have one."""
    solved = [r for r in rows if r.truncation_rank]
    cells = {
        _at(r): f"{truncation_text(r)} ({r.truncation_rank}; "
        f"{between(r.truncation_first_place, r.truncation_last_place)})"
        for r in solved
    }
    return _table(solved, cells, "truncation_first_place")


def write_page(rows: Sequence[BoardRow], away: Sequence[Absent], path: Path) -> Path:
    """All tables of all models, as Markdown."""
    parts = ["# The exact board", facts_of(rows)]
    for model in models_of(rows):
        own = [row for row in rows if row.model == model]
        parts += [f"## {printable(model)}", floor_text(own), "### Excess", excess_table(own)]
        parts += ["### W2 to exact draws", w2_table(own)]
        parts += ["### Truncation error", truncation_table(own)]
    if away:
        parts += ["## Not on the board", "\n".join(f"* `{a.sampler}`: {a.reason}" for a in away)]
    return write_atomic(path, ("\n\n".join(parts) + "\n").encode("utf-8"))


def floor_text(rows: Sequence[BoardRow]) -> str:
    """What two sets of exact draws of a model are apart."""
    floor = next(row for row in rows if row.sampler == EXACT)
    return (
        f"Two sets of exact draws are {w2_text(floor)} apart; their excess is {excess_text(floor)}."
    )


def _table(rows: Sequence[BoardRow], cells: Mapping[tuple[str, int | None], str], rank: str) -> str:
    budgets, places = budgets_of(rows), dict[str, list[int]]()
    for row in rows:
        if row.nfe_requested is not None:
            places.setdefault(_name(row), []).append(getattr(row, rank))

    def place(name: str) -> tuple[int, str]:
        # Where it does not run, as if all were better.
        return sum(places[name]) + len(places) * (len(budgets) - len(places[name])), name

    order = sorted(places, key=place)
    lines = [["sampler", *(f"NFE {budget}" for budget in budgets)]]
    lines += [[name, *(cells.get((name, b), _NOTHING) for b in budgets)] for name in order]
    return _markdown(lines)


def _at(row: BoardRow) -> tuple[str, int | None]:
    return _name(row), row.nfe_requested


def _name(row: BoardRow) -> str:
    return f"**`{printable(row.label)}`**" if row.guest else f"`{printable(row.label)}`"


def excess_text(row: BoardRow) -> str:
    """The excess with its standard error."""
    if number(row.excess) is None:
        return _LOST
    return value_text(row.excess, row.excess_stderr)


def places_text(row: BoardRow) -> str:
    """The places that a sampler may have, e.g. "2–5"; nothing of exact draws."""
    return between(row.first_place, row.last_place)


def between(first: int | None, last: int | None) -> str:
    """Two places as a range, one alone where they are equal."""
    return "" if first is None else f"{first}–{last}" if first != last else f"{first}"


def w2_text(row: BoardRow) -> str:
    """W2 with its standard error."""
    return value_text(row.w2, row.w2_stderr) if number(row.w2) is not None else _LOST


def truncation_text(row: BoardRow) -> str:
    """The truncation error to two digits."""
    if row.truncation is None:
        return _NOTHING
    return f"{row.truncation:.2g}" if number(row.truncation) is not None else _LOST


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])
