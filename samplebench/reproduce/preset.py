"""A published value with all that it takes to measure it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samplebench.answers.parameters import word
from samplebench.bench.request import Request
from samplebench.published import Published

# Where results go.
FOLDER = Path("reports") / "reproduce"
# EDM's three ranges of seeds, of which its tables give the lowest value.
RUNS = 3


@dataclass(frozen=True)
class ReproductionPreset:
    """One published number and the run that should give it.

    Attributes:
        name: e.g. "edm-cifar10-32x32-uncond-vp/heun/35".
        metric: e.g. "fid".
        value: as published, `printed` as it stands there.
        stderr: standard error of the published value; None where nobody states it.
        source: where it was read.
        checkpoint: id of the catalogue.
        words: of the request, as of `sb.run`; N only where it is stated.
        runs: how many ranges of seeds; of several the lowest value counts.
        nfe: as printed; None where a method chooses its steps.
        row: of published.csv; None for samplebench's own values.
        completed: condition -> who says what the source leaves open.
        deduced: conditions that nobody states and others gathered from the context.
        open: conditions that nobody states, for which samplebench's own usual choice stands.
        differs: what is known to be otherwise here than there, a line each.
        images: that the reference has to be made of, which nobody released statistics of; "" where
            they are.
    """

    name: str
    metric: str
    value: float
    printed: str
    stderr: float | None
    source: str
    checkpoint: str
    words: Mapping[str, Any]
    runs: int = 1
    nfe: int | None = None
    row: Published | None = None
    completed: Mapping[str, str] = field(default_factory=dict)
    deduced: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    images: str = ""

    @property
    def folder(self) -> Path:
        """Where its results go unless told otherwise."""
        return FOLDER / self.name

    @property
    def cite(self) -> str:
        """The source in short."""
        return self.source if self.row is None else self.row.cite

    def request(self, **words: Any) -> Request:
        """Its request, with words of the user's over it.

        Raises:
            UsageError: a word that cannot be meant.
        """
        given = {name: value for name, value in words.items() if value is not None}
        own = {**self.words, "model": self.checkpoint, "repeats": self.runs}
        return Request.of(**{**own, "out": str(self.folder), **given})

    @property
    def make_reference(self) -> str:
        """The command that makes the reference which nobody released."""
        return (
            f"samplebench reference make --images PATH --extractor inception "
            f"--out {self.checkpoint}.reference.npz"
        )

    def plain(self) -> dict[str, Any]:
        """What it is, as values for JSON."""
        return {
            "name": self.name,
            "checkpoint": self.checkpoint,
            "metric": self.metric,
            "published": self.value,
            "published_stderr": self.stderr,
            "source": self.source,
            "nfe": self.nfe,
            "words": {name: _plain(value) for name, value in self.words.items()},
            "runs": self.runs,
            "completed": dict(self.completed),
            "deduced": list(self.deduced),
            "not_stated": list(self.open),
            "differs": list(self.differs),
            "reference_images": self.images,
        }


@dataclass(frozen=True)
class NoPreset:
    """A published value that no run here can give, and why.

    Attributes:
        row: of published.csv.
        reason: a clause.
    """

    row: Published
    reason: str

    @property
    def source(self) -> str:
        """Where the value was read."""
        return self.row.source


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    # JSON has no infinity.
    return word(value) if isinstance(value, float) else value
