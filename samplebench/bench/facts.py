"""What whoever files a cell must know of a loaded model: plain values, which can be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.bench.conditions import setting_of
from samplebench.bench.guides import id_of
from samplebench.bench.provenance import partial_stamp, provenance
from samplebench.results.cell import Cell
from samplebench.results.record import Provenance

if TYPE_CHECKING:
    from samplebench.bench.loaded import Bench


@dataclass(frozen=True)
class ExtractorFacts:
    """An extractor, wherever it is loaded.

    Attributes:
        name: as registered.
        key: of what it is, code of others included.
        dim: D, features of an image.
    """

    name: str
    key: str
    dim: int


@dataclass(frozen=True)
class CellNotes:
    """What a loaded model says of one of its cells.

    Attributes:
        about: of sampler and steps, as plain values.
        remarks: what the reader of its values must know, lines.
        unsteady: what makes it irreproducible, lines.
        further: gflop of a further pass of guidance over one image, None where it cannot be
            counted.
    """

    about: Mapping[str, Mapping[str, Any]]
    remarks: tuple[str, ...]
    unsteady: tuple[str, ...]
    further: float | None


@dataclass(frozen=True)
class BenchFacts:
    """A loaded model and its extractors, as far as records name them.

    Attributes:
        shape: of an image, (C, H, W).
        stamp: of the machine and the versions: blocks of another one never end in the same cell.
        provenance: where and with what its cells are computed.
        extractors: whose rows its blocks hold.
        gflop: per evaluation of one image, None where it cannot be counted.
        cells: by hash.
    """

    shape: tuple[int, int, int]
    stamp: str
    provenance: Provenance
    extractors: tuple[ExtractorFacts, ...]
    gflop: float | None
    cells: Mapping[str, CellNotes]

    @classmethod
    def of(cls, bench: Bench, cells: Iterable[Cell]) -> BenchFacts:
        """Those of a bench and some of its cells."""
        model = bench.model
        return cls(
            model.shape,
            partial_stamp(model),
            provenance(model),
            tuple(ExtractorFacts(one.name, one.key, one.dim) for one in bench.extractors),
            bench.gflop,
            {cell.hash: _facts_of(bench, cell) for cell in cells},
        )


def _facts_of(bench: Bench, cell: Cell) -> CellNotes:
    conditions = cell.conditions
    setting, guide = setting_of(bench.model, conditions), bench.guides.get(id_of(conditions))
    return CellNotes(
        setting.about,
        tuple(setting.remarks(bench.model, conditions["model"])),
        (*bench.unsteady, *(() if guide is None else guide.unsteady)),
        bench.gflop if guide is None else guide.gflop,
    )
