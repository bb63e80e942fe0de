"""Recomputes benchmarks/baselines/<model>.csv: the curves of every embedded model, three times.

    python benchmarks/update_baselines.py                      # all of them, most of an hour
    python benchmarks/update_baselines.py --model digits-edm
    python benchmarks/update_baselines.py --dry-run            # prints the commands

Each model is swept over the samplers that fit it with the seeds from 0, from 1,797 and from 3,594
on, so that a baseline holds its own spread. A sweep that was broken off goes on where it stopped.
What changed is printed; see docs/digits.md for what the curves say.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINES = ROOT / "benchmarks" / "baselines"
SEEDS = (0, 1797, 3594)

_CONTINUOUS = "--nfe 5,10,20,35"
_WINDOW = "--param edm.S_min=0.02 --param edm.S_max=5"
_STOCHASTIC = f"--sampler edm --nfe 79 --param edm.S_churn=20 {_WINDOW}"
_DISCRETE = "--nfe 5,10,20"
_HEUN = "--sampler heun --nfe 35"
_FIXED = "--sampler respaced --nfe 5,10,20 --param respaced.variance=fixed_small,fixed_large"
_MANY = "--sampler respaced,ddim --nfe 100"
_LINEAR = ["--sampler gddim --nfe 10,20,50", "--sampler euler-maruyama,euler-flow --nfe 10,20"]
# Model -> the arguments of `samplebench run`, one sweep each.
SWEEPS: Mapping[str, Sequence[str]] = {
    "digits-exact": ["--config benchmarks/baselines/digits-exact.toml"],
    "digits-vp": [_CONTINUOUS, _STOCHASTIC],
    "digits-ve": [_CONTINUOUS, _STOCHASTIC],
    "digits-edm": [
        _CONTINUOUS,
        _STOCHASTIC,
        "--sampler heun --nfe 9,19 --rho 3,7,11",
        f"--sampler edm --nfe 35 --param edm.S_churn=5,40 {_WINDOW}",
    ],
    "digits-adm": [
        _DISCRETE,
        _HEUN,
        "--sampler respaced --nfe 50",
        "--sampler respaced,ddim --nfe 250",
        _FIXED,
    ],
    "digits-iddpm": [_DISCRETE, _HEUN, _MANY, _FIXED],
    "digits-adm-ip": [_DISCRETE, _HEUN, _MANY],
    "digits-adm-base": [_DISCRETE, _HEUN, _MANY],
    "digits-cld": _LINEAR,
    "digits-bdm": _LINEAR,
}


def commands(model: str, out: Path) -> list[list[str]]:
    """Every command that makes a model's baseline."""
    samplebench = [sys.executable, "-m", "samplebench"]
    start = [*samplebench, "run", "--model", model, "--out", str(out), "--quiet"]
    sweeps = [
        [*start, "--seed", str(seed), *shlex.split(sweep)]
        for seed in SEEDS
        for sweep in SWEEPS[model]
    ]
    baseline = str(BASELINES / f"{model}.csv")
    return [*sweeps, [*samplebench, "check", str(out), "--baseline", baseline, "--update"]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=sorted(SWEEPS), action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=ROOT / "build/baselines", help="folder")
    parser.add_argument("--dry-run", action="store_true", help="only print the commands")
    args = parser.parse_args()
    for model in args.model or SWEEPS:
        for command in commands(model, args.out / model):
            print(shlex.join(["samplebench", *command[3:]]), flush=True)
            if not args.dry_run:
                subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
