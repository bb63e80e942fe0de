"""What `list samplers --verbose` tells of a sampler: its registration in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from samplebench.answers.parameters import label
from samplebench.cli.facts import papers
from samplebench.registry import SamplerEntry
from samplebench.sampling.solver import Solver

# Enough steps for any method; a rule that is a line through these is one.
_PROBED = (24, 25, 40, 63)


def facts(entry: SamplerEntry) -> dict[str, Any]:
    """By what readers call them; None where a sampler has no such thing."""
    solver = Solver.of(entry.name)
    order = solver.order()
    return {
        "name": entry.name,
        "summary": entry.summary,
        "order": order if order is None or order % 1 else int(order),
        "evaluations": _evaluations(solver),
        "timelines": ", ".join((entry.timeline, *entry.on)),
        "ends at": _end(solver),
        "end rules": ", ".join(_rules(solver)) or None,
        "draws": _draws(solver),
        "batch": "a sample depends on the rest of its batch" if entry.coupled else None,
        "defaults as in": entry.code or None,
        "papers": papers(entry.cite),
        "parameters": label(solver.defaults) or None,
    }


def formula(counts: Mapping[int, int]) -> str:
    """What is counted at several N as a line in N, e.g. "2N - 1"; else at the first of them."""
    (first, low), *_, (last, high) = counts.items()
    slope = (high - low) // (last - first)
    offset = low - slope * first
    if any(slope * n + offset != count for n, count in counts.items()):
        return f"{low} for N = {first}"
    line = "N" if slope == 1 else f"{slope}N" if slope else ""
    if not (line and offset):
        return line or str(offset)
    return f"{line} {'-' if offset < 0 else '+'} {abs(offset)}"


def _end(solver: Solver) -> str | None:
    if "final" not in solver.timeline.supplied:
        return None
    return "0" if solver.final() == "zero" else solver.final()


def _rules(solver: Solver) -> tuple[str, ...]:
    """Words of a request that say how its grids begin and end."""
    final = ("final",) if "discretization" in solver.timeline.words else ()
    return (*final, *getattr(solver.timeline, "rules", ()))


def _evaluations(solver: Solver) -> str:
    if solver.timeline.evaluates and not solver.timeline.budgeted:
        return "adaptive"
    if solver.entry.evaluations is None:
        return "counted by trying"
    return formula({n: solver.evaluations(n, solver.defaults) for n in _PROBED})


def _draws(solver: Solver) -> str | None:
    """Draws of noise for N steps, and the parameter that turns them on or off."""
    on, off = solver.noisy(), solver.quiet()
    if on is None:
        return None
    count = formula({n: solver.noises(n, on) for n in _PROBED})
    if on:
        return f"{count} with {next(iter(on))} > 0"
    return f"{count}; none with {label(off)}" if off else count
