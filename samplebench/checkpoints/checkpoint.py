"""A released checkpoint, or one of the user's: where it is, how it is verified, what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Parameters of one sampler that somebody tuned for a checkpoint.

    Attributes:
        sampler: whose parameters they are.
        params: by name.
        nfe: at which they were tuned.
        source: where they are published.
    """

    sampler: str
    params: Mapping[str, Any]
    nfe: int
    source: str


@dataclass(frozen=True)
class Checkpoint:
    """One table of checkpoints.toml; the fields are explained at its top.

    Attributes:
        path: of its file where the user named one; no field of the table.
        home: folder of a catalogue of the user's, beside which its reference may lie.
        model: itself, where it is in memory already, of no file; its sha256 is then its identity.
        unknown: what of its code cannot be told apart from other code, a line; "" for nothing.
    """

    id: str
    format: str
    location: str
    shape: tuple[int, int, int]
    summary: str = ""
    file: str = ""
    size: int | None = None
    sha256: str = ""
    structure: str = ""
    parameters: int | None = None
    caveat: str = ""
    source: str = ""
    licence: str = "not stated"
    dtype: str = "float32"
    protocol: str = "edm"
    reference: str = ""
    num_classes: int = 0
    samplers: tuple[str, ...] = ("euler", "heun")
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    classifier: Checkpoint | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    cite: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    same_weights: tuple[str, ...] = ()
    path: str = ""
    home: str = ""
    model: Any = field(default=None, compare=False)
    unknown: str = ""

    @property
    def folder_name(self) -> str:
        """Its id as the name of a folder; that of a hub has slashes."""
        return self.id.replace("/", "-")

    @property
    def embedded(self) -> bool:
        """Whether its file ships with samplebench."""
        return self.location.startswith("package://") and not self.path

    @property
    def published_at(self) -> str:
        """The address of the released file; "" where there is none."""
        return self.location if self.location.startswith(("https://", "http://")) else ""

    @property
    def remote(self) -> bool:
        """Whether its file has to be fetched."""
        return bool(self.published_at) and not self.path

    @property
    def on_hub(self) -> bool:
        """Whether its file is in a folder of a model hub (`download/hub.py`)."""
        return self.location.startswith("hf:") and not self.path

    @property
    def file_name(self) -> str:
        """Of the released file; "" where it is not known."""
        if self.file or "drive.google.com" in self.location:
            return self.file
        return self.location.rpartition("/")[2]

    def at(self, path: str | Path) -> Checkpoint:
        """The same checkpoint in a file that is here already."""
        return replace(self, path=str(path))
