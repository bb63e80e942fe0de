"""A preset, its plan and its checklist in words for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from samplebench.bench.plan import Plan
from samplebench.checkpoints.catalog import catalog
from samplebench.download.cache import megabytes
from samplebench.reproduce.by_others import by_others, told
from samplebench.reproduce.checklist import DIFFERS, MATCHES, Check
from samplebench.reproduce.cost import SPEEDS, Cost
from samplebench.reproduce.needs import Needs
from samplebench.reproduce.preset import ReproductionPreset
from samplebench.results.fields import counted, printable


def plan_facts(preset: ReproductionPreset, plan: Plan, needs: Needs, cost: Cost) -> dict[str, str]:
    """What would be run, line by line."""
    row = plan.rows[0].columns
    found = {
        "preset": preset.name,
        "published": f"{preset.metric} {preset.printed} ({preset.source})",
        **({"by others": "; ".join(map(told, again))} if (again := by_others(preset)) else {}),
        "model": f"{row['model']}: {catalog()[row['model']].summary}",
        "sampler": f"{row['sampler']} {row['params']}".strip(),
        "NFE": f"{row['nfe']} in {row['steps']} steps",
        "images": f"{cost.images:,} ({seeds_told(preset, plan)})",
        "evaluations": f"{cost.evaluations:,}"
        + (f" and {cost.passes:,} passes of guidance" if cost.passes else ""),
        "reference": f"to be made: {preset.make_reference}" if needs.images else row["reference"],
        "state": needs.state,
    }
    for file in needs.files:
        size = "size not published" if file.size is None else megabytes(file.size)
        found[f"download {file.what}"] = f"{file.file_name}, {size}"
    for extra in needs.extras:
        found[f"extra {extra}"] = f'pip install "samplebench[{extra}]"'
    found["GPU-hours"] = hours_told(cost)
    found["results"] = str(plan.folder)
    return found


def seeds_told(preset: ReproductionPreset, plan: Plan) -> str:
    """E.g. "50,000 each from seeds 0, 50,000 and 100,000; the lowest value counts"."""
    (row,) = plan.rows
    seeds = [f"{cell.conditions['seed']:,}" for cell in row.cells]
    if len(seeds) == 1:
        return f"from seed {seeds[0]}"
    listed = f"{', '.join(seeds[:-1])} and {seeds[-1]}"
    each = f"{row.columns['num_samples']:,} each from seeds {listed}"
    return f"{each}; the lowest value counts" if preset.runs == len(seeds) else each


def hours_told(cost: Cost) -> str:
    """GPU-hours at each of the assumed speeds, or that nobody needs a GPU."""
    hours = [(speed, cost.hours(speed)) for speed in SPEEDS]
    known = [(speed, value) for speed, value in hours if value is not None]
    if not known:
        return "none: the model is small"
    texts = [f"{value:.2g} at {speed} TFLOP/s" for speed, value in known]
    return f"{' or '.join(texts)}, both assumed ({cost.pflop:,.0f} PFLOP)"


def plan_json(
    preset: ReproductionPreset, plan: Plan, needs: Needs, cost: Cost, checks: Sequence[Check]
) -> dict[str, Any]:
    """The same as values for JSON."""
    row = plan.rows[0].columns
    return {
        **preset.plain(),
        "by_others": [dict(each.plain()) for each in by_others(preset)],
        "state": needs.state,
        "nfe_planned": row["nfe"],
        "steps": row["steps"],
        "images": cost.images,
        "evaluations": cost.evaluations,
        "guidance_passes": cost.passes,
        "seeds": [cell.conditions["seed"] for cell in plan.rows[0].cells],
        "downloads": [
            {"what": file.what, "file": file.file_name, "bytes": file.size} for file in needs.files
        ],
        "extras": list(needs.extras),
        "reference_command": preset.make_reference if needs.images else "",
        "gpu_hours": {f"{speed} TFLOP/s, assumed": cost.hours(speed) for speed in SPEEDS},
        "conditions": [vars(each) for each in checks],
        "out": str(plan.folder),
    }


def check_lines(checks: Iterable[Check], width: int) -> list[str]:
    """The checklist, a condition a line; longer ones are wrapped under themselves.

    Args:
        width: of the terminal, in columns.
    """
    found = list(checks)
    verdict = max((len(each.verdict) for each in found), default=0)
    name = max((len(each.name) for each in found), default=0)
    lines = []
    for each in found:
        head = f"{each.verdict:<{verdict}}  {each.name:<{name}}  "
        text = "; ".join(filter(None, [_compared(each), each.note]))
        inner = max(width - len(head), 24)
        first, *more = textwrap.wrap(printable(text), inner, break_on_hyphens=False) or [""]
        lines += [head + first, *(" " * len(head) + line for line in more)]
    return lines


def _compared(check: Check) -> str:
    if check.verdict == MATCHES:
        return check.ours
    if check.verdict == DIFFERS:
        both = (("ours", check.ours), ("theirs", check.theirs))
        return ", ".join(f"{whose} {text}" for whose, text in both if text)
    theirs = f", theirs {check.theirs}" if check.theirs else ""
    return f"ours {check.ours}{theirs}"


def verdicts_told(checks: Sequence[Check]) -> str:
    """E.g. "20 conditions: 14 matches, 2 differs, 4 not stated"."""
    from samplebench.reproduce.outcome import agreement

    counts = agreement(checks)
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    return f"{counted(len(checks), 'condition')}: {told}"
