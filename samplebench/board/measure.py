"""Samples the sets of a board and measures them: one thread samples, the others assign."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from samplebench.ambient import own_settings
from samplebench.bench.conditions import setting_of
from samplebench.bench.stop import Stop
from samplebench.board.entrants import NUM_SAMPLES, REPEATS, VERSION, Entrant
from samplebench.board.excess import ExactDraws
from samplebench.board.store import Measured, Shelf
from samplebench.board.truth import Truths, follows
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.checkpoints.local import digest
from samplebench.loading import load
from samplebench.models.bound import Bound
from samplebench.models.model import threads_of
from samplebench.noise.streams import stream
from samplebench.results.cell import Cell, hash_of
from samplebench.sampling.setting import Setting

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

# Seed of the exact draws of repeat 0; a second set of them, for the floor, has its own.
_DRAWS, _FURTHER_DRAWS = 1_000_000, 2_000_000
# Sets that wait for their assignment, per thread: each has a matrix of 32 MB.
_WAITING = 2

Advance = Callable[..., None]
Conditions = Mapping[str, Any]


@dataclass(frozen=True)
class ModelBoard:
    """The values of one model's board.

    Attributes:
        model: its id.
        points: in the order in which they were asked for.
        floor: of exact draws beside others by repeat, these those of the samplers.
        floor_hash: of all that decides it.
        values: of each point by repeat, by the point's hash.
        num_samples: of a set.
    """

    model: str
    points: Sequence[Entrant]
    floor: Sequence[Measured]
    floor_hash: str
    values: Mapping[str, Sequence[Measured]]
    num_samples: int


def sets_of(points: Sequence[Entrant], repeats: int = REPEATS) -> int:
    """How many sets `measure` reports for these points of one model."""
    return len({cell.hash for point in points for cell in point.cells}) + repeats


def measure(
    entry: Checkpoint,
    points: Sequence[Entrant],
    store: Shelf,
    *,
    known: Mapping[str, Sequence[Measured]] | None = None,
    num_samples: int = NUM_SAMPLES,
    repeats: int = REPEATS,
    advance: Advance = lambda *said: None,
) -> ModelBoard:
    """Measures what is neither known nor in the store, which keeps it at once.

    Args:
        entry: of a model with exact draws, `draw(n, seed)`.
        points: of that model.
        known: values by repeat, by `Entrant.hash` or `ModelBoard.floor_hash`.
        advance: called with how many sets were done, and what is under way.

    Raises:
        UsageError: a sampler of others fails.
        Interrupted: a signal came; what was measured is kept.
    """
    known = known or {}
    draws = [_floor(entry, num_samples, repeat) for repeat in range(repeats)]
    floor_hash = hash_of({"floor": draws})
    floor = known.get(floor_hash)
    asked = [point for point in points if point.hash not in known]
    work = _Work(entry, store, num_samples, advance)
    with Stop().listening() as stop, work.assigning():
        for repeat in range(repeats):
            cells = {cell.hash: cell for point in asked for cell in (point.cells[repeat],)}
            work.repeat(repeat, list(cells.values()), with_floor=floor is None, stop=stop)
    advance(sets_of(points, repeats) - work.done)
    return ModelBoard(
        entry.id,
        points,
        floor or [work.value(each) for each in draws],
        floor_hash,
        {p.hash: known.get(p.hash) or [work.value(_of(c)) for c in p.cells] for p in points},
        num_samples,
    )


def _of(cell: Cell) -> Conditions:
    return {"board": VERSION, "cell": cell.hash}


def _floor(entry: Checkpoint, num_samples: int, repeat: int) -> Conditions:
    """What decides the exact draws of a repeat, and the floor that they give."""
    model = {"model": entry.id, "checkpoint_sha256": digest(entry), "config": dict(entry.config)}
    return {"board": VERSION, **model, "num_samples": num_samples, "repeat": repeat}


@dataclass
class _Work:
    """A model's sets under way.

    Attributes:
        done: sets that were reported.
    """

    entry: Checkpoint
    store: Shelf
    num_samples: int
    advance: Advance
    done: int = 0
    _values: dict[str, Measured] = field(default_factory=dict)
    _model: Any = None
    _pool: ThreadPoolExecutor | None = None
    _threads: int = max(1, (os.cpu_count() or 2) - 1)
    _waiting: deque[tuple[Conditions, bool, float | None, Future[tuple[float, float]]]] = field(
        default_factory=deque
    )

    def value(self, conditions: Conditions) -> Measured:
        return self._values[hash_of(conditions)]

    @contextmanager
    def assigning(self) -> Iterator[None]:
        """Within the block there are threads for assignments; at its end all of them are kept."""
        with ThreadPoolExecutor(self._threads) as self._pool:
            try:
                yield
            finally:
                while self._waiting:
                    self._finish()

    def repeat(self, repeat: int, cells: Sequence[Cell], *, with_floor: bool, stop: Stop) -> None:
        """Measures the sets of one repeat, and where it is asked for the floor."""
        floor = _floor(self.entry, self.num_samples, repeat)
        missing = [cell for cell in cells if not self._here(_of(cell))]
        floor_missing = with_floor and not self._here(floor)
        if not (missing or floor_missing):
            return
        self._model = self._model or load(self.entry, device="cpu", quiet=True)
        model = self._model
        exact = ExactDraws(_rows(model.draw(self.num_samples, _DRAWS + repeat)[0]))
        if floor_missing:
            other = _rows(model.draw(self.num_samples, _FURTHER_DRAWS + repeat)[0])
            self._assign(floor, True, None, other, exact)
        with own_settings(), threads_of(model):
            self._sets(repeat, cells, missing, exact, stop)

    def _sets(
        self,
        repeat: int,
        cells: Sequence[Cell],
        missing: Sequence[Cell],
        exact: ExactDraws,
        stop: Stop,
    ) -> None:
        """Samples what is missing of the cells of a repeat, and has it assigned."""
        model, floor = self._model, _floor(self.entry, self.num_samples, repeat)
        settings = {cell.hash: setting_of(model, cell.conditions) for cell in cells}
        truths: Truths | None = None
        for cell in missing:
            stop.check()
            setting = settings[cell.hash]
            error = None
            x, latents, labels = self._sample(setting, cell)
            if follows(model, setting):
                every = [each for each in settings.values() if follows(model, each)]
                truths = truths or Truths(
                    model, latents, labels, every, self.store, floor, self._solving
                )
                error = truths.error(setting, x)
            self._assign(_of(cell), not cell.not_reusable, error, _rows(x), exact)
            self.advance(0, f"{self.entry.id}, {setting.solver.name}, {setting.steps} steps")

    def _here(self, conditions: Conditions) -> bool:
        found = self.store.value(conditions)
        if found is not None:
            self._values[hash_of(conditions)] = found
        return found is not None

    def _solving(self, sigma: float) -> None:
        self.advance(0, f"{self.entry.id}, reference solution, sigma={sigma:.3g}")

    def _sample(self, setting: Setting, cell: Cell) -> tuple[Tensor, Tensor, Tensor | None]:
        """Images of a cell as the sampler ends, not quantized; their latents and labels."""
        import torch

        model, first = self._model, cell.conditions["seed"]
        seeds = range(first, first + self.num_samples)
        noise = stream(cell.conditions["noise"], seeds, model.device, model.state_dtype)
        shape = setting.timeline.latent_shape(model.shape)
        latents, labels = noise.start(shape, model.num_classes)
        bound = Bound(model, labels, len(seeds), blamed=True)
        with torch.no_grad(), setting.solver.guarded():
            return setting.run(bound, latents, noise), latents, labels

    def _assign(
        self,
        conditions: Conditions,
        lasting: bool,
        error: float | None,
        x: np.ndarray,
        exact: ExactDraws,
    ) -> None:
        assert self._pool is not None
        future = self._pool.submit(exact.compared, x)
        self._waiting.append((conditions, lasting, error, future))
        while len(self._waiting) > _WAITING * self._threads:
            self._finish()

    def _finish(self) -> None:
        """Waits for the first assignment, and keeps it where others may take it for theirs."""
        conditions, lasting, error, future = self._waiting.popleft()
        value = Measured(*future.result(), error)
        self._values[hash_of(conditions)] = value
        if lasting:
            self.store.keep(conditions, value)
        self.done += 1
        self.advance(1)


def _rows(x: Tensor) -> np.ndarray:
    return x.cpu().double().flatten(1).numpy()
