"""Which cells of a plan each of several jobs computes: decided by the plan alone."""

from __future__ import annotations

from samplebench.bench.plan import Plan
from samplebench.bench.progress import work
from samplebench.results.locking import Shard


def shard_of(plan: Plan) -> Shard | None:
    """The job that a request is, None where it is the only one."""
    if plan.request.shard is None:
        return None
    index, _, count = plan.request.shard.partition("/")
    return Shard(int(index), int(count))


def share_of(plan: Plan) -> frozenset[str]:
    """Hashes of the cells that this job computes.

    The longest cell first, each goes to the job that has the least work so far.
    """
    shard = shard_of(plan)
    if shard is None:
        return frozenset(plan.cells)
    # Of more jobs than cells the last ones have nothing.
    loads, share = [0.0] * min(shard.count, len(plan.cells)), set[str]()
    for cell in sorted(plan.cells.values(), key=lambda cell: (-work(cell), cell.hash)):
        job = loads.index(min(loads))
        loads[job] += work(cell)
        if job == shard.index:
            share.add(cell.hash)
    return frozenset(share)
