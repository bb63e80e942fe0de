"""The engine of a cluster: Ray's workers sample, and this process files."""

from __future__ import annotations

from samplebench.bench.engines.cluster.actors import Actors, connected
from samplebench.bench.engines.cluster.crew import CrewRun
from samplebench.bench.job import Job


def cluster(job: Job) -> None:
    """Samples a job on Ray's workers.

    Raises:
        EnvironmentError_: Ray is not installed, there is no cluster, or no worker comes.
    """
    if not job.items:
        return
    request = job.plan.request
    with connected(request.address) as ray:
        crew = Actors(ray, request)
        try:
            CrewRun(job, crew).run()
        finally:
            crew.close()
