"""published.csv as typed rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from samplebench.published.grids import NOT_STATED, grid_of
from samplebench.published.notes import (
    AFS_NOT_STATED,
    BEST_OF_THREE,
    DENOISED_UNCOUNTED,
    ORDER_IS_NFE,
    PICTURE,
    SEQUENTIAL,
    SINGLE_RUN,
    TWO_AT_ONCE,
    Said,
    read,
)
from samplebench.published.record import SCALE_UNSTATED, Published
from samplebench.published.samplers import (
    ORDER_NOT_STATED,
    Sampler,
    like_diff_sampler,
    like_others,
    sampler_of,
)

# Ids under which several networks were trained for comparison.
_SEVERAL_NETWORKS = frozenset({"admip-ablation", "iddpm-ablation"})
# Tables made with one code base, which stops at sigma_min and measures once.
_ONE_RUN = ("diff-sampler ", "AMED-Solver repository", "GITS repository")

# Variant that a note tells -> parameter that says it where it is known.
_SAYS = {AFS_NOT_STATED: "afs", DENOISED_UNCOUNTED: "denoise"}


@cache
def load() -> tuple[Published, ...]:
    """All rows, in the file's order."""
    return tuple(map(_row, csv.DictReader(io.StringIO(csv_text(), newline=""))))


def csv_text() -> str:
    """The file as it is."""
    file = resources.files("samplebench.published") / "published.csv"
    return file.read_bytes().decode("utf-8")


def _row(row: Mapping[str, str]) -> Published:
    printed = _whole(row["nfe"])
    said = read(row["note"], printed)
    bound = row["fid"].startswith(">")
    marked = [
        name
        for name, cell in row.items()
        if "~" in cell and name not in ("note", "source") and cell != f"~{NOT_STATED}"
    ]
    weights = [row["network"]] if row["model_id"] in _SEVERAL_NETWORKS else []
    return Published(
        model=row["model_id"],
        dataset=row["dataset"],
        resolution=int(row["resolution"]),
        network=row["network"],
        sampler=_sampler(row, said),
        sampler_printed=row["sampler"],
        grid=grid_of(row["discretization"]),
        grid_printed=row["discretization"],
        steps=_whole(row["steps"]),
        nfe=_evaluations(printed, said),
        fid=None if bound else float(row["fid"]),
        above=float(row["fid"].removeprefix(">")) if bound else None,
        num_samples=_whole(row["num_samples"]),
        reference=row["reference_stats"],
        source=row["source"],
        certainty=row["certainty"],
        sfid=_number(row["sfid"]),
        precision=_number(row["precision"]),
        recall=_number(row["recall"]),
        inception_score=_number(row["is"]),
        note=row["note"],
        weights=", ".join([*weights, *said.weights]),
        stop=", ".join(said.stop),
        evaluator=", ".join(said.evaluator),
        measured=_measured(row, said),
        deduced=tuple(dict.fromkeys([*marked, *said.deduced])),
        depth=printed if SEQUENTIAL in said.counting else None,
    )


def _evaluations(printed: int | None, said: Said) -> int | None:
    """Evaluations per image, where the printed number tells them."""
    if printed is None or SEQUENTIAL not in said.counting:
        return printed
    # EPD-Solver (Zhu et al. 2025): a step is one call and then two at once; the analytical first
    # step saves the first call, so d calls one after another are (d + 1)/2 steps.
    return 3 * (printed + 1) // 2 - 1 if TWO_AT_ONCE in said.counting else None


def _sampler(row: Mapping[str, str], said: Said) -> Sampler:
    """The algorithm of the printed name, with what the other columns say of it."""
    found = sampler_of(row["sampler"], row["model_id"])
    if row["discretization"] == "polynomial rho=7" or row["source"].startswith(_ONE_RUN):
        found = like_diff_sampler(found)
    else:
        found = like_others(found)
    params = {name: value for name, value in found.params.items() if name not in said.unstated}
    variants = found.variant.split(", ")
    if ORDER_IS_NFE in said.variant:
        variants.remove(ORDER_NOT_STATED)
    variants += [text for text in said.variant if _SAYS.get(text) not in params]
    if scale := re.search(r"ADM-G scale ([\d.]+)", row["network"]):
        params["guidance"] = float(scale[1])
    elif "+guidance" in row["model_id"] and "guidance" not in params:
        variants.append(SCALE_UNSTATED)
    return Sampler(found.name, params, ", ".join(dict.fromkeys(filter(None, variants))))


def _measured(row: Mapping[str, str], said: Said) -> tuple[str, ...]:
    found = list(said.measured)
    if row["source"].startswith("Karras et al. 2022"):
        found.append(BEST_OF_THREE)
    elif row["source"].startswith(_ONE_RUN):
        found.append(SINGLE_RUN)
    if re.search(r"\bimage\b", row["source"]) and "digitised" not in row["source"]:
        found.append(PICTURE)
    return tuple(found)


def _whole(cell: str) -> int | None:
    return int(cell) if cell else None


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
