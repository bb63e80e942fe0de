"""Grids of seven models, tried on each other: the picture and the table of docs/tune.md.

    python benchmarks/tune_transfer.py     # a few minutes; needs searches, which it makes

The grid that `coordinate` found for a sampler on model A at NFE n runs on model B at NFE m, on
trajectories that no search has seen. Told is its error there over that of rho = 7 there.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.files.atomic import write_atomic
from samplebench.loading import load
from samplebench.report.plots import render, settings
from samplebench.results.tables import csv_text
from samplebench.tune import tune
from samplebench.tune.flow import flow_of
from samplebench.tune.problem import Problem
from samplebench.tune.transfer import GridPlace, Transfer, transfer

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "tune" / "transfer.csv"
PICTURE, DOCUMENT = ROOT / "docs" / "tune-transfer.svg", ROOT / "docs" / "tune.md"
MODELS = (
    "digits-exact", "digits-vp", "digits-ve", "digits-edm", "digits-adm", "digits-iddpm",
    "digits-adm-ip",
)  # fmt: skip
SAMPLER, BUDGETS, TRAJECTORIES, SEED = "dpmpp-2m", (5, 8), 64, 50_000
_BEGIN, _END = "<!-- table: benchmarks/tune_transfer.py -->\n", "<!-- end of table -->\n"


def places(out: Path, models: Sequence[str]) -> list[GridPlace]:
    """What `coordinate` found on every model at every budget."""
    found = []
    for model in models:
        tuned = tune(
            model=model, sampler=SAMPLER, nfe=BUDGETS, method="coordinate", num_samples=0,
            seed=SEED,
            device="cpu", out=str(out / f"{model}-{SAMPLER}"),
        )  # fmt: skip
        grids = {budget.nfe: budget.found[0].candidate.levels for budget in tuned.budgets}
        found += [GridPlace(model, nfe, grids[nfe]) for nfe in BUDGETS]
    return sorted(found, key=lambda place: place.nfe)


def tried(found: Sequence[GridPlace]) -> Transfer:
    """Every grid at every place, against the ODE's solution there."""
    models: dict[str, Any] = {}

    def problem_at(place: GridPlace) -> Problem:
        model = models.setdefault(place.model, load(place.model, device="cpu", quiet=True))
        problem = Problem(
            model, SAMPLER, place.nfe, seeds=range(SEED, SEED + TRAJECTORIES), budget=sys.maxsize
        )
        problem.truth = flow_of(problem, problem.baseline.positive).end
        return problem

    return transfer(found, problem_at, lambda done, what: print(what, flush=True))


def rows_of(made: Transfer) -> list[dict[str, Any]]:
    """One row per pair of places."""
    pairs = [(i, j) for i in range(len(made.places)) for j in range(len(made.places))]
    return [
        {
            "sampler": SAMPLER,
            "model": made.places[i].model, "nfe": made.places[i].nfe,
            "tried_on": made.places[j].model, "tried_at": made.places[j].nfe,
            "ratio_to_rho_7": f"{made.ratios[i, j]:.6g}", "stderr": f"{made.errors[i, j]:.3g}",
        }
        for i, j in pairs
    ]  # fmt: skip


def draw(made: Transfer, path: Path) -> None:
    """The matrix as a picture: blue is better than rho = 7 there, red is worse."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    names = [f"{place.model}, {place.nfe}" for place in made.places]
    with settings():
        figure = Figure(figsize=(9.6, 8.4), facecolor="white")
        axes = figure.add_axes((0.19, 0.03, 0.8, 0.76))
        axes.imshow(np.clip(made.ratios, 0.1, 10), cmap="RdBu_r", norm=LogNorm(0.1, 10))
        for i, row in enumerate(made.ratios):
            for j, ratio in enumerate(row):
                dark = np.isfinite(ratio) and abs(np.log10(max(ratio, 1e-9))) > 0.6
                text = f"{ratio:.2f}" if ratio < 9.95 else f"{ratio:.0f}"
                text = text if np.isfinite(ratio) else "-"
                axes.text(
                    j, i, text, ha="center", va="center", size=8,
                    color="white" if dark else "black", weight="bold" if i == j else "normal",
                )  # fmt: skip
        axes.set_xticks(range(len(names)), names, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
        axes.set(
            xlabel="tried on this model, at this NFE", ylabel="found on this model, at this NFE"
        )
        axes.xaxis.set_label_position("top")
        axes.spines[:].set_visible(False)
        write_atomic(path, render(figure, "svg"))


def table(made: Transfer) -> str:
    """The pairs in a few lines: at home, on other models, at another budget."""
    kinds: dict[str, list[float]] = {
        "the same model and NFE": [], "the same model, another NFE": [],
        "another model, the same NFE": [], "another model and NFE": [],
    }  # fmt: skip
    for i, a in enumerate(made.places):
        for j, b in enumerate(made.places):
            model = "the same model" if a.model == b.model else "another model"
            name = f"{model} and NFE" if (a.nfe == b.nfe) == (a.model == b.model) else ""
            name = name or f"{model}, {'the same' if a.nfe == b.nfe else 'another'} NFE"
            kinds[name].append(made.ratios[i, j])
    lines = [
        "| tried on | pairs | median | from | to | better than rho 7 |",
        "|---|---|---|---|---|---|",
    ]
    for name, ratios in kinds.items():
        known = np.array(ratios)[np.isfinite(ratios)]
        lines.append(
            f"| {name} | {len(known)} | {np.median(known):.2f} | {known.min():.2f} | "
            f"{known.max():.2f} | {int((known < 1).sum())} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="build/transfer", type=Path)
    made = tried(places(parser.parse_args().out, MODELS))
    rows = rows_of(made)
    TABLE.parent.mkdir(exist_ok=True)
    write_atomic(TABLE, csv_text(list(rows[0]), rows).encode())
    draw(made, PICTURE)
    document = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.S)
    write_atomic(
        DOCUMENT, pattern.sub(lambda _: f"{_BEGIN}\n{table(made)}\n{_END}", document).encode()
    )


if __name__ == "__main__":
    main()
