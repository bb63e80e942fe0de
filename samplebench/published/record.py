"""One published value and everything that must agree before another may share its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from samplebench.answers.parameters import label
from samplebench.published.evaluators import family_of
from samplebench.published.grids import NOT_STATED, PrintedGrid
from samplebench.published.samplers import Sampler

# Column of published.csv -> what readers call it.
CALLED: Mapping[str, str] = {
    "model_id": "checkpoint",
    "sampler": "sampler",
    "discretization": "discretization",
    "nfe": "NFE",
    "num_samples": "N",
    "reference_stats": "reference",
}

# How a variant says that a weaker network guides.
_AUTO = re.compile(r"autoguidance ([\d.]+) by (\S+)")
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
    protocol: PrintedProtocol


@dataclass(frozen=True)
class Published:
    """One row of published.csv.

    Attributes:
        model, dataset, resolution, network: the checkpoint; resolution in pixels.
        sampler: the algorithm; `sampler_printed` is its source's name for it.
        grid: the time discretization; `grid_printed` is the table's wording.
        steps, nfe: None where not printed.
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
            protocol=self.protocol,
        )

    @property
    def guidance(self) -> str:
        """In the words of a run's column, e.g. "classifier 0.5", "auto 1.7 by FILE"; the name alone
        where the scale is not stated, "" for none."""
        if auto := _AUTO.search(self.sampler.variant):
            return f"auto {float(auto[1]):g} by {auto[2]}"
        if "guidance" in self.sampler.params:
            return f"classifier {self.sampler.params['guidance']:g}"
        return "classifier" if "+guidance" in self.model else ""

    @property
    def unguided(self) -> Sampler:
        """The sampler without what says how it is guided."""
        parts = self.sampler.variant.split(", ")
        kept = [part for part in parts if part != SCALE_UNSTATED and not _AUTO.fullmatch(part)]
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
            "model": self.model,
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
