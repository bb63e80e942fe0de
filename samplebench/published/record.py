"""One published value and everything that must agree before another may share its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from samplebench.answers.parameters import label
from samplebench.checkpoints.catalog import aliases
from samplebench.published.evaluators import family_of
from samplebench.published.grids import NOT_STATED, PrintedGrid
from samplebench.published.samplers import Sampler

# Column of published.csv -> what readers call it.
CALLED: Mapping[str, str] = {
    "model_id": "checkpoint",
    "network": "guidance scale",
    "sampler": "sampler",
    "discretization": "discretization",
    "nfe": "NFE",
    "num_samples": "N",
    "reference_stats": "reference",
}

# How a variant says that another network, or the same without labels, guides.
_GUIDE = re.compile(r"(autoguidance|classifier-free guidance) ([\d.]+)(?: by (\S+)| \([^()]+\))")
_RUNS_WORD = {"autoguidance": "auto", "classifier-free guidance": "cfg"}
# The variant of a value that a classifier guides, where nobody stated its scale.
SCALE_UNSTATED = "guidance scale not stated"


class PrintedProtocol(NamedTuple):
    """How samples became a value; no component is empty.

    Attributes:
        reference: statistics as printed, with the "~" of deduced ones.
        num_samples: "50000" or "not stated".
        evaluator: family, and whose it is where not the family's own.
    """

    reference: str
    num_samples: str
    evaluator: str


class PrintedSetting(NamedTuple):
    """What was sampled and how it was measured; no component is empty."""

    checkpoint: str
    weights: str
    dataset: str
    resolution: str
    sampler: str
    params: str
    variant: str
    discretization: str
    stop: str
    counting: str
    protocol: PrintedProtocol


@dataclass(frozen=True)
class Published:
    """One row of published.csv.

    Attributes:
        model, dataset, resolution, network: the checkpoint, as published.csv calls it; resolution
            in pixels. `checkpoint` is its id here.
        sampler: the algorithm; `sampler_printed` is its source's name for it.
        grid: the time discretization; `grid_printed` is the table's wording.
        steps: None where not printed.
        nfe: evaluations per image, None where nobody says them.
        fid: None where the source prints a bound only.
        above: that bound: the value is larger.
        num_samples: N, None where not stated.
        reference: statistics compared with; a leading "~" marks them as deduced.
        source: where the value was read.
        certainty: "A" read verbatim, "B" recalled and consistent, "C" unsure.
        sfid, precision, recall, inception_score: beside the FID, where printed.
        note: verbatim.
        weights: which of a checkpoint's files or training states; "" the one of its name.
        stop: time at which sampling stops, "" where not stated.
        evaluator: whose, where not the one that goes with the reference.
        measured: how the value was come by, e.g. ("lowest of 3 runs",).
        deduced: columns whose cell was deduced though the FID was read.
        depth: printed calls one after another, where the source counts those and not evaluations.
    """

    model: str
    dataset: str
    resolution: int
    network: str
    sampler: Sampler
    sampler_printed: str
    grid: PrintedGrid
    grid_printed: str
    steps: int | None
    nfe: int | None
    fid: float | None
    above: float | None
    num_samples: int | None
    reference: str
    source: str
    certainty: str
    sfid: float | None = None
    precision: float | None = None
    recall: float | None = None
    inception_score: float | None = None
    note: str = ""
    weights: str = ""
    stop: str = ""
    evaluator: str = ""
    measured: tuple[str, ...] = ()
    deduced: tuple[str, ...] = ()
    depth: int | None = None

    @property
    def checkpoint(self) -> str:
        """Its id in the catalogue, where it is there; "+guidance" and the like stay behind it."""
        known = aliases()
        base, plus, how = self.model.partition("+")
        return known.get(self.model, known.get(base, base) + plus + how)

    @property
    def unplaced(self) -> str:
        """Why it has no place on an axis of evaluations; "" where it has one."""
        if self.nfe is not None:
            return ""
        if self.depth is None:
            return "NFE not printed"
        return f"{self.depth} calls one after another, evaluations not stated"

    @property
    def family(self) -> str:
        """Family of the evaluator; "other" where the reference's own was not used."""
        return "other" if self.evaluator else family_of(self.reference)

    @property
    def protocol(self) -> PrintedProtocol:
        n = NOT_STATED if self.num_samples is None else str(self.num_samples)
        whose = f"{self.family}, {self.evaluator}" if self.evaluator else self.family
        return PrintedProtocol(self.reference, n, whose)

    @cached_property
    def setting(self) -> PrintedSetting:
        return PrintedSetting(
            checkpoint=self.model,
            weights=self.weights or "of that name",
            dataset=self.dataset,
            resolution=str(self.resolution),
            sampler=self.sampler.name,
            params=label(self.sampler.params) or "none",
            variant=self.sampler.variant or "none",
            discretization=self.grid.label,
            stop=self.stop or NOT_STATED,
            counting="evaluations" if self.depth is None else "sequential calls",
            protocol=self.protocol,
        )

    @property
    def guidance(self) -> str:
        """In the words of a run's column, e.g. "classifier 0.5", "auto 1.7 by FILE"; the name alone
        where the scale is not stated, "" for none."""
        if guide := _GUIDE.search(self.sampler.variant):
            by = f" by {guide[3]}" if guide[3] else ""
            return f"{_RUNS_WORD[guide[1]]} {float(guide[2]):g}{by}"
        if "guidance" in self.sampler.params:
            return f"classifier {self.sampler.params['guidance']:g}"
        return "classifier" if "+guidance" in self.model else ""

    @property
    def unguided(self) -> Sampler:
        """The sampler without what says how it is guided."""
        parts = self.sampler.variant.split(", ")
        kept = [part for part in parts if part != SCALE_UNSTATED and not _GUIDE.fullmatch(part)]
        params = {k: v for k, v in self.sampler.params.items() if k != "guidance"}
        return Sampler(self.sampler.name, params, ", ".join(kept))

    @property
    def sampler_label(self) -> str:
        """E.g. "edm S_churn=40 ..." or "heun, no final step"."""
        named = f"{self.sampler.name} {label(self.sampler.params)}".strip()
        return f"{named}, {self.sampler.variant}" if self.sampler.variant else named

    @property
    def fid_printed(self) -> str:
        """E.g. "1.97" or ">100"."""
        return f">{self.above:g}" if self.fid is None else f"{self.fid:g}"

    @property
    def cite(self) -> str:
        """The source without what is in brackets or after a semicolon."""
        return re.sub(r"\s*\([^()]*\)", "", self.source).partition(";")[0].strip()

    def plain(self) -> Mapping[str, Any]:
        """As values for JSON."""
        return {
            "model": self.checkpoint,
            "model_printed": self.model,
            "dataset": self.dataset,
            "resolution": self.resolution,
            "network": self.network,
            "sampler": self.sampler.name,
            "params": label(self.sampler.params),
            "variant": self.sampler.variant,
            "sampler_printed": self.sampler_printed,
            "discretization": self.grid.name,
            "rho": self.grid.rho,
            "discretization_printed": self.grid_printed,
            "steps": self.steps,
            "nfe": self.nfe,
            "depth": self.depth,
            "fid": self.fid,
            "above": self.above,
            "num_samples": self.num_samples,
            "protocol": self.family,
            "evaluator": self.evaluator,
            "reference": self.reference,
            "weights": self.weights,
            "stop": self.stop,
            "measured": list(self.measured),
            "deduced": list(self.deduced),
            "sfid": self.sfid,
            "precision": self.precision,
            "recall": self.recall,
            "inception_score": self.inception_score,
            "certainty": self.certainty,
            "source": self.source,
            "note": self.note,
        }
