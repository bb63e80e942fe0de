"""`samplebench run`: a sweep."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from samplebench.bench.request import Request
from samplebench.cli.common import command
from samplebench.errors import InputError

_EXAMPLES = """
samplebench run --model digits-exact --sampler euler,heun --nfe 5,10,20,35 --rho 3,7
samplebench run --sampler edm --param edm.S_churn=0,10,40,edm.S_noise=1.003
samplebench run --sampler euler,mypackage.mymodule:my_sampler --nfe 10,20
samplebench run --discretization edm,logsnr,80/20/5/1/0.2 --dry-run
samplebench run --nfe 10,20 --dump-config > sweep.toml && samplebench run --config sweep.toml
"""

# Flags whose value is handed to Request.of as written.
_WORDS = {
    "model": ("ID,...", "models (default: digits-exact, which needs no download)"),
    "sampler": ("NAME,...", "samplers, or package.module:function (default: the model's)"),
    "nfe": ("N,...", "budgets of network evaluations per sample (default: 5,10,20,35)"),
    "rho": ("R,...", "exponents of the discretizations that have one (default: theirs; edm: 7)"),
    "discretization": ("NAME,...", "where the steps are, or levels 80/20/5/1 (default: edm)"),
    "param": ("SAMPLER.NAME=V,...", "parameters; several values are swept over"),
    "num-samples": ("N", "samples per value (default: the protocol's)"),
    "seed": ("S", "sample i of repeat r has seed S + r*N + i (default: 0)"),
    "repeats": ("R", "disjoint seed ranges to average over (default: 1)"),
    "metric": ("NAME,...", "metrics (default: the protocol's)"),
    "protocol": ("NAME", "what makes values comparable (default: the model's)"),
    "batch-size": ("B", "fixed evaluation block (default: 64)"),
    "device": ("D", "cuda, mps or cpu (default: the best there is)"),
    "dtype": ("T", "precision of the network (default: the release's)"),
    "state-dtype": ("T", "precision of the sampler's state (default: the protocol's)"),
    "noise": ("MODE", "portable or nvlabs (default: the protocol's)"),
    "out": ("DIR", "results folder (default: reports/<model>)"),
}


def add(commands: Any) -> None:
    parser = command(commands, "run", main, "run a sweep, resume it, report it", _EXAMPLES)
    for name, (metavar, text) in _WORDS.items():
        action = "append" if name == "param" else "store"
        parser.add_argument(f"--{name}", metavar=metavar, help=text, action=action)
    parser.add_argument("--config", metavar="FILE.toml", help="take the words above from a file")
    parser.add_argument("--dump-config", action="store_true", help="print them as TOML and stop")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def main(args: argparse.Namespace) -> int:
    words = _from_file(args.config) if args.config else {}
    given = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _WORDS}
    if given["param"]:
        given["param"] = ",".join(given["param"])
    words |= {name: value for name, value in given.items() if value is not None}
    request = Request.of(**words)

    from samplebench.bench import plan as planning

    plan = planning.make(request)
    if args.dump_config:
        import tomlkit

        print(tomlkit.dumps(plan.request.words()), end="")
        return 0
    if args.dry_run:
        _print_plan(plan, args.json)
        return 0
    from samplebench.api import sweep
    from samplebench.bench.progress import Progress
    from samplebench.bench.store import Store
    from samplebench.report.tables import to_json, to_text

    Store(plan.request.folder(), create=True)  # refuses a foreign folder before anything is said
    if not args.quiet:
        _announce(plan)
    view = sweep(plan, Progress(args.quiet))
    print(to_json(view.rows) if args.json else to_text(view.rows))
    if not args.quiet and not args.json:
        print(f"\nreport: {plan.request.folder() / 'report.html'}")
    return 0


def _from_file(path: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"--config {path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path} is not TOML: {error}") from None


def _done(plan: Any) -> set[str]:
    """Cells of the plan that the results folder holds."""
    from samplebench.bench.store import Store

    folder = plan.request.folder()
    if not (folder / "samplebench.json").is_file():
        return set()
    store = Store(folder)
    return {cell for cell in plan.cells if store.has(cell)}


def _announce(plan: Any) -> None:
    """One line on stderr: what is about to run, with the defaults that were filled in."""
    import sys

    from samplebench.loading import resolve_device

    done = _done(plan)
    words = plan.request
    first = plan.rows[0].columns
    left = [cell for name, cell in plan.cells.items() if name not in done]
    work = sum(cell.nfe * cell.conditions["num_samples"] for cell in left)
    print(
        f"{', '.join(words.model)} on {resolve_device(words.device)}: {len(plan.rows)} rows, "
        f"{len(plan.cells)} cells ({len(done)} there already), N = {first['num_samples']:,}, "
        f"protocol {first['protocol']}, {work:,} evaluations -> {words.folder()}",
        file=sys.stderr,
    )


def _print_plan(plan: Any, as_json: bool) -> None:
    from samplebench.cli.common import print_table

    done = _done(plan)
    rows = []
    for row in plan.rows:
        columns = dict(row.columns)
        here = sum(cell.hash in done for cell in row.cells)
        columns["computed as"] = row.computed_as or columns["sampler"]
        columns["cells"] = f"{here}/{len(row.cells)} done"
        rows.append(columns)
    print_table(rows, as_json)
    if not as_json:
        work = sum(
            c.nfe * c.conditions["num_samples"] for h, c in plan.cells.items() if h not in done
        )
        print(f"\n{len(plan.cells)} cells, {len(done)} done, {work:,} network evaluations to go")
