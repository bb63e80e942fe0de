"""Progress of a run: on a terminal a bar over all evaluations, else a plain line per cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from samplebench.answers.parameters import label, plain
from samplebench.bench.guidances import shown
from samplebench.results.cell import Cell
from samplebench.results.record import Conditions, Record, Score
from samplebench.results.view import caveats
from samplebench.sampling.solver import Solver
from samplebench.ticker import Ticker, duration, say, terminal
from samplebench.timelines.choice import of_condition

# Evaluations of a sample of a cell where none are planned, for the time left alone: about what
# adaptive methods take at their usual tolerance.
_USUAL = 100


class Progress:
    """Counts evaluations of one image, so that its time left holds across cells.

    Args:
        quiet: print nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Any = None  # of tqdm, on a terminal
        self._all = self._cell = Ticker(None)
        self._place, self._count = 0, 0
        self._name = self._resumed = ""
        self._nfe = 0.0
        self._workers, self._images, self._began = 1, 0, 0.0

    def shared(self, workers: int) -> None:
        """From now on so many workers compute the cells, and their pace is shown."""
        self._workers, self._images, self._began = workers, 0, time.monotonic()

    @contextmanager
    def over(self, cells: Sequence[Cell]) -> Iterator[None]:
        """Shows progress over these cells within the block."""
        total = sum(work(cell) for cell in cells)
        self._all, self._place, self._count = Ticker(total), 0, len(cells)
        if not terminal():
            yield
            return
        from tqdm import tqdm

        with tqdm(
            total=total,
            disable=self.quiet or not cells,
            unit="eval",
            unit_scale=True,
            mininterval=0.2,
            file=sys.stderr,
            dynamic_ncols=True,
        ) as bar:
            self._bar = bar
            yield
        self._bar = None

    def note(self, text: str | None) -> None:
        """A line above the bar."""
        if text and not self.quiet:
            self._say(text)

    def start_cell(self, cell: Cell, done: int) -> None:
        """Announces a cell of which `done` samples are there already."""
        self._nfe, self._place = _passes(cell), self._place + 1
        self._name = describe(cell.conditions, cell.nfe)
        self._cell = Ticker(work(cell), done * self._nfe)
        n = cell.conditions["num_samples"]
        self._resumed = f" (resumed at {done} of {n} samples)" if done else ""
        # What was there before is no work, and says nothing about the pace.
        self._all.skip(done * self._nfe)
        if self._bar is not None:
            self._bar.set_description(self._name, refresh=False)
            self._bar.update(done * self._nfe)

    def advance(self, samples: int) -> None:
        self._all.advance(samples * self._nfe)
        due = self._cell.advance(samples * self._nfe)
        self._images += samples
        if self._bar is not None:
            if self._workers > 1:
                self._bar.set_postfix_str(self._pace(), refresh=False)
            self._bar.update(samples * self._nfe)
        elif due and not self.quiet and not self._cell.finished:
            whole = f"; {self._all} in all" if self._count > 1 else ""
            pace = f"; {self._pace()}" if self._workers > 1 else ""
            say(f"{self._head()}: {self._cell}{whole}{pace}")

    def finish_cell(self, cell: Cell, record: Record, scores: Sequence[Score]) -> None:
        """Prints the cell's values, and what is to be known of them."""
        if self.quiet:
            return
        notes = [f"note: {text}" for text in caveats(record, scores)]
        if self._bar is not None:
            text = f"{describe(cell.conditions, record['nfe'])}  {_values(record, scores)}"
            self._say("\n  ".join([text + self._resumed, *notes]))
            return
        self._name = describe(cell.conditions, record["nfe"])
        seconds = self._cell.seconds
        took = f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
        text = f"{self._head()}: {_values(record, scores)}, {took}{self._resumed}"
        say("; ".join([text, *notes]))

    def scored(self, record: Record, scores: Sequence[Score]) -> None:
        """Prints new values of a cell that was there."""
        if self.quiet:
            return
        notes = [f"note: {text}" for text in caveats(record, scores)]
        head = describe(record["conditions"], record["nfe"])
        self._say("; ".join([f"{head}: {_values(record, scores)}", *notes]))

    def _pace(self) -> str:
        """E.g. "2 workers, 35.2 images/s"."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        return f"{self._workers} workers, {self._images / seconds:.3g} images/s"

    def _head(self) -> str:
        return f"[{self._place}/{self._count}] {self._name}"

    def _say(self, text: str) -> None:
        if self._bar is None:
            say(text)
        else:
            self._bar.write(text, file=sys.stderr)


def work(cell: Cell) -> float:
    """Evaluations of all samples of a cell, further passes of guidance included."""
    return _passes(cell) * cell.conditions["num_samples"]


def _passes(cell: Cell) -> float:
    """Of a sample, those of guidance included, each at the price of an evaluation."""
    own = cell.nfe or _USUAL
    return own + (own if cell.guide_nfe is None else cell.guide_nfe)


def _values(record: Record, scores: Sequence[Score]) -> str:
    """E.g. "fd-digits 0.464 ± 0.040", or why there is none; against which reference, if several."""
    from samplebench.results.fields import value_text

    if record.get("failed"):
        return f"failed: {record['failed']}"
    references = [score["conditions"]["reference"] for score in scores]
    several = len({one.get("sha256") for one in references if one.get("id") != ""}) > 1
    texts = []
    for score in scores:
        value, conditions = score["value"], score["conditions"]
        text = "nan" if value["value"] is None else value_text(value["value"], value["stderr"])
        if score.get("failed"):
            text = f"failed: {score['failed']}"
        name = conditions["reference"].get("id")
        against = f" ({name})" if several and name != "" else ""
        texts.append(f"{conditions['metric']}{against} {text}")
    return ", ".join(texts)


def describe(conditions: Conditions, nfe: float | None) -> str:
    """A cell in a few words, e.g. "digits-exact edm S_churn=10 edm rho=7 NFE 19"."""
    grid = conditions["discretization"]
    steps = of_condition(grid)
    solver = Solver.of(conditions["sampler"], timeline=steps)
    params = {k: v for k, v in conditions["params"].items() if v != plain(solver.defaults[k])}
    words = [conditions["model"], solver.name, label(params), steps.shown(grid)]
    words.append(shown(conditions.get("guidance")))
    words.append("" if nfe is None else f"NFE {nfe:.4g}")
    return " ".join(word for word in words if word)
