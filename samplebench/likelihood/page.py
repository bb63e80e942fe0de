"""A likelihood as JSON, CSV and a page; without torch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from samplebench.files.atomic import write_atomic
from samplebench.likelihood.plan import BY_BOUND, BY_ODE
from samplebench.likelihood.result import Likelihood
from samplebench.report.chart import (
    Axis,
    Chart,
    DataTable,
    Figure,
    Mark,
    Series,
    TableCell,
    TableRow,
)
from samplebench.results.fields import printable

_BINS = 40
_LEADS = {
    BY_BOUND: "The variational bound on the code length of bytes, by the model's own discrete "
    "steps. It depends on their number, and it is not a density: do not compare it with bpd-ode.",
    BY_ODE: "The density of dequantized images by the probability-flow ODE, at its lowest noise "
    "level, as bits per dimension. Do not compare it with bpd-bound.",
}


def write_likelihood(result: Likelihood, folder: Path) -> list[Path]:
    """Writes nll.json, nll.csv and nll.html into `folder`, in this order.

    Each file is replaced atomically. The same result gives the same bytes.
    """
    from samplebench.report.page import render_page

    page = render_page(
        title=f"Likelihood of {printable(result.plan.data.said)} under "
        f"{printable(result.plan.entry.id)}",
        lead=_LEADS[result.plan.method],
        chart=chart_of(result),
        table=table_of(result),
    )
    text = json.dumps(result.content(), indent=1, sort_keys=True, allow_nan=False)
    files = {"nll.json": f"{text}\n", "nll.csv": result.csv(), "nll.html": page}
    return [write_atomic(folder / name, data.encode("utf-8")) for name, data in files.items()]


def chart_of(result: Likelihood) -> Chart:
    """Of the bound its terms over the steps; of both the images by their bits per dimension."""
    plan = result.plan
    where = f"N={plan.data.count}, repeats {plan.repeats}, {plan.entry.id}. "
    figures, series = [], []
    if plan.method == BY_BOUND:
        at = (Axis("sigma", "noise level σ of x_t"), Axis("t", "t", log=False))
        figures += [
            Figure(
                "terms",
                "Terms of the bound",
                Axis("bits", "bits/dim"),
                at,
                f"{where}Each step's, averaged over images; the least noisy one is L_0. Their sum "
                "and the prior are the bound. A negative term is not drawn on a logarithmic axis.",
                "nll-terms",
            ),
            Figure(
                "errors",
                "Errors of the prediction",
                Axis("error", "mean squared error"),
                at,
                f"{where}Of the predicted x0, and of the noise that belongs to it.",
                "nll-errors",
            ),
        ]
        series = [
            _over_steps(result, "terms", "vb", "L_t", 0),
            _over_steps(result, "errors", "xstart_mse", "x0", 0),
            _over_steps(result, "errors", "mse", "noise", 1),
        ]
    figures.append(
        Figure(
            "images",
            "Images by bits per dimension",
            Axis("images", "images", log=False),
            (Axis("bits", f"{plan.metric}, bits/dim", log=False),),
            f"{where}Means over an image's repeats, in bins of equal width.",
            "nll-images",
        )
    )
    return Chart(figures, [*series, _histogram(result)], (), ("nll.csv", result.csv()))


def table_of(result: Likelihood) -> DataTable:
    """The mean, and of the bound its parts."""
    rows = [(result.plan.metric, result.bits), *result.parts.items()]
    return DataTable(
        [("", "text"), ("bits/dim", "value"), ("share", "number")],
        [
            TableRow(
                [
                    TableCell(name),
                    TableCell(str(mean), mean.value),
                    TableCell(f"{mean.value / result.bits.value:.2%}", mean.value),
                ]
            )
            for name, mean in rows
        ],
        [(name, printable(text)) for name, text in result.facts().items()],
    )


def _over_steps(result: Likelihood, figure: str, name: str, label: str, colour: int) -> Series:
    points = []
    values = result.steps[name].tolist()
    for (t, sigma), value in reversed(list(zip(result.levels, values, strict=True))):
        at = {"t": float(t), "sigma": sigma if math.isfinite(sigma) else None}
        hover = (f"{value:.4g}", label, f"t = {t}, σ = {sigma:.4g}")
        points.append(Mark(at, value, hover=hover))
    return Series(figure, label, {}, points, colour)


def _histogram(result: Likelihood) -> Series:
    bits = result.values["bits"].mean(0)
    counts, edges = np.histogram(bits, bins=min(_BINS, math.isqrt(len(bits)) + 1))
    points = []
    for i, count in enumerate(counts.tolist()):
        low, high = float(edges[i]), float(edges[i + 1])
        hover = (f"{count} images", f"{low:.4g} to {high:.4g} bits/dim")
        points += [Mark({"bits": end}, float(count), hover=hover) for end in (low, high)]
    return Series("images", "images", {}, points)
