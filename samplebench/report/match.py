"""Whether a published value was measured as a run was, and if not, in what they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from samplebench.answers.parameters import split, word
from samplebench.noise.streams import STREAMS
from samplebench.protocols import PROTOCOLS
from samplebench.published.evaluators import reference_id
from samplebench.published.grids import NOT_STATED
from samplebench.published.notes import BEST_OF_THREE, PICTURE, SINGLE_RUN, THIRD_PARTY
from samplebench.published.record import CALLED, SCALE_UNSTATED, Published

# Ways to come by a value that leave it what it is.
_PLAIN = frozenset({BEST_OF_THREE, SINGLE_RUN, THIRD_PARTY, PICTURE})


@dataclass(frozen=True)
class Run:
    """Conditions of a curve of one's own.

    Attributes:
        sampler: the algorithm that ran, whatever alias it was asked for by.
        params: its effective parameters.
        discretization, rho: rho is None where the discretization has none.
        constants: of the discretization, where they are not its defaults.
        guidance: as the column says it, but for a guiding model by the stem of its released file;
            "" where none moves anything.
        dtype: of the network, where it is not the release's own; else "".
        num_samples: N.
        protocol: name, e.g. "edm".
        reference: id of the reference statistics; "" where nobody knows.
    """

    sampler: str
    params: Mapping[str, Any]
    discretization: str
    rho: float | None
    num_samples: int
    protocol: str
    reference: str
    constants: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = ""
    guidance: str = ""


@dataclass(frozen=True)
class Mismatch:
    """A condition in which a published value differs from a run.

    Attributes:
        short: for a legend, e.g. "reference differs".
        text: in full.
    """

    short: str
    text: str


def algorithm(name: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(Name, effective parameters, the rest) of what runs under `name`.

    Aliases are resolved: edm with S_churn=0 is heun. Samplers that are not registered here are
    what they are called. On noise levels the end rules are among the parameters. Parameters that
    the sampler does not have are the rest.
    """
    from samplebench.registry import samplers
    from samplebench.sampling.solver import Solver
    from samplebench.timelines.ends import Ends

    if name not in samplers:
        return name, dict(params), {}
    solver = Solver.of(name)
    own, rest = split(params, solver.defaults)
    found, effective = solver.canonical(own)
    usual = asdict(Ends(solver.final(own))) if "final" in solver.timeline.supplied else {}
    said, rest = split(rest, usual)
    return found, {**usual, **said, **effective}, rest


def algorithm_of(row: Published) -> tuple[str, dict[str, Any]]:
    """(Name, effective parameters) of a published value's sampler.

    Variants keep what is printed: parameters that nobody stated have no defaults.
    """
    sampler = row.unguided
    if sampler.variant:
        return sampler.name, dict(sampler.params)
    name, params, rest = algorithm(sampler.name, sampler.params)
    return name, {**params, **rest}


def guided_alike(row: Published, run: Run) -> bool:
    """Whether both have the same kind of guidance, or none."""
    return row.guidance.split(" ")[0] == run.guidance.split(" ")[0]


@cache
def compared_by(protocol: str, num_samples: int) -> str:
    """The registered protocol that a run's is but for N and the noise mode; else its own name.

    N is a condition of its own. Which stream the noise is drawn from decides what the numbers are
    and not their law, so two values are as comparable as with other seeds.
    """
    for known in PROTOCOLS.values():
        alike = (known.override(num_samples=num_samples, noise=mode) for mode in STREAMS)
        if known.num_samples and any(each.name == protocol for each in alike):
            return known.name
    return protocol


def mismatches(row: Published, run: Run) -> list[Mismatch]:
    """Every condition of `row` that is not the run's; the checkpoint is taken to be linked."""
    found = [f"weights: {row.weights}"] if row.weights else []
    for name, value in algorithm_of(row)[1].items():
        if name not in run.params:
            found.append(f"{name} {word(value)}")
        elif value != run.params[name]:
            found.append(f"{name} {word(value)} not {word(run.params[name])}")
    found += [row.unguided.variant] if row.unguided.variant else []
    found += _guidance(row, run)
    found += _grid(row, run)
    found += [f"stop time {row.stop}"] if row.stop else []
    if run.dtype:
        found.append(f"the release's precision not {run.dtype}")
    if row.num_samples is None:
        found.append(f"N {NOT_STATED}")
    elif row.num_samples != run.num_samples:
        found.append(f"N {row.num_samples} not {run.num_samples}")
    protocol = compared_by(run.protocol, run.num_samples)
    if row.family != protocol:
        found.append(f"protocol {row.protocol.evaluator} not {protocol}")
    found += [text for text in row.measured if text not in _PLAIN]
    found += [f"{CALLED[column]} deduced" for column in row.deduced]
    made = [Mismatch(text, text) for text in found]
    if run.reference != reference_id(row.reference):
        text = f"reference {row.reference} not {run.reference or 'none'}"
        made.append(Mismatch("reference differs", text))
    return made


def _guidance(row: Published, run: Run) -> list[str]:
    if row.guidance == run.guidance:
        return []
    if row.guidance and " " not in row.guidance and guided_alike(row, run):
        return [SCALE_UNSTATED]
    return [f"guidance {row.guidance or 'none'} not {run.guidance or 'none'}"]


def _grid(row: Published, run: Run) -> list[str]:
    same = row.grid.ours and row.grid.name == run.discretization
    if same and row.grid.rho != run.rho and None not in (row.grid.rho, run.rho):
        return [f"rho {row.grid.rho:g} not {run.rho:g}"]
    if not same or row.grid.rho != run.rho:
        rho = "" if run.rho is None else f" rho={run.rho:g}"
        return [f"grid {row.grid.label} not {run.discretization}{rho}"]
    return [f"{name} of the grid not {word(value)}" for name, value in run.constants.items()]
