"""Progress of a run: on a terminal a bar over all evaluations, else a plain line per cell."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from samplebench.answers.parameters import label, plain
from samplebench.bench.guidances import shown
from samplebench.results.cell import Cell
from samplebench.results.fields import counted
from samplebench.results.record import Conditions, Record, Score
from samplebench.results.view import caveats
from samplebench.sampling.solver import Solver
from samplebench.ticker import Ticker, drawn, duration, say, terminal
from samplebench.timelines.choice import of_condition

# Evaluations of a sample of a cell where none are planned, for the time left alone: about what
# adaptive methods take at their usual tolerance.
_USUAL = 100


@dataclass
class _Underway:
    """A cell under way.

    Attributes:
        place: in the order in which cells began, from 1.
        passes: of a sample.
        resumed: how much was there before, in words.
    """

    place: int
    name: str
    passes: float
    ticker: Ticker
    resumed: str

    @classmethod
    def of(cls, cell: Cell, done: int, place: int) -> _Underway:
        """One of which `done` samples are there."""
        passes, n = passes_of(cell), cell.conditions["num_samples"]
        ticker = Ticker(work(cell), done * passes)
        resumed = f" (resumed at {done} of {n} samples)" if done else ""
        return cls(place, describe(cell.conditions, cell.nfe), passes, ticker, resumed)


class Progress:
    """Counts evaluations of one image, so that its time left holds across cells.

    Args:
        quiet: print nothing.

    Attributes:
        workers: how many processes sample, where that is to be told.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Any = None  # of tqdm, on a terminal
        self.workers = 0
        self._all = Ticker(None)
        self._place, self._count, self._images = 0, 0, 0
        self._cells: dict[str, _Underway] = {}

    @contextmanager
    def over(self, cells: Sequence[Cell]) -> Iterator[None]:
        """Shows progress over these cells within the block."""
        total = sum(work(cell) for cell in cells)
        self._all, self._cells, self._images = Ticker(total), {}, 0
        self._place, self._count = 0, len(cells)
        if not terminal():
            yield
            return
        with drawn(total=total, unit="eval", disable=self.quiet or not cells) as bar:
            self._bar = bar
            yield
        self._bar = None

    def note(self, text: str | None) -> None:
        """A line above the bar."""
        if text and not self.quiet:
            self._say(text)

    def start_cell(self, cell: Cell, done: int) -> None:
        """Announces a cell of which `done` samples are there already."""
        self._place += 1
        here = self._cells[cell.hash] = _Underway.of(cell, done, self._place)
        # What was there before is no work, and says nothing about the pace.
        self._all.skip(done * here.passes)
        if self._bar is not None:
            self._bar.set_description(here.name, refresh=False)
            self._bar.update(done * here.passes)

    def advance(self, samples: int, cell: Cell | None = None) -> None:
        """So many more samples of a cell are there; without one, of the only one under way."""
        here = [*self._cells.values()][-1] if cell is None else self._cells[cell.hash]
        self._images += samples
        self._all.advance(samples * here.passes)
        due = here.ticker.advance(samples * here.passes)
        if self._bar is not None:
            self._bar.set_postfix_str(self._pace, refresh=False)
            self._bar.update(samples * here.passes)
        elif due and not self.quiet and not here.ticker.finished:
            whole = f"; {self._all} in all" if self._count > 1 else ""
            pace = f"; {self._pace}" if self.workers else ""
            say(f"{self._head(here)}: {here.ticker}{whole}{pace}")

    @property
    def _pace(self) -> str:
        """E.g. "2 workers, 310 images/s", by all that was sampled so far."""
        pace = f"{self._images / max(self._all.seconds, 1e-9):.3g} images/s"
        return f"{counted(self.workers, 'worker')}, {pace}" if self.workers else pace

    def finish_cell(self, cell: Cell, record: Record, scores: Sequence[Score]) -> None:
        """Prints the cell's values, and what is to be known of them."""
        here = self._cells.pop(cell.hash)
        if self.quiet:
            return
        notes = [f"note: {text}" for text in caveats(record, scores)]
        here.name = describe(cell.conditions, record["nfe"])
        values = _values(record, scores)
        if self._bar is not None:
            self._say("\n  ".join([f"{here.name}  {values}{here.resumed}", *notes]))
            return
        seconds = here.ticker.seconds
        took = f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
        say("; ".join([f"{self._head(here)}: {values}, {took}{here.resumed}", *notes]))

    def scored(self, record: Record, scores: Sequence[Score]) -> None:
        """Prints new values of a cell that was there."""
        if self.quiet:
            return
        notes = [f"note: {text}" for text in caveats(record, scores)]
        head = describe(record["conditions"], record["nfe"])
        self._say("; ".join([f"{head}: {_values(record, scores)}", *notes]))

    def _head(self, here: _Underway) -> str:
        return f"[{here.place}/{self._count}] {here.name}"

    def _say(self, text: str) -> None:
        if self._bar is None:
            say(text)
        else:
            self._bar.write(text, file=sys.stderr)


def work(cell: Cell) -> float:
    """Evaluations of all samples of a cell, further passes of guidance included."""
    return passes_of(cell) * cell.conditions["num_samples"]


def passes_of(cell: Cell) -> float:
    """Of a sample, those of guidance included, each at the price of an evaluation."""
    # Images take time without an evaluation, too.
    own = _USUAL if cell.nfe is None else max(cell.nfe, 1)
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
    words.append(f"from step {conditions['start']['step']}" if "start" in conditions else "")
    words.append("" if nfe is None else f"NFE {nfe:.4g}")
    return " ".join(word for word in words if word)
