"""`sb.run`: a sweep from Python, the engine of the command line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from samplebench.bench import plan as planning
from samplebench.bench.engines.choose import engine_of, placed
from samplebench.bench.engines.ranks import joined
from samplebench.bench.engines.ranks.wire import Told
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress, describe
from samplebench.bench.request import Request
from samplebench.bench.shares import shard_of, share_of
from samplebench.bench.stop import Stop
from samplebench.errors import SamplebenchError
from samplebench.results.locking import Moment
from samplebench.results.store import Store
from samplebench.results.view import failure

if TYPE_CHECKING:
    import pandas as pd

    from samplebench.bench.engines.ranks.leader import Leader
    from samplebench.bench.job import Engine
    from samplebench.results.view import View


def run(*, quiet: bool = False, **words: Any) -> pd.DataFrame:
    """Runs a sweep and returns its rows.

    Args:
        quiet: no progress on stderr.
        words: as on the command line, one value or a list: model, sampler (names or functions),
            nfe, rho, discretization, param (sampler -> parameter -> values, or
            {"edm.S_churn": [0, 10]}), label (name -> label), guidance, guidance_scale,
            guidance_interval, guiding_model, classifier, num_samples, seed, repeats,
            metric, reference, keep, save_images, protocol, noise, state_dtype,
            batch_size, device, dtype, compile, engine, address, workers, shard, preset,
            checkpoints, file, format, model_config, offline, yes, out.

    Autocast, inference mode, the default dtype and device, and the precision of float32's products
    that the program has set in torch change no value: they are off meanwhile.

    Returns:
        One row per point of a curve, with the columns of results.csv. Cells that the results
        folder holds already are not computed again. A cell that failed has the value NaN, and a
        warning says why.

    Raises:
        UsageError: a word that cannot be meant; nothing was computed. Or a network, sampler,
            extractor or metric of others that fails or answers wrongly; finished cells are kept.
    """
    from samplebench.ambient import own_settings
    from samplebench.bench.engines.ranks.helper import Helper
    from samplebench.bench.ready import ready
    from samplebench.results.tables import to_frame

    with own_settings(), _as_rank_0(), joined() as ranks:
        plan, progress = planning.make(placed(Request.of(**words))), Progress(quiet)
        if isinstance(ranks, Helper):
            ranks.assist(plan)
        else:
            plan = ready(plan, quiet)
            for note in plan.notes:
                progress.note(f"note: {note}")
            view = sweep(plan, progress, ranks)
            lost, rows = failures(view), view.rows
            if ranks is not None:
                ranks.outcome = lost, rows
    if ranks is not None:
        lost, rows = ranks.outcome
    for line in lost:
        warnings.warn(f"failed: {line}", stacklevel=2)
    return to_frame(rows)


@contextmanager
def _as_rank_0() -> Iterator[None]:
    """Raises on every rank what rank 0 raises, so that a program takes the same way on all."""
    try:
        yield
    except Told as told:
        raise told.failure.error() from told.__cause__


def failures(view: View) -> list[str]:
    """The cells of a view that have no value, and why, a line each."""
    found = dict[str, None]()
    for row in view.rows:
        scores = view.scores_of(row)
        for record in view.records_of(row):
            own = [s for s in scores if s["conditions"]["cell"] == record["cell"]]
            if reason := failure(record, own):
                found[f"{describe(record['conditions'], record['nfe'])}: {reason}"] = None
    return list(found)


def sweep(plan: Plan, progress: Progress, ranks: Leader | None = None) -> View:
    """Computes what is missing of a plan, writes the folder's report, returns the plan's rows.

    Args:
        ranks: the processes that share it, whose files are fetched; None for this one alone.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM, after everything computed was kept and reported.
        EnvironmentError_: the folder was removed, renamed or replaced meanwhile.
    """
    from samplebench.bench.run import execute
    from samplebench.report import write_report

    store = Store(plan.folder, create=True)
    if ranks is None:
        engine: Engine = engine_of(plan.request)
    else:
        ranks.fetched()
        engine = ranks.engine
    stop = Stop(once=ranks is None)
    # torchrun sends a signal as soon as one of several ends, and the report is written after that.
    listening = nullcontext() if ranks is None else stop.listening()
    with _held(plan, store) as moment, listening:
        with moment():
            store.add_request(plan.request.asked(), plan.rows)
        try:
            with stop.listening():
                execute(plan, store, progress, stop, engine)
        except BaseException as error:
            # Finished cells are reported; what stopped the run is what is said.
            with suppress(SamplebenchError, OSError), moment():
                store.check_place()
                write_report(store.view(), store.out)
            if isinstance(error, OSError):
                # Of any look into a folder that is gone, that it is gone.
                store.check_place()
            raise
        with moment():
            store.check_place()
            write_report(store.view(), store.out)
            view = store.view(plan.rows)
            store.check_place()
    if plan.request.shard is not None and view.pending:
        progress.note(
            f"note: {view.pending} of {len(plan.cells)} cells belong to other shards, which have "
            "not finished yet"
        )
    return view


@contextmanager
def _held(plan: Plan, store: Store) -> Iterator[Moment]:
    """Holds the results folder, or a shard of it; yields what holds all of it for a moment."""
    shard = shard_of(plan)
    if shard is None:
        with store.locked():
            yield nullcontext
        return
    cells = share_of(plan)
    own = cells.union(*(plan.scores[cell] for cell in cells))
    with store.shared(shard, plan.request.asked(), plan.rows, own) as moment:
        yield moment
