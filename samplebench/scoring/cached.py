"""Statistics of images that were given as a reference, in the user's cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplebench.download.cache import root
from samplebench.errors import SamplebenchError
from samplebench.features.judged import numerics_of
from samplebench.files.archives import Arrays, Unreadable
from samplebench.identity import identify
from samplebench.image_sets import ImageSet
from samplebench.references.files import Statistics, read
from samplebench.references.reference import write
from samplebench.results.cell import hash_of
from samplebench.scoring.extract import SCORING, Extracted

_FOLDER, _SUFFIX, _MARK = "references", ".reference.npz", "cached_as"


@dataclass(frozen=True)
class Cached:
    """What the cache has, or will have, of one set of images.

    Attributes:
        content: hash of the images.
        code: of an extractor that samplebench did not write; "" of its own.
        known: whether that code can be told apart from other code, so that it can be cached.
    """

    content: str
    code: str
    known: bool

    @classmethod
    def of(cls, content: str, extractor: Any | None) -> Cached:
        """Args:
        content: hash of the images.
        extractor: one of others, as it is registered; None for samplebench's own.
        """
        if extractor is None:
            return cls(content, "", True)
        identity = identify(extractor)
        return cls(content, identity.sha256, not identity.unknown)

    def read(self, images: ImageSet, extractor: Any, rows: bool) -> Statistics | None:
        """The statistics, None where they are not there, damaged or others.

        Args:
            images: the set.
            extractor: made for a device.
            rows: whether the features themselves are needed.
        """
        if not self.known:
            return None
        key = self._key(extractor)
        try:
            path = self._path(key)
            mark = Arrays(path)[_MARK]
            if mark.shape or mark.nbytes > 4 * len(key) or str(mark.whole()) != key:
                return None
            found = read(path)
            fits = found.num_images == images.count and len(found.mean) == extractor.feature_dim
            if not fits or (rows and found.rows is None):
                return None
            if rows and found.rows is not None:
                found.rows()
        except (KeyError, OSError, Unreadable, SamplebenchError):
            return None
        return found

    def write(self, found: Extracted, extractor: Any, made_from: str) -> tuple[str, ...]:
        """Caches statistics; a line where they cannot be.

        Args:
            made_from: in words.
        """
        if not self.known:
            return ()
        key = self._key(extractor)
        mark = {_MARK: key}
        try:
            write(self._path(key), found.moments, extractor, made_from, found.rows, **mark)
        except (OSError, SamplebenchError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return (f"{made_from}: the cache takes no statistics of them ({reason})",)
        return ()

    def _key(self, extractor: Any) -> str:
        """What decides the statistics, as a hash."""
        decides: Mapping[str, object] = {
            "version": SCORING,
            "content": self.content,
            "name": extractor.name,
            "weights_sha256": extractor.weights_sha256,
            "feature_dim": extractor.feature_dim,
            "code": self.code,
            **numerics_of(extractor),
        }
        return hash_of(decides)

    def _path(self, key: str) -> Path:
        return root() / _FOLDER / f"{key[:32]}{_SUFFIX}"
