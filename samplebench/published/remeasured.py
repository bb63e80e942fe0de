"""Published values that somebody measured again: reproducibility_logs.csv as typed records."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

from samplebench.checkpoints.catalog import resolved


@dataclass(frozen=True)
class Remeasured:
    """A value that is printed in one place and was measured again in another.

    Attributes:
        what: what was done again, e.g. "re-measured released checkpoint", "retrained".
        model: as the log calls it; of no catalogue for many. `checkpoint` is its id here.
        sampler: as the log calls it.
        nfe: None where it does not apply.
        metric: e.g. "FID".
        published: the printed value; None where the log has none.
        measured: the other one.
        unit: what is to be known of `measured`: "about", or what it is a percentage of; "".
        conditions: how it was measured.
        source: where the measurement is told.
    """

    what: str
    model: str
    sampler: str
    nfe: int | None
    metric: str
    published: float | None
    measured: float
    unit: str
    conditions: str
    source: str

    @property
    def checkpoint(self) -> str:
        """Its id in the catalogue, where it is there."""
        return resolved(self.model)

    @property
    def difference(self) -> float | None:
        """Measured less printed."""
        return None if self.published is None else self.measured - self.published

    @property
    def ratio(self) -> float | None:
        """Measured over printed."""
        return None if self.published is None else self.measured / self.published

    @property
    def measured_text(self) -> str:
        """E.g. "1.94966", "about 39"."""
        if self.unit == "about":
            return f"about {self.measured:g}"
        return f"{self.measured:g} {self.unit}".rstrip()

    def plain(self) -> Mapping[str, Any]:
        """As values for JSON."""
        there = {"checkpoint": self.checkpoint, "model_printed": self.model}
        told = {name: value for name, value in asdict(self).items() if name != "model"}
        return there | told | {"difference": self.difference, "ratio": self.ratio}


@cache
def load_remeasured() -> tuple[Remeasured, ...]:
    """All cases, in the file's order."""
    file = resources.files("samplebench.published") / "reproducibility_logs.csv"
    text = file.read_bytes().decode("utf-8")
    return tuple(map(_case, csv.DictReader(io.StringIO(text, newline=""))))


def _case(row: Mapping[str, str]) -> Remeasured:
    return Remeasured(
        what=row["what"],
        model=row["model_id"],
        sampler=row["sampler"],
        nfe=int(row["nfe"]) if row["nfe"] else None,
        metric=row["metric"],
        published=float(row["published"]) if row["published"] else None,
        measured=float(row["measured"]),
        unit=row["unit"],
        conditions=row["conditions"],
        source=row["source"],
    )
