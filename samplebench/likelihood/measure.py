"""Measures a model's likelihood of images, block by block; what ended is kept."""

from __future__ import annotations

from pathlib import Path

from samplebench.bench.provenance import partial_stamp, provenance
from samplebench.bench.stop import Stop
from samplebench.files.held import held
from samplebench.likelihood.block import Values, check_model, values_of
from samplebench.likelihood.folder import LikelihoodFolder, Part
from samplebench.likelihood.plan import BY_BOUND, LikelihoodPlan
from samplebench.likelihood.result import Likelihood
from samplebench.results.locking import alone
from samplebench.ticker import bar, say


def measure(plan: LikelihoodPlan, out: Path, quiet: bool) -> tuple[Likelihood, Path]:
    """What is missing is computed, the rest taken from the folder.

    Args:
        plan: what is asked.
        out: that the user named; it exists.
        quiet: no progress and no notes.

    Returns:
        The result, and the folder of its conditions.

    Raises:
        UsageError: the network fails or has no likelihood.
        EnvironmentError_: another run writes there.
        Interrupted: a signal came; the blocks that ended are kept.
    """
    folder = LikelihoodFolder(out, plan, partial_stamp(plan.model))
    parts = plan.blocks()
    with held([out]), alone(out), Stop().listening() as stop:
        values: dict[Part, Values] = {**folder.found(parts, quiet)}
        left = [part for part in parts if part not in values]
        if values and left and not quiet:
            say(f"resumed: {len(values):,} of {len(parts):,} blocks are done already")
        if left:
            check_model(plan)
            folder.note(plan.conditions, dict(provenance(plan.model)))
            _compute(plan, folder, left, values, stop, quiet)
    return Likelihood.of(plan, [values[part] for part in parts]), folder.path


def _compute(
    plan: LikelihoodPlan,
    folder: LikelihoodFolder,
    left: list[Part],
    values: dict[Part, Values],
    stop: Stop,
    quiet: bool,
) -> None:
    """Adds the blocks that are left to `values`, each filed as it ends."""
    images = sum(count for _, _, count in left)
    bound = plan.method == BY_BOUND
    total, unit = (images * plan.law.steps, "eval") if bound else (images, "image")
    with bar(total, f"{plan.metric} of {plan.entry.id}", unit, quiet) as advance:
        for part in left:
            stop.check()
            values[part] = found = values_of(plan, *part, advance)
            folder.keep(part, found)
    stop.check()
