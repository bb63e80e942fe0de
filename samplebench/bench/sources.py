"""The models of a request: whatever its words mean, known well enough to be planned for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import DEFAULT_MODEL, Checkpoint, catalog
from samplebench.checkpoints.diffusers_folder import refuse_latents
from samplebench.errors import UsageError
from samplebench.loading.look import looked_at
from samplebench.loading.source import source_of
from samplebench.scoring.measure import Measure


@dataclass(frozen=True)
class Source:
    """Where a model comes from, and what its samples are compared with.

    Attributes:
        guides: by id the guiding models and classifiers of its cells; of a classifier also the
            model beside which it was released.
    """

    checkpoint: Checkpoint
    measures: tuple[Measure, ...]
    guides: Mapping[str, tuple[Checkpoint, Checkpoint | None]] = field(default_factory=dict)

    @property
    def files(self) -> list[Checkpoint]:
        """All that has to be here."""
        return [self.checkpoint, *(guide for guide, _ in self.guides.values())]


def checkpoints_of(request: Request) -> list[Checkpoint]:
    """The models of a request, the file that it names in its place.

    Raises:
        UsageError: there is no such model, one file for several, or two of one name.
        InputError: a file cannot be looked at.
    """
    known, words = catalog(request.checkpoints), request.model or (DEFAULT_MODEL,)
    for name in ("file", "format", "model_config"):
        if (said := getattr(request, name)) is not None and len(words) > 1:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} {said}: name the one model that it belongs to with --model")
    found: dict[str, Checkpoint] = {}
    for word in words:
        entry = source_of(
            word,
            known,
            format=request.format,
            config=request.model_config,
            offline=request.offline,
        )
        if request.file is not None:
            entry = _at(entry, request.file)
        if entry.id in found:
            raise called_alike(entry.id)
        found[entry.id] = looked_at(entry)
        refuse_latents(found[entry.id])
    return list(found.values())


def called_alike(name: str) -> UsageError:
    """What is told of two models of one name, which no row could tell apart."""
    return UsageError(
        f"two models are called {name}; rename one (the file or folder, or name= of sb.wrap)"
    )


def _at(entry: Checkpoint, path: str) -> Checkpoint:
    """A released checkpoint in a file that was downloaded by hand."""
    if entry.model is not None or not all(entry.shape):
        raise UsageError(
            f"--file {path}: {entry.id} is not a model of the catalogue; give the file as --model, "
            "with its --format"
        )
    return entry.at(path)
