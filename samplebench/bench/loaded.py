"""What the cells of one model share: the model and the extractors, loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from samplebench.bench.facts import ExtractorFacts
from samplebench.bench.flops import gflop_per_evaluation
from samplebench.bench.guides import Guide, guidance_of, load_guides
from samplebench.bench.rehearsal import probed, try_network
from samplebench.bench.start_images import StartImages
from samplebench.checkpoints.catalog import Checkpoint
from samplebench.errors import UsageError
from samplebench.features.judged import extractor_of, features, watched_extractor
from samplebench.loading import load
from samplebench.loading.judged import check_planned, check_process
from samplebench.loading.memory import changed
from samplebench.models.chunks import Chunks
from samplebench.models.guidance import Guidance
from samplebench.models.model import Model, is_foreign
from samplebench.results.cell import Cell, PlannedScore
from samplebench.results.kept import key_of
from samplebench.results.record import Conditions
from samplebench.scoring.measure import Measure, check_extractor

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

# Operations are counted on that many images: a quarter of the usual block, whole for exact models.
_COUNTED = 16


@dataclass(frozen=True)
class LoadedExtractor(ExtractorFacts):
    """An extractor on a device.

    Attributes:
        function: uint8 images [N, C, H, W] to features [N, D].
        device: that it was made for.
    """

    function: Callable[[Tensor], Tensor]
    device: torch.device

    def features_of(self, images: Tensor, n: int, seed: int, doubts: dict[str, None]) -> np.ndarray:
        """Features of the first n images of a block, float64 [n, D].

        Args:
            images: uint8 [B, C, H, W].
            n: how many images count; the others fill the block up.
            seed: of the first.
            doubts: takes a line where the extractor is random.

        Raises:
            UsageError, Failed: as `features` does.
        """
        doubt = doubts.setdefault
        with watched_extractor(self.name, self.function, seed, self.device, doubt):
            return features(self.function, images, self.name, self.dim, n)


@dataclass(frozen=True)
class Bench:
    """What the cells of one model share.

    Attributes:
        gflop: per evaluation of one image, None where it cannot be counted.
        guides: guiding models and classifiers, by their ids.
        foreign: whether samplebench did not write the network.
        unsteady: what makes every cell of the model irreproducible, lines.
        entries: what was planned for: the model and its guides.
        starts: real images, from which cells with a start begin; None where there are no such.
    """

    model: Model
    extractors: tuple[LoadedExtractor, ...]
    gflop: float | None
    foreign: bool = False
    unsteady: tuple[str, ...] = ()
    guides: Mapping[str, Guide] = field(default_factory=dict)
    entries: tuple[Checkpoint, ...] = ()
    starts: StartImages | None = None

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        extractors: tuple[LoadedExtractor, ...],
        block: int,
        device: torch.device,
        dtype: str | None,
        cells: Sequence[Cell] = (),
        guides: Mapping[str, tuple[Checkpoint, Checkpoint | None]] = MappingProxyType({}),
    ) -> Bench:
        """Loads a model, and what guides its cells.

        Raises:
            UsageError: a network of others that fails or answers wrongly, or one of latents.
            InputError: a file that is another than the planned one.
        """
        compiled = bool(cells) and cells[0].conditions.get("compiled", False)
        model = load(checkpoint, device=device, dtype=dtype, compile=compiled)
        if cells:
            check_planned(model, checkpoint, cells[0].conditions["checkpoint_sha256"])
        for said in (cell.conditions for cell in cells):
            check_process(model, checkpoint, said["sampler"], said["params"].get("process"))
        if getattr(model, "latents", False):
            raise UsageError(
                f"{checkpoint.id} produces latents, and samplebench has no decoder; use sb.load "
                "and sb.sample"
            )
        batch, foreign = min(block, _COUNTED), is_foreign(model)
        doubt = try_network(model, batch) if foreign else None
        with probed(model):
            gflop = gflop_per_evaluation(model, batch)
        unsteady = () if doubt is None else (doubt,)
        model.chunks = Chunks()
        loaded = load_guides(cells, guides, model, block, batch, device)
        entries = (checkpoint, *(entry for entry, _ in guides.values()))
        return cls(model, extractors, gflop, foreign, unsteady, loaded, entries)

    def changes(self) -> Iterator[str]:
        """What of it is no longer what its cells say, a line each."""
        for entry in self.entries:
            if changed(entry):
                yield (
                    f"model {entry.id} changed during sampling: its weights, a counter or a cache"
                )

    def start_of(
        self, conditions: Conditions, samples: range, like: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Images and labels from which samples of a cell begin; see `StartImages.of`."""
        assert self.starts is not None
        assert self.starts.content == conditions["start"]["images"]
        return self.starts.of(samples, like, self.model.shape, self.model.num_classes)

    def guidance(self, conditions: Conditions) -> Guidance | None:
        """Of a cell."""
        return guidance_of(conditions, self.model, self.guides)


def score_key(score: PlannedScore) -> str:
    """Key of the extractor whose features a score compares."""
    conditions = score.conditions
    return key_of(conditions["extractor"], str(conditions.get("extractor_code", "")))


def load_extractors(
    scores: Iterable[PlannedScore], measures: Iterable[Measure], device: torch.device
) -> tuple[LoadedExtractor, ...]:
    """The extractors of these scores, each once.

    Raises:
        InputError: a reference was made with other weights than its extractor has.
        UsageError: an extractor of others that fails or answers wrongly.
    """
    found: dict[str, LoadedExtractor] = {}
    for score in scores:
        name, key = score.conditions["extractor"]["name"], score_key(score)
        if key not in found:
            function = extractor_of(name, device)
            for measure in measures:
                if measure.reference.extractor == name:
                    check_extractor(measure.reference, function)
            found[key] = LoadedExtractor(name, key, function.feature_dim, function, device)
    return tuple(found.values())
