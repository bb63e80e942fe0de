"""Cells of plans in a folder, computed as one sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.run import execute
from samplebench.bench.stop import Stop
from samplebench.results.store import Store
from samplebench.results.view import View


def executed(plans: Sequence[Plan], quiet: bool, *, report: bool) -> View:
    """All rows of the plans, computed where they are not there and kept.

    Args:
        plans: made ready, of one folder.
        quiet: no progress.
        report: whether the folder's report is written: figures take a while.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM; what was computed is kept.
    """
    whole = replace(plans[0], rows=tuple(row for plan in plans for row in plan.rows))
    store, stop = Store(whole.folder, create=True), Stop()
    with store.locked(), stop.listening():
        for plan in plans:
            store.add_request(plan.request.asked(), plan.rows)
        execute(whole, store, Progress(quiet), stop)
        if report:
            from samplebench.report import write_report

            write_report(store.view(), store.out)
        return store.view(whole.rows)
