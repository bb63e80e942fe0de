"""A reference by whatever a user names it with: an id, statistics, or a set of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from samplebench.files.atomic import expanded
from samplebench.image_sets import is_set
from samplebench.references import reference as references
from samplebench.references.files import holds_statistics
from samplebench.references.reference import Reference
from samplebench.scoring.imaged import Imaged
from samplebench.scoring.made import OfImages


def sources_of(words: str | Iterable[str]) -> tuple[str, ...]:
    """The references that words name, each alone or several separated by commas, each once.

    A path that exists is one reference, with whatever commas.
    """
    given = [words] if isinstance(words, str) else words
    return tuple(dict.fromkeys(source for word in given for source in _split(word)))


def images_at(source: str, home: str = "") -> Path | None:
    """The path of a source that is a set of images; None for statistics and for what is neither.

    Args:
        source: an id or a path.
        home: a folder in which it may lie, too.
    """
    if not source or source in references.names():
        return None
    path = expanded(source)
    if home and (beside := Path(home) / path).exists():
        path = beside
    return path if not holds_statistics(path) and is_set(path) else None


def reference_for(
    source: str, extractor: str, home: str = "", *, features: bool = False, device: Any = None
) -> Reference | None:
    """A reference for an extractor's features; nothing is computed or fetched yet.

    Args:
        source: id of statistics, their path, or that of a folder, zip, npy or npz of images.
        extractor: name of the extractor.
        home: a folder in which it may lie, too.
        features: whether the features themselves are needed; of images they are kept then.
        device: on which features of images are computed; None for the best there is.

    Returns:
        None where it holds statistics of other extractors alone.

    Raises:
        UsageError: neither an id nor a path, or no such extractor.
        InputError: what is there is no reference, or cannot be read.
    """
    if path := images_at(source, home):
        return OfImages.at(path, extractor, rows=features, device=device)
    found = references.load(source, home, extractor)
    if found.extractor != extractor:
        return None
    lacks = features and found.images is not None and found.keeps_rows is False
    return Imaged.of(found, device) if lacks else found


def _split(word: str) -> Iterator[str]:
    parts = word.split(",")
    while parts:
        # The longest path first; one word is taken as it is, whether it exists or not.
        end = next(n for n in range(len(parts), 0, -1) if n == 1 or _there(",".join(parts[:n])))
        source = ",".join(parts[:end])
        if source := source if _there(source) else source.strip():
            yield source
        del parts[:end]


def _there(word: str) -> bool:
    return os.path.lexists(expanded(word))
