"""How good the advice is: `samplebench advise` on seven models, beside the full sweep's best.

    python benchmarks/advise_seven.py             # prints the table of docs/advise.md

Advice confirms on seeds from 0 on, which the full sweep (benchmarks/full_sweep.py) has, too. Both
are judged on seeds from 17,970 on: nothing was chosen by these. There stand the recommendation and
the best rows of the full sweep: the rank is where the recommendation stands among them, the gap is
to the row that was the best on the sweep's own seeds, with the paired standard error. What was
broken off goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from full_sweep import MODELS, NFE, ROOT, TABLE, sweep_of
from samplebench.advise import advise
from samplebench.advise.proposal import Proposal
from samplebench.advise.trial import trial
from samplebench.files.atomic import write_atomic
from samplebench.regression import load_rows
from samplebench.results.fields import value_text
from samplebench.results.tables import csv_text

SEED = 17_970
# Rows of the sweep that are judged again, and the folder beside the advice's.
TOP, JUDGED = 10, "judged"
METRIC = "fd-digits"
OUT = ROOT / "benchmarks" / "tune" / "advise-seven.csv"
Row = Mapping[str, Any]


def key(row: Row) -> tuple[Any, ...]:
    """What tells a model's rows apart."""
    return tuple(row[name] for name in ("sampler", "params", "discretization", "rho"))


def best_of(rows: Sequence[Row], model: str, folder: Path) -> list[Proposal]:
    """The best proposals of the sweep by its own seeds, the best first."""
    planned = sweep_of(model, folder)
    known = {key(row.columns): planned.proposals[row.cells[0].hash] for row in planned.plan.rows}
    own = sorted((r for r in rows if r["model"] == model and r[METRIC]), key=lambda r: r[METRIC])
    return [known[key(row)] for row in own[:TOP]]


def judged(model: str, rows: Sequence[Row], out: Path, num_samples: int | None) -> dict[str, Any]:
    """A model's line."""
    folder = out / model
    advice = advise(model=model, nfe=NFE, num_samples=num_samples, device="cpu", out=str(folder))
    best, used = best_of(rows, model, folder), advice.recommended
    found = trial(
        advice.asked.request, advice.asked.entry, NFE, list(dict.fromkeys([*best, used])),
        quiet=False, out=str(folder / JUDGED), seed=SEED,
    )  # fmt: skip
    gap, error = (0.0, 0.0) if used == best[0] else found.behind(used, best[0])
    swept = sum(row["nfe"] * row["num_samples"] for row in rows if row["model"] == model)
    search, confirmation = advice.evaluations
    return {
        "model": model,
        "recommended": used.name,
        METRIC: found.value(used),
        "stderr": found.error(used),
        "best of the sweep": best[0].name,
        "its value": found.value(best[0]),
        "rank": found.order.index(used) + 1,
        "among": len(found.order),
        "gap": gap,
        "gap_stderr": error,
        "search": search,
        "confirmation": confirmation,
        "share": (search + confirmation) / swept,
    }


def markdown(lines: Sequence[Mapping[str, Any]]) -> str:
    """The table of docs/advise.md."""
    heads = ("model", "recommended", METRIC, "best of the sweep", "rank", "gap", "evaluations")
    table = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for line in lines:
        entries = (
            line["model"],
            line["recommended"],
            value_text(line[METRIC], line["stderr"]),
            f"{line['best of the sweep']}: {line['its value']:.3g}",
            f"{line['rank']} of {line['among']}",
            value_text(line["gap"], line["gap_stderr"]),
            f"{line['search'] + line['confirmation']:,} ({100 * line['share']:.1f} %)",
        )
        table.append("| " + " | ".join(map(str, entries)) + " |")
    within = sum(line["gap"] <= 2 * line["gap_stderr"] for line in lines)
    return "\n".join([*table, "", f"Within 2 standard errors: {within} of {len(lines)}."])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, action="append", help="default: all")
    parser.add_argument("--table", type=Path, default=TABLE, help="of the full sweep")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/advise-seven")
    parser.add_argument("--num-samples", type=int, help="default: 1797, that of the models")
    parser.add_argument("--out", type=Path, default=OUT, help="table that is written")
    args = parser.parse_args()
    rows = load_rows(args.table).rows
    lines = [judged(m, rows, args.folder, args.num_samples) for m in args.model or MODELS]
    write_atomic(args.out, csv_text(list(lines[0]), lines).encode())
    print(markdown(lines))


if __name__ == "__main__":
    main()
