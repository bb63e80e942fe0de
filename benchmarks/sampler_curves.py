"""Every registered sampler on two models: the table and the picture of docs/samplers.md.

    python benchmarks/sampler_curves.py --sweep    # recomputes the values, about an hour
    python benchmarks/sampler_curves.py            # prints the table, draws docs/samplers.svg

The values are those of benchmarks/baselines/samplers-table.csv, of 1,797 samples from seed 0 on; an
error is the standard error over delete-one-block sets. A sampler is there with its defaults, and
`edm` with S_churn = 10.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from field import plain, ticks
from samplebench.errors import UsageError
from samplebench.files.atomic import write_atomic
from samplebench.loading import load
from samplebench.registry import samplers
from samplebench.regression import load_rows
from samplebench.report.looks import PALETTE
from samplebench.report.plots import FAINT, render, settings
from samplebench.sampling.solver import Solver

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "baselines" / "samplers-table.csv"
MODELS = ("digits-exact", "digits-vp")
BUDGETS = (5, 8, 10, 20, 50)
DRAWN = (5, 8, 10, 20, 35, 50)
# What a sampler is shown with where its defaults do not show it: "edm" with noise, "rk45" by its
# tolerance, "restart" with an interval that fits into few evaluations, too.
PARAMS = {
    "edm": {"S_churn": "10"},
    "restart": {"intervals": "None,2:1:0.06:0.3"},
    "rk45": {"rtol": "1e-1,1e-2,1e-3"},
}
# Beside each group's own curves, in grey.
ALWAYS = "heun"
WIDTH, HEIGHT = 9.6, 11.0  # inches
VALUES = (0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20)
Row = Mapping[str, Any]


def fitting() -> list[str]:
    """Names of the samplers that draw images of these models."""
    model, found = load(MODELS[0], device="cpu"), []
    for entry in samplers:
        try:
            solver = Solver.on(model, entry.name, MODELS[0])
        except UsageError:
            continue
        # Exact draws are no matter of steps, and not every one of these models has them.
        if solver.entry.draws and solver.timeline.evaluates:
            found.append(entry.name)
    return found


def commands(out: Path) -> list[list[str]]:
    """The sweep, and the check that files it."""
    samplebench = [sys.executable, "-m", "samplebench"]
    names = fitting()
    words = ["--sampler", ",".join(names), "--nfe", ",".join(map(str, DRAWN)), "--seed", "0"]
    for name, params in PARAMS.items():
        words += [w for k, v in params.items() for w in ("--param", f"{name}.{k}={v}")]
    sweep = [*samplebench, "run", "--model", ",".join(MODELS), *words, "--out", str(out)]
    return [
        [*sweep, "--quiet", "--yes"],
        [*samplebench, "check", str(out), "--baseline", str(TABLE), "--update"],
    ]


def kind(label: str) -> str:
    """The group of a sampler: by its noise, then by what a step costs."""
    name = label.split()[0]
    solver = Solver.of(name)
    if solver.stochastic({"S_churn": 10.0} if name == "edm" else {}):
        return "stochastic"
    counted = solver.entry.evaluations and solver.evaluations(10)
    return "one evaluation a step" if counted == 10 else "several evaluations a step"


GROUPS = ("one evaluation a step", "several evaluations a step", "stochastic")


def curves(rows: Sequence[Row], model: str) -> dict[str, list[Row]]:
    """Rows of a model by sampler, and by restart's intervals, in the order of their NFE."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["nfe"]):
        if row["model"] == model:
            others = row["params"].partition("intervals=")[2]
            found.setdefault(f"{row['sampler']} {others}".strip(), []).append(row)
    return found


def at(rows: Sequence[Row], budget: int) -> Row | None:
    """A sampler's row at a budget; an adaptive one's most exact within it."""
    asked = [row for row in rows if row["nfe_requested"] == budget]
    free = [row for row in rows if row["nfe_requested"] is None and row["nfe"] <= budget]
    return (asked or free or [None])[-1]


def table(rows: Sequence[Row], model: str) -> str:
    """Markdown: a line per sampler, a column per budget."""
    lines = [
        f"| {model} | " + " | ".join(f"NFE {n}" for n in BUDGETS) + " |",
        "|---" * (len(BUDGETS) + 1) + "|",
    ]
    for group in GROUPS:
        for name, own in sorted(curves(rows, model).items()):
            if kind(name) == group:
                cells = [_cell(at(own, budget), budget) for budget in BUDGETS]
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Row | None, budget: int) -> str:
    """The value, and the NFE where that is not the budget."""
    if row is None:
        return "–"
    value = f"{row['fd-digits']:.3g} ± {row['fd-digits_stderr']:.2g}"
    return value if row["nfe"] == budget else f"{value} ({row['nfe']:.3g})"


def draw(axes: Axes, found: Mapping[str, Sequence[Row]], group: str) -> None:
    places: set[float] = set()
    names = sorted(name for name in found if kind(name) == group)
    styles: Callable[[int], str] = ("-", "--", ":", "-.").__getitem__
    for k, name in enumerate(names):
        own = [row for row in found[name] if row["nfe"] <= DRAWN[-1]]
        x, y, error = (
            [row[column] for row in own] for column in ("nfe", "fd-digits", "fd-digits_stderr")
        )
        places.update(x)
        colour = PALETTE[k % len(PALETTE)][0]
        axes.errorbar(
            x, y, error, label=name, color=colour, linewidth=1, marker="o", markersize=2.5,
            linestyle=styles(k // len(PALETTE)),
        )  # fmt: skip
    if ALWAYS not in names and ALWAYS in found:
        known = found[ALWAYS]
        axes.plot(
            [r["nfe"] for r in known], [r["fd-digits"] for r in known], color=FAINT, linewidth=3,
            label=ALWAYS, zorder=0,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks(axes, DRAWN, VALUES)
    axes.set_xlim(4.5, 55)
    axes.tick_params(labelsize=7.5)
    plain(axes)


def picture(rows: Sequence[Row]) -> Figure:
    """A line of panels per group, a column per model."""
    with settings():
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white", layout="constrained")
        grid = figure.subplots(len(GROUPS), len(MODELS), sharey="row")
        for line, group in zip(grid, GROUPS, strict=True):
            for axes, model in zip(line, MODELS, strict=True):
                draw(axes, curves(rows, model), group)
                axes.set_title(f"{model}: {group}", loc="left", fontsize=9, weight="bold")
            line[0].set_ylabel("fd-digits", fontsize=8)
            line[-1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for axes in grid[-1]:
            axes.set_xlabel("NFE (model evaluations per sample, counted)", fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sweep", action="store_true", help="recompute the values first")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/samplers", help="of the sweep")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/samplers.svg")
    args = parser.parse_args()
    if args.sweep:
        for command in commands(args.folder):
            subprocess.run(command, check=True, cwd=ROOT)
    rows = load_rows(TABLE).rows
    for model in MODELS:
        print(f"{table(rows, model)}\n")
    print(write_atomic(args.out, render(picture(rows), "svg")))


if __name__ == "__main__":
    main()
