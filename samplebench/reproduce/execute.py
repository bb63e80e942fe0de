"""A preset through the ordinary engine: planned, swept, compared, written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from samplebench.api import sweep
from samplebench.bench import plan as planning
from samplebench.bench.engines.choose import placed
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.reproduce.outcome import Reproduction, reproduction
from samplebench.reproduce.preset import ReproductionPreset
from samplebench.reproduce.write import write

if TYPE_CHECKING:
    from samplebench.bench.engines.ranks.leader import Leader

# Compares with no reference: what stands for the distance to one that is not made yet.
_WITHOUT = "inception-score"


def planned(preset: ReproductionPreset, **words: Any) -> Plan:
    """The plan of a preset; nothing is fetched.

    One whose reference has to be made first, and is not given, is planned without its distance.

    Args:
        words: of the request, over the preset's own.

    Raises:
        UsageError: a word that cannot be meant.
    """
    if preset.images and not words.get("reference"):
        words["metric"] = _WITHOUT
    return planning.make(placed(preset.request(**words)))


def intended(preset: ReproductionPreset, plan: Plan) -> Plan:
    """The plan of the preset's own request, on the same device and against the same reference."""
    asked = plan.request
    same = {
        "device": asked.device,
        "metric": asked.metric or None,
        "offline": asked.offline or None,
    }
    if preset.images:
        same["reference"] = asked.reference or None
    # In the same file, where the user named one.
    there = [entry for entry in plan.models if entry.id == preset.checkpoint]
    return planning.make(preset.request(**same), there or None)


def execute(
    preset: ReproductionPreset, plan: Plan, progress: Progress, ranks: Leader | None = None
) -> Reproduction:
    """Computes what is missing of a plan whose files are here, compares, and writes both pages.

    Raises:
        Interrupted, EnvironmentError_: as `api.sweep` does; finished blocks are kept.
    """
    view = sweep(plan, progress, ranks)
    found = reproduction(preset, plan, intended(preset, plan), view)
    write(found, plan.folder)
    return found
