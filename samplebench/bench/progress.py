"""Progress of a run on the terminal: one bar over all network evaluations, a line per cell."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from samplebench.bench.grids import RESPACING
from samplebench.bench.plan import Cell
from samplebench.bench.view import caveats
from samplebench.parameters import label, plain
from samplebench.solver import Solver


class Progress:
    """A tqdm bar whose unit is one evaluation of one image, so that its ETA holds across cells.

    Args:
        quiet: print nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._nfe = 0

    @contextmanager
    def over(self, cells: Sequence[Cell]) -> Iterator[None]:
        """Shows a bar over these cells within the block."""
        from tqdm import tqdm

        total = sum(cell.nfe * cell.conditions["num_samples"] for cell in cells)
        interval = 0.2 if sys.stderr.isatty() else 10.0
        with tqdm(
            total=total,
            disable=self.quiet or not cells,
            unit="eval",
            unit_scale=True,
            mininterval=interval,
            file=sys.stderr,
            dynamic_ncols=True,
        ) as bar:
            self._bar = bar
            yield

    def note(self, text: str | None) -> None:
        """A line above the bar."""
        from tqdm import tqdm

        if text and not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def start_cell(self, cell: Cell, done: int) -> None:
        """Announces a cell of which `done` samples are there already."""
        self._nfe = cell.nfe
        self._bar.set_description(describe(cell.conditions, cell.nfe), refresh=False)
        self.advance(done)

    def advance(self, samples: int) -> None:
        self._bar.update(samples * self._nfe)

    def finish_cell(self, cell: Cell, record: dict[str, Any]) -> None:
        """Prints the cell's values, and what is to be known of them."""
        from tqdm import tqdm

        if self.quiet:
            return
        text = describe(cell.conditions, record["nfe"])
        for name, value in record["values"].items():
            text += f"  {name} {_number(value['value'])} ± {_number(value['stderr'])}"
        for note in caveats(record):
            text += f"\n  note: {note}"
        tqdm.write(text, file=sys.stderr)


def describe(conditions: Mapping[str, Any], nfe: float) -> str:
    """A cell in a few words, e.g. "digits-exact edm S_churn=10 edm rho=7 NFE 19"."""
    grid = conditions["discretization"]
    native = isinstance(grid, dict) and grid["name"] == RESPACING
    solver = Solver.of(conditions["sampler"], discrete=native)
    params = {k: v for k, v in conditions["params"].items() if v != plain(solver.defaults[k])}
    where = (
        {"name": "explicit levels"}
        if isinstance(grid, list)
        else {k: v for k, v in grid.items() if k in ("name", "rho")}
    )
    words = [conditions["model"], solver.name, label(params), where.pop("name"), label(where)]
    return " ".join(word for word in words if word) + f" NFE {nfe}"


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4g}"
