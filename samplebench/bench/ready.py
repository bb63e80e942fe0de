"""Before a plan runs: every file it needs is on this machine, verified, and its hash is known."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from samplebench.answers.blame import blame
from samplebench.bench import plan as planning
from samplebench.bench.plan import Plan
from samplebench.checkpoints.announce import announce
from samplebench.checkpoints.local import digest, local_file
from samplebench.registry import extractors
from samplebench.scoring.measure import Measure


def ready(plan: Plan, quiet: bool) -> Plan:
    """The plan with its checkpoints, references and extractors fetched.

    A hash that nobody published is known after the first download only; the cells are named anew
    then.

    Raises:
        EnvironmentError_: a file cannot be fetched, or a library is not installed.
        InputError: what was fetched is not the released file.
    """
    offline = plan.request.offline
    sources = plan.sources.values()
    measures = [measure for source in sources for measure in source.measures]
    known = all(digest(source.checkpoint) for source in sources)
    known &= all(measure.reference.sha256 for measure in measures)
    # The smaller ones first: what is missing there is told before gigabytes are on their way.
    fetch_measures(measures, offline=offline, quiet=quiet)
    for source in sources:
        if not (quiet or offline):
            announce(source.checkpoint, sys.stderr)
        local_file(source.checkpoint, offline=offline, quiet=quiet)
    return plan if known else planning.make(plan.request)


def fetch_measures(measures: Iterable[Measure], *, offline: bool, quiet: bool) -> None:
    """Brings the extractors and references of these measures; raises as `ready` does."""
    for reference in dict.fromkeys(measure.reference for measure in measures):
        fetch_extractor(reference.extractor, offline=offline, quiet=quiet)
        reference.fetch(offline=offline, quiet=quiet)


def fetch_extractor(name: str, *, offline: bool, quiet: bool) -> Path | None:
    """The verified file that an extractor needs; None where it needs none.

    Raises:
        EnvironmentError_: it cannot be fetched, or a library is not installed.
        InputError: it is not the released file.
    """
    extractor = extractors.get(name)
    if not hasattr(extractor, "fetch"):
        return None
    with blame(f"extractor {name}", extractor):
        path: Path = extractor.fetch(offline=offline, quiet=quiet)
    return path
