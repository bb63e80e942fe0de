"""A cell under way: takes its blocks, keeps half of it now and then, and files the whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import numpy as np

from samplebench.bench.block import Block, count_of
from samplebench.bench.facts import BenchFacts
from samplebench.bench.loaded import score_key
from samplebench.bench.partial import Partial
from samplebench.bench.pictures import Pictures
from samplebench.bench.provenance import now
from samplebench.bench.scores import Kind, Scoring, keep_statistics, scored_cell
from samplebench.errors import SamplebenchError
from samplebench.images import contact_sheet
from samplebench.metrics.blocks import Blocked, BlockedRows
from samplebench.metrics.moments import BlockedMoments
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.kept import IMAGES, LEVELS
from samplebench.results.record import Record, Score
from samplebench.results.store import SCHEMA, Store

# At most this share of a cell's time goes into keeping its partial state.
_SAVE_SHARE = 0.05


class Filing:
    """Blocks of one cell, computed by anybody in any order, to its record, statistics and scores.

    Args:
        cell: under way; taken up where half of it is in the store.
        wanted: scores that it gets.
        facts: of its model, loaded wherever its blocks are computed.
        store: that it is filed in.
        scoring: what the scores need beside its statistics.
        keep: what is kept of its images.
        pictures: where images are written as PNG files, None for nowhere.
        changes: what of the model is no longer what the cell says, a line each.

    Attributes:
        partial: what the blocks so far have added up to.
        waiting: blocks that came before one that is missing, by index.
    """

    def __init__(
        self,
        cell: Cell,
        wanted: Sequence[PlannedScore],
        facts: BenchFacts,
        store: Store,
        scoring: Scoring,
        keep: str = LEVELS[0],
        pictures: Pictures | None = None,
        changes: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.cell, self.wanted, self.facts = cell, wanted, facts
        self._store, self._scoring, self._keep = store, scoring, keep
        self._pictures, self._changes = pictures, changes
        self._count, self._own = count_of(cell.conditions), facts.cells[cell.hash]
        self.waiting: dict[int, Block] = {}
        self.partial = self._begun()
        if not cell.not_reusable and (kept := store.load_partial(cell.hash)) is not None:
            self.partial.resume(kept)
            if pictures is not None and not pictures.has(cell, self.partial.next_sample):
                # A run that saved none began it.
                self.partial = self._begun()
        self._saved, self._cost = time.monotonic(), 0.0

    def _begun(self) -> Partial:
        (channels, height, width), name = self.facts.shape, self.cell.hash
        files = {
            one.key: self._store.rows(name, one.key, (one.dim,), np.float64)
            for one in self.facts.extractors
        }
        if self._keep == "images":
            shape = (height, width, channels)
            files["images"] = self._store.rows(name, "images", shape, np.uint8)
        return Partial(self.facts.stamp, files, unsteady=[*self._own.unsteady])

    @property
    def missing(self) -> range:
        """Indices of the blocks that are not folded yet."""
        return range(self.partial.next_block, self._count)

    def take(self, block: Block) -> int:
        """Folds a block, and those that have waited for it; returns the number of their samples."""
        before = self.partial.next_sample
        self.waiting[block.index] = block
        while (following := self.waiting.pop(self.partial.next_block, None)) is not None:
            self.partial.fold(following)
            if self._pictures is not None:
                self._pictures.write(self.cell, following)
        return self.partial.next_sample - before

    def save(self, *, at_once: bool = False) -> None:
        """Keeps half a cell where it is time to, so that a run can be taken up.

        Args:
            at_once: whether or not it is time to.
        """
        began = time.monotonic()
        due = bool(self.missing) and began - self._saved > self._cost / _SAVE_SHARE
        if not (at_once or due) or self.cell.not_reusable or any(self._changes()):
            return
        self._store.save_partial(self.cell.hash, self.partial.state())
        self._saved = time.monotonic()
        self._cost = self._saved - began

    @contextmanager
    def underway(self) -> Iterator[None]:
        """Around the making of its blocks: what is whole is kept where one of them fails."""
        try:
            yield
        except BaseException as error:
            # Code of others fails now and then; whatever else ends a run may leave no time.
            self.leave(keep=isinstance(error, SamplebenchError))
            raise

    def leave(self, *, keep: bool = True) -> None:
        """Ends it as half a cell after a failure, which is the one to tell.

        Args:
            keep: whether what is whole of it is kept, where the cell may be taken up at all.
        """
        with suppress(OSError, SamplebenchError):
            if self.cell.not_reusable or any(self._changes()):
                self._store.drop_partial(self.cell.hash)
            elif keep and self.partial.next_block:
                self._store.save_partial(self.cell.hash, self.partial.state())

    def finish(self) -> tuple[Record, list[Score]]:
        """Files the whole cell: what is kept of its images, its scores, its record.

        Raises:
            ValueError: blocks are missing.
        """
        if self.missing:
            raise ValueError(f"blocks {self.missing} are missing")
        cell, changes = self.cell, tuple(self._changes())
        self.partial.doubt(changes)
        if changes:
            # Made in part by another model than its name says.
            cell = replace(cell, not_reusable=cell.not_reusable or changes[0])
        statistics = dict(self._statistics())
        if not (self.partial.nonfinite or cell.not_reusable):
            self._file(statistics)
        record = self._record(cell)
        scores = scored_cell(record, self.wanted, self._scoring, statistics, self.partial.failed)
        for score in scores:
            self._store.write_score(score)
        # Last: whoever finds it finds the rest, too.
        self._store.write_cell(record, contact_sheet(self.partial.sheet))
        return record, scores

    def _statistics(self) -> Iterator[tuple[Kind, Blocked]]:
        """By extractor's key and kind what the metrics are computed on, and the moments of all."""
        partial = self.partial
        if partial.nonfinite:
            return
        kinds = {(score_key(score), score.conditions["statistic"]) for score in self.wanted}
        keys = (one.key for one in self.facts.extractors)
        for key in (key for key in keys if key not in partial.failed):
            yield (key, "moments"), BlockedMoments.of(partial.rows(key))
            if (key, "features") in kinds:
                # As they are kept, so that a score of kept rows is the same.
                yield (key, "features"), BlockedRows(partial.rows(key).astype(np.float32))

    def _file(self, statistics: dict[Kind, Blocked]) -> None:
        """Keeps what was asked for, of a cell that has images."""
        name = self.cell.hash
        for one in self.facts.extractors:
            moments = statistics.get((one.key, "moments"))
            if not isinstance(moments, BlockedMoments):
                continue
            rows = None if self._keep == LEVELS[0] else self.partial.rows(one.key)
            keep_statistics(self._store, name, one, moments, rows)
        if self._keep == "images":
            self._store.kept.write(name, "images", "", {IMAGES: self.partial.rows("images")})

    def _record(self, cell: Cell) -> Record:
        """The JSON record of a finished cell."""
        partial, facts = self.partial, self.facts
        record: Record = {
            "schema": SCHEMA,
            "cell": cell.hash,
            "conditions": cell.conditions,
            "nfe": partial.nfe,
            "gflop_per_evaluation": facts.gflop,
            "gflop_per_image": self._gflop(),
            "nonfinite": partial.nonfinite,
            "seed_reproducible": not partial.unsteady,
            "seconds": {stage: round(value, 3) for stage, value in partial.seconds.items()},
            "provenance": {**facts.provenance, "created": now()},
        }
        if cell.nfe is not None:
            record["nfe_planned"] = cell.nfe
        if "guidance" in cell.conditions:
            record["guide_nfe"] = partial.guide_nfe
            if cell.guide_nfe is not None:
                record["guide_nfe_planned"] = cell.guide_nfe
        if cell.depth not in (None, cell.nfe):
            record["depth"] = cell.depth
        if self._own.about:
            record["about"] = dict(self._own.about)
        if self._own.remarks:
            record["remarks"] = [*self._own.remarks]
        if partial.unsteady:
            record["unsteady"] = partial.unsteady
        if cell.not_reusable:
            record |= {"reusable": False, "not_reusable": cell.not_reusable}
        if partial.nonfinite:
            total = cell.conditions["num_samples"]
            record["failed"] = f"{partial.nonfinite} of {total} samples: {partial.why}"
        return record

    def _gflop(self) -> float | None:
        """Of an image, further passes of guidance included; None where one cannot be counted."""
        partial, gflop, further = self.partial, self.facts.gflop, self._own.further
        if gflop is None or (further is None and partial.guided):
            return None
        return gflop * partial.nfe + (further or 0) * partial.guide_nfe
