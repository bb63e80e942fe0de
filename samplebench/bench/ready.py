"""Before a plan runs: every checkpoint is on this machine, verified, and its hash is known."""

from __future__ import annotations

import sys

from samplebench.bench import plan as planning
from samplebench.bench.plan import Plan
from samplebench.checkpoints.announce import announce
from samplebench.checkpoints.local import digest, local_file


def ready(plan: Plan, quiet: bool) -> Plan:
    """The plan with its checkpoints fetched.

    A hash that nobody published is known after the first download only; the cells are named anew
    then.

    Raises:
        EnvironmentError_: a checkpoint cannot be fetched.
        InputError: what was fetched is not the checkpoint.
    """
    offline = plan.request.offline
    entries = [source.checkpoint for source in plan.sources.values()]
    unknown = [entry for entry in entries if not digest(entry)]
    for entry in entries:
        if not (quiet or offline):
            announce(entry, sys.stderr)
        local_file(entry, offline=offline, quiet=quiet)
    return planning.make(plan.request) if unknown else plan
