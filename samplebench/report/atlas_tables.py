"""The atlas' smaller tables: values that contradict each other, and values measured again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from samplebench.published import Published, Remeasured, conflicts
from samplebench.published.conflicts import Conflict
from samplebench.published.grids import NOT_STATED
from samplebench.results.fields import counted


def conflict_tables(rows: Iterable[Published]) -> list[Mapping[str, object]]:
    """For the page's template: what each conflict is about, its spread and its values."""
    return [
        {
            "about": _about(one),
            "spread": f"{100 * (one.spread - 1):.2g} %",
            "values": [_value(row) for row in one.rows],
        }
        for one in conflicts(rows)
    ]


def _about(one: Conflict) -> str:
    key = one.key
    n = NOT_STATED if key.num_samples is None else f"{key.num_samples:,}"
    order = f"order {key.order}" if key.order else ""
    said = [key.sampler, order, key.params, key.discretization, key.weights, key.guidance]
    return f"{key.checkpoint}: {', '.join(filter(None, said))}, NFE {key.nfe}, N {n}"


def _value(row: Published) -> Sequence[str]:
    grid = row.grid_printed or NOT_STATED
    return row.fid_printed, row.sampler_printed, grid, row.reference, row.certainty, row.source


def remeasured_rows(cases: Iterable[Remeasured]) -> list[dict[str, object]]:
    """Printed and re-measured values as rows of texts and numbers, None where there is none."""
    return [
        {
            "checkpoint": case.checkpoint,
            "sampler": case.sampler,
            "nfe": case.nfe,
            "metric": case.metric,
            "printed": None if case.published is None else f"{case.published:g}",
            "measured": case.measured_text,
            "difference": None if case.difference is None else f"{case.difference:+.3g}",
            "ratio": None if case.ratio is None else f"{case.ratio:.3f}",
            "what": case.what,
            "conditions": case.conditions,
            "source": case.source,
        }
        for case in cases
    ]


def lead_of(rows: Sequence[Published], only: str) -> str:
    """What the page holds, in a few sentences.

    Args:
        only: the options that chose the rows, as typed; "" for all of them.
    """
    checkpoints, sources = {row.checkpoint for row in rows}, {row.source for row in rows}
    text = (
        f"{counted(len(rows), 'value')} of {counted(len(checkpoints), 'checkpoint')}, collected "
        f"from {counted(len(sources), 'published source')}, with the conditions under which each "
        "was measured. Values can be compared only if these agree."
    )
    return f"{text} Selection: {only}." if only else text
