"""Pages of every kind, made of invented or shipped results; each function writes one and returns
its path."""

from __future__ import annotations

import numpy as np
from PIL import Image

from samplebench.board import absent, read_rows
from samplebench.board.html import write_html
from samplebench.board.table import shipped
from samplebench.checkpoints.catalog import catalog
from samplebench.cli import main
from samplebench.compare import compare
from samplebench.compare.write import write_comparison
from samplebench.images import contact_sheet
from samplebench.published import load
from samplebench.report import write_report
from samplebench.report.atlas import page_of
from samplebench.results.tables import write_csv
from samplebench.results.view import View
from samplebench.trajectory.page import write_convergence
from samplebench.tune.page import write_page
from tests.unit.trajectory.test_page import curve, result
from tests.unit.tune.results import budget_of, result_of


def rows_of(samplers, nfes=(5, 10), shift=0.0, metrics=("fd-toy", "kd-toy")):
    return [
        {
            "model": "toy", "sampler": sampler, "params": "", "discretization": "edm", "rho": 7.0,
            "steps": nfe, "nfe": nfe, "nfe_requested": nfe, "depth": nfe, "guide_nfe": 0,
            "seed": 0, "repeats": 1, "num_samples": 64, "protocol": "toy", "dtype": "float64",
            "reference": "toy@cdcdcdcd",
            "cell": f"{place:032x}{nfe:032x}",
            **{name: (place + 9 + shift) / nfe for name in metrics},
            **{f"{name}_stderr": 0.1 for name in metrics},
        }
        for place, sampler in enumerate(samplers)
        for nfe in nfes
    ]  # fmt: skip


def report(folder):
    """Six curves with sheets of colour, two metrics, more records than stand without a bar."""
    rows = rows_of([f"sampler-{i}" for i in range(6)], (5, 10, 20, 40))
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
    sheets, cells = {}, {}
    (folder / "cells").mkdir()
    for row in rows:
        sheets[row["cell"]] = folder / "cells" / f"{row['cell']}.png"
        Image.fromarray(contact_sheet(images + np.uint8(row["nfe"]))).save(sheets[row["cell"]])
        cells[row["cell"]] = {
            "cell": row["cell"], "nfe": row["nfe"], "unsteady": ["of the images"],
            "conditions": {"model": "toy", "seed": 0, "num_samples": 64},
        }  # fmt: skip
    return write_report(View("invented", rows, cells, sheets, 1), folder)["report.html"]


def trajectory(folder):
    curves = (curve(name, order, rho) for name, order in (("euler", 1), ("heun", 2))
              for rho in (3.0, 7.0))  # fmt: skip
    return write_convergence(result(*curves), folder)[-1]


def published(folder):
    path = folder / "published.html"
    path.write_text(page_of(load()), "utf-8")
    return path


def comparison(folder):
    sides = []
    for name, shift in (("base", 0.0), ("mine", 3.0)):
        (folder / name).mkdir()
        sides.append(
            str(write_csv(rows_of(["euler", "heun"], shift=shift), folder / name / "a.csv"))
        )
    return write_comparison(compare(sides), folder)[-1]


def board(folder):
    rows = read_rows(shipped())
    return write_html(rows, absent(catalog()[rows[0].model]), folder / "board.html")


def tune(folder):
    return write_page(result_of(budget_of(5), budget_of(8)), folder / "tune.html")


def reproduction(folder):
    words = ["--num-samples", "12", "--out", str(folder), "--quiet"]
    assert main(["reproduce", "digits-exact/euler/5", *words]) == 0
    return folder / "reproduction.html"


def exposure(folder):
    words = ["--nfe", "5", "--levels", "3", "--num-samples", "40", "--device", "cpu", "--quiet"]
    assert main(["trajectory", "--from-data", "digits", *words, "--out", str(folder)]) == 0
    return folder / "exposure.html"
