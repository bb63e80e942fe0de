"""Searched time grids on five models and four samplers: the tables of docs/tune.md.

    python benchmarks/tune_table.py                    # about an hour of one core; resumable
    python benchmarks/tune_table.py --out build/tune   # where searches and samples are kept

Every search is judged on trajectories and samples of seeds that it has not seen, against rho = 7
and against the best rho of 1..20. The values are benchmarks/tune/table.csv.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samplebench.files.atomic import write_atomic
from samplebench.results.tables import csv_text
from samplebench.tune import tune

ROOT = Path(__file__).resolve().parents[1]
TABLE, DOCUMENT = ROOT / "benchmarks" / "tune" / "table.csv", ROOT / "docs" / "tune.md"
MODELS = ("digits-exact", "digits-vp", "digits-edm", "exact-modes", "exact-overlap")
SAMPLERS = ("euler", "dpmpp-2m", "ipndm", "heun")
BUDGETS = (5, 6, 8, 10)
METHODS = ("rho", "range", "dmn", "gits", "coordinate")
# Those whose samples are judged by their own metric, too.
SCORED = ("digits-exact", "digits-vp", "digits-edm")
# First judging seed: the searches' own constants were chosen on those from 0 on.
SEED = 50_000
_COLUMNS = (
    "model", "sampler", "nfe_requested", "nfe", "method", "rho", "params", "evaluations",
    "objective_before", "objective_after", "error", "error_stderr", "error_to_rho_7",
    "error_to_rho_7_stderr", "ratio_to_rho_7", "error_to_best_rho", "error_to_best_rho_stderr",
    "ratio_to_best_rho", "metric", "value", "stderr", "value_to_rho_7", "value_to_rho_7_stderr",
    "value_to_best_rho", "value_to_best_rho_stderr", "levels",
)  # fmt: skip
_BEGIN, _END = "<!-- tables: benchmarks/tune_table.py -->\n", "<!-- end of tables -->\n"
Row = dict[str, Any]


def computed(out: Path, models: Sequence[str]) -> list[Row]:
    """The rows of all searches, those that `out` holds already not computed again."""
    rows: list[Row] = []
    for model in models:
        for sampler in SAMPLERS:
            found = tune(
                model=model, sampler=sampler, nfe=BUDGETS, method=METHODS, seed=SEED, device="cpu",
                num_samples=None if model in SCORED else 0, out=str(out / f"{model}-{sampler}"),
            )  # fmt: skip
            rows += [{name: row[name] for name in _COLUMNS} for row in found.rows()]
            print(f"{model}, {sampler}: {found.searched:,} evaluations of searches, "
                  f"{found.followed + found.sampled:,} of judging", flush=True)  # fmt: skip
    return rows


def read() -> list[Row]:
    """The committed rows, numbers as numbers."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return [{k: _plain(k, v) for k, v in row.items()} for row in csv.DictReader(file)]


def _plain(name: str, text: str) -> Any:
    if name in ("model", "sampler", "method", "params", "metric", "levels"):
        return text
    return float(text) if text else None


def tables(rows: Sequence[Row]) -> str:
    """What docs/tune.md shows of them."""
    parts = [
        "**Truncation error** of each method's grid, divided by that of the best rho:",
        _ratios(rows),
    ]
    parts += ["**fd-digits** of 1,797 samples, minus that of the best rho:", _scores(rows)]
    return "\n\n".join(parts) + "\n"


def with_tables(document: str, rows: Sequence[Row]) -> str:
    """The document with these tables in the place of those that it has."""
    pattern = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.S)
    return pattern.sub(lambda _: f"{_BEGIN}\n{tables(rows)}\n{_END}", document)


def groups(rows: Sequence[Row]) -> dict[tuple[str, str, int], dict[str, Row]]:
    """By model, sampler and budget the rows by their method."""
    found: dict[tuple[str, str, int], dict[str, Row]] = {}
    for row in rows:
        key = row["model"], row["sampler"], int(row["nfe_requested"])
        found.setdefault(key, {}).setdefault(row["method"], row)
    return found


def _names(rows: Sequence[Row]) -> list[str]:
    """Of the methods, as they are told with their options."""
    rivals = ("rho 7", "best rho")
    return [n for n in dict.fromkeys(row["method"] for row in rows) if n not in rivals]


def _ratios(rows: Sequence[Row]) -> str:
    names = _names(rows)
    heads = ["model", "sampler", "NFE", "rho 7", "best rho", *names, "best rho minus the best"]
    body = []
    for (model, sampler, nfe), own in groups(rows).items():
        plain, best = own["rho 7"], own["best rho"]
        lead = min((own[n] for n in names if n in own), key=lambda row: row["error"])
        gain = _gap(-lead["error_to_best_rho"], lead["error_to_best_rho_stderr"])
        cells = [model, sampler, str(nfe), f"{plain['error']:.3g}"]
        cells += [f"{best['error']:.3g} (ρ={best['rho']:g})"]
        cells += [_ratio(own.get(name)) for name in names]
        body.append([*cells, gain])
    return _table(heads, body)


def _scores(rows: Sequence[Row]) -> str:
    names = _names(rows)
    body = []
    for (model, sampler, nfe), own in groups(rows).items():
        if own["rho 7"]["value"] is None:
            continue
        cells = [model, sampler, str(nfe)]
        cells += [f"{own[n]['value']:.3g} ± {own[n]['stderr']:.2g}" for n in ("rho 7", "best rho")]
        for name in names:
            row = own.get(name)
            gap = row and _gap(row["value_to_best_rho"], row["value_to_best_rho_stderr"])
            cells.append(gap or "-")
        body.append(cells)
    return _table(["model", "sampler", "NFE", "rho 7", "best rho", *names], body)


def _ratio(row: Row | None) -> str:
    if row is None or row["ratio_to_best_rho"] is None:
        return "-"
    text = f"{row['ratio_to_best_rho']:.2f}"
    return f"**{text}**" if row["ratio_to_best_rho"] <= 0.7 else text


def _gap(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" + ("" if error is None else f" ± {error:.2g}")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="build/tune", type=Path)
    parser.add_argument("--models", default=",".join(MODELS), help="a part; nothing is written")
    args = parser.parse_args()
    models = args.models.split(",")
    rows = computed(args.out, models)
    if models != list(MODELS):
        print(tables(rows))
        return
    TABLE.parent.mkdir(exist_ok=True)
    write_atomic(TABLE, csv_text(list(_COLUMNS), rows).encode())
    document = DOCUMENT.read_text(encoding="utf-8")
    write_atomic(DOCUMENT, with_tables(document, read()).encode("utf-8"))


if __name__ == "__main__":
    main()
