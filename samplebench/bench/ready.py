"""Before a plan runs: every file it needs is on this machine, verified, and its cells are named."""

from __future__ import annotations

import sys

from samplebench.bench import plan as planning
from samplebench.bench.auto import blocked
from samplebench.bench.plan import Plan
from samplebench.bench.run import plan_device
from samplebench.checkpoints.announce import announce
from samplebench.checkpoints.local import digest, local_file
from samplebench.scoring import measure


def ready(plan: Plan, quiet: bool) -> Plan:
    """The plan with its checkpoints, references and extractors fetched.

    A hash that nobody published is known after the first download only, that of images after they
    were read, and a block that nobody wrote after a look at the model; cells and scores are named
    anew then.

    Raises:
        EnvironmentError_: a file cannot be fetched, a library is not installed, or this machine
            has not what the plan runs on.
        InputError: what was fetched is not the released file.
    """
    plan_device(plan)
    offline = plan.request.offline
    sources = plan.sources.values()
    measures = [each for source in sources for each in source.measures]
    # Of models in memory there is no file.
    needed = (file for source in sources for file in source.files)
    files = {file.id: file for file in needed if file.model is None}
    known = all(map(digest, files.values()))
    known &= all(each.known for each in measures)
    # The smaller ones first: what is missing there is told before gigabytes are on their way.
    measure.ready(measures, offline=offline, quiet=quiet)
    for file in files.values():
        if not (quiet or offline):
            announce(file, sys.stderr)
        local_file(file, offline=offline, quiet=quiet)
    return blocked(plan if known else planning.make(plan.request, plan.models))
