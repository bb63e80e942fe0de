"""The conditions of a planned run in words, and what is published of the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from samplebench.answers.parameters import altered, label, unplain, word
from samplebench.bench.plan import Plan
from samplebench.checkpoints.catalog import catalog
from samplebench.published import Published
from samplebench.published.evaluators import reference_id
from samplebench.published.notes import SINGLE_RUN
from samplebench.references import reference as references
from samplebench.registry import discretizations
from samplebench.reproduce.practices import practice_of
from samplebench.reproduce.preset import RUNS, ReproductionPreset
from samplebench.results.fields import reference_name
from samplebench.sampling.solver import Solver
from samplebench.timelines.ends import OFF

# Of a cell's grid what is said apart from its name.
_ENDS = ("final", "afs", "denoise_to_zero", "thresholding")
_LOWEST, _SINGLE, _ONCE = f"lowest of {RUNS} runs", "one run", SINGLE_RUN
_INCEPTION = "inception"
# Evaluators' families -> whose port of the 2015-12-05 Inception they have.
PORTS = {
    "edm": "NVIDIA's port",
    "edm2": "NVIDIA's port",
    "openai": "OpenAI's graph",
    "score-sde": "TF-GAN's module",
    "here": "torch-fidelity's port",
}


def of_plan(plan: Plan) -> dict[str, str]:
    """What a plan of one row runs, condition by condition."""
    (row,) = plan.rows
    columns, cell = row.columns, row.cells[0].conditions
    grid = cell["discretization"]
    grid = {k: v for k, v in grid.items() if v is not None} if isinstance(grid, Mapping) else {}
    ends = {name: grid.get(name, getattr(OFF, name)) for name in _ENDS}
    # Steps of a model's own have no end to choose.
    if columns["discretization"] not in discretizations:
        ends.pop("final")
    entry, computed = plan.models[0], row.computed_as
    said = [name for table in plan.request.param.values() for name in table]
    extractors = dict.fromkeys(each.extractor for each in plan.sources[entry.id].measures)
    found = {
        "checkpoint": columns["model"],
        "weights": entry.file_name,
        "sampler": columns["sampler"] + (f", computed as {computed}" if computed else ""),
        **_params(cell["sampler"], cell["params"], said),
        "discretization": _grid(columns["discretization"], columns["rho"]),
        **{name: word(grid[name]) for name in ("sigma_min", "sigma_max") if name in grid},
        **{name: word(value) for name, value in ends.items() if name in grid or value},
        "steps": _count(columns["steps"]),
        "NFE": _count(columns["nfe"]),
        "guidance": columns["guidance"] or "none",
        "N": f"{columns['num_samples']:,}",
        "seeds": _seeds(each.conditions["seed"] for each in row.cells),
        "statistic": _LOWEST if len(row.cells) == RUNS else _SINGLE,
        "reference": reference_name(columns["reference"]) or "none",
        "features": ", ".join(dict.fromkeys(map(_port, extractors))),
        "quantization": cell["quantization"],
        "state precision": cell["state_dtype"],
        "noise": _noise(cell["noise"], cell.get("noise_device", "")),
        "network precision": _precision(cell),
    }
    if entry.num_classes:
        found["labels"] = "uniform"
    return found


def of_source(preset: ReproductionPreset, intended: Mapping[str, str]) -> dict[str, str]:
    """What is known of the published run, under the same names; "" where nobody states it.

    Args:
        intended: conditions of the preset's own request, which a row's conditions are among.
    """
    row = preset.row
    intended = {name: text for name, text in intended.items() if name != "weights"}
    if row is None:
        return intended
    known, entry = practice_of(row), catalog()[preset.checkpoint]
    found = {
        **intended,
        "statistic": _LOWEST if preset.runs == RUNS else _SINGLE if _ONCE in row.measured else "",
        "reference": _reference(row),
        "features": PORTS.get(row.family, ""),
        "quantization": known.quantization,
        "state precision": known.state_dtype,
        "noise": _noise(known.noise, "cuda") if known.noise else "",
        "seeds": _seeds(known.seeds),
        # Whoever says the state's precision says that the network has its own.
        "network precision": entry.dtype if known.state_dtype else "",
        **({"labels": known.labels} if entry.num_classes else {}),
        **({"weights": row.weights} if row.weights else {}),
        **dict.fromkeys(preset.open, ""),
    }
    return found if row.num_samples is not None else {**found, "N": ""}


def _reference(row: Published) -> str:
    """Id of the statistics, where they are known here, else as the source calls them."""
    name = reference_id(row.reference)
    return name if name in references.names() else row.reference.removeprefix("~")


def _params(sampler: str, params: Mapping[str, Any], said: Iterable[str]) -> dict[str, str]:
    """Those that were said, or are not the algorithm's usual ones."""
    defaults = Solver.of(sampler).defaults
    given = {name: value for name, value in unplain(params).items() if name in defaults}
    shown = {*altered(given, defaults), *said}
    return {name: word(value) for name, value in sorted(given.items()) if name in shown}


def _grid(name: str, rho: float | None) -> str:
    return f"{name} {label({'rho': rho})}" if rho is not None else name


def _port(extractor: str) -> str:
    return PORTS["here"] if extractor.startswith(_INCEPTION) else extractor


def _count(count: float | None) -> str:
    return "adaptive" if count is None else f"{count:,}"


def _seeds(first: Iterable[int]) -> str:
    return ", ".join(f"{seed:,}" for seed in first)


def _noise(mode: str, device: str) -> str:
    return f"{mode} on {device}" if device else mode


def _precision(cell: Mapping[str, Any]) -> str:
    return f"{cell['dtype']}{', compiled' if cell.get('compiled') else ''}"
