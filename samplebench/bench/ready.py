"""Before a plan runs: every file it needs is on this machine, verified, and its hash is known."""

from __future__ import annotations

import sys
from pathlib import Path

from samplebench.answers.blame import blame
from samplebench.bench import plan as planning
from samplebench.bench.plan import Plan
from samplebench.checkpoints.announce import announce
from samplebench.checkpoints.local import digest, local_file
from samplebench.registry import extractors


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
    known = all(digest(source.checkpoint) and source.reference.sha256 for source in sources)
    # The smaller ones first: what is missing there is told before gigabytes are on their way.
    for source in sources:
        fetch_extractor(source.reference.extractor, offline=offline, quiet=quiet)
        source.reference.fetch(offline=offline, quiet=quiet)
    for source in sources:
        if not (quiet or offline):
            announce(source.checkpoint, sys.stderr)
        local_file(source.checkpoint, offline=offline, quiet=quiet)
    return plan if known else planning.make(plan.request)


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
