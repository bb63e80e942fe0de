"""What of a plan is to do: cells to sample, and finished ones to score from what was kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from samplebench.bench.pictures import Pictures
from samplebench.bench.plan import Plan
from samplebench.bench.scores import can_score, kind_of
from samplebench.bench.shares import share_of
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.fields import counted
from samplebench.results.kept import LEVELS
from samplebench.results.record import Record
from samplebench.results.store import Store

Item = tuple[Cell, tuple[PlannedScore, ...]]


@dataclass(frozen=True)
class Work:
    """What is to do.

    Attributes:
        sample: cells whose network is asked, with the scores that they get.
        score: finished cells with the scores that they lack.
        notes: why finished cells are sampled again, a line each.
    """

    sample: tuple[Item, ...]
    score: tuple[Item, ...]
    notes: tuple[str, ...]


def work_of(plan: Plan, store: Store) -> Work:
    """Looks through the store for the cells and scores of a plan that are this job's."""
    sample, score = list[Item](), list[Item]()
    again: dict[str, int] = {}
    wanted, share = plan.scores, share_of(plan)
    for name, cell in ((name, cell) for name, cell in plan.cells.items() if name in share):
        every = tuple(wanted[name].values())
        lacking = tuple(s for s in every if not store.has_score(s.hash))
        record = store.whole(name)
        reason = "new" if record is None else _reason(plan, store, cell, record, every, lacking)
        if reason:
            sample.append((cell, every))
            if reason != "new":
                again[reason] = again.get(reason, 0) + 1
        elif lacking:
            score.append((cell, lacking))
    notes = (
        f"note: {counted(count, 'finished cell')} will be sampled again: {reason}"
        for reason, count in again.items()
    )
    return Work(tuple(sample), tuple(score), tuple(notes))


def _reason(
    plan: Plan,
    store: Store,
    cell: Cell,
    record: Record,
    every: Iterable[PlannedScore],
    lacking: Iterable[PlannedScore],
) -> str:
    """Why a finished cell must be sampled again; "" if it need not."""
    if record.get("not_reusable"):
        return "its model changed meanwhile"
    if record.get("failed"):
        return ""
    for score in lacking:
        if not can_score(store, cell.hash, kind_of(score)):
            return f"{lack(score)} were not kept"
    keep = plan.request.keep
    if keep != LEVELS[0] and not kept_at(store, cell, every, keep):
        return f"{keep} were not kept"
    if plan.request.save_images and not store.kept.has(cell.hash, "images"):
        number = cell.conditions["num_samples"]
        return "" if Pictures(store.out / "images").has(cell, number) else "images were not saved"
    return ""


def lack(score: PlannedScore) -> str:
    """What a score is computed on, in words: "moments of pixels for fd-pixels"."""
    conditions = score.conditions
    return f"{conditions['statistic']} of {conditions['extractor']['name']} for {score.metric}"


def kept_at(store: Store, cell: Cell, scores: Iterable[PlannedScore], level: str) -> bool:
    """Whether as much is kept of a cell as a level says, or all that there is."""
    if level == "images" or store.kept.has(cell.hash, "images"):
        return store.kept.has(cell.hash, "images")
    return all(
        store.kept.has(cell.hash, level, kind_of(score)[0]) or _featureless(store, cell, score)
        for score in scores
    )


def _featureless(store: Store, cell: Cell, score: PlannedScore) -> bool:
    """Whether the extractor has failed on a cell: of others moments are kept at least."""
    if store.kept.has(cell.hash, "moments", kind_of(score)[0]) or not store.has_score(score.hash):
        return False
    return bool(store.score(score.hash).get("failed"))
