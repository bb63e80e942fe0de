"""References that are images: statistics are made of them when they are needed, and cached."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from samplebench.devices import resolve_device
from samplebench.errors import InputError
from samplebench.features.judged import extractor_of
from samplebench.image_sets import ImageSet, read, stamp
from samplebench.references.files import Statistics
from samplebench.references.reference import Reference
from samplebench.registry import extractors
from samplebench.results.fields import printable, visible
from samplebench.scoring.cached import Cached
from samplebench.scoring.content import content_of
from samplebench.scoring.extract import Extracted, enough, fetch_extractor, statistics_of
from samplebench.ticker import say

# What this process has made: by path, stamp and extractor.
_made: dict[tuple[Any, ...], Reference] = {}


@dataclass(frozen=True)
class OfImages(Reference):
    """The statistics of a set of images, made and cached when they are fetched.

    Its hash is that of the images, known from then on: `fetched` returns the reference with it.

    Attributes:
        mark: shows whether the images have changed since.
        wants_rows: whether the features themselves are needed, too.
        device: to compute them on, by name; None for the best there is.
    """

    mark: str = ""
    wants_rows: bool = False
    device: Any = field(default=None, compare=False)

    @classmethod
    def at(cls, path: Path, extractor: str, *, rows: bool = False, device: Any = None) -> Reference:
        """The reference of images, without any feature computed.

        Args:
            path: of a folder, zip, npy or npz of images.
            extractor: name of the extractor.
            rows: whether the features themselves are needed.
            device: to compute on.

        Raises:
            UsageError: no extractor has that name.
            InputError: the images cannot be read, or are fewer than 2.
        """
        made = extractors.get(extractor)
        path = Path(os.path.abspath(path))
        try:
            mark = stamp(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from None
        images = _images(path, mark)
        enough(images)
        dim, weights = getattr(made, "feature_dim", 0), getattr(made, "weights_sha256", "")
        planned = cls(
            id=visible(path.name or path),
            path=path,
            sha256="",
            feature_dim=dim if isinstance(dim, int) else 0,
            num_images=images.count,
            extractor=extractor,
            weights_sha256=weights if isinstance(weights, str) else "",
            made_from=images.description,
            mark=mark,
            wants_rows=rows,
            device=device,
        )
        return planned._found() or planned

    @property
    def keeps_rows(self) -> bool | None:
        """As they are made when they are needed."""
        return True

    @cached_property
    def statistics(self) -> Statistics:
        """Made or from the cache, without progress."""
        return self.fetched(offline=False, quiet=True).statistics

    def fetch(self, *, offline: bool, quiet: bool) -> Path:
        """Sees to it that the statistics are made; the images' path."""
        self.fetched(offline=offline, quiet=quiet)
        return self.path

    def fetched(self, *, offline: bool, quiet: bool) -> Reference:
        """The reference with its statistics and the images' hash.

        Raises:
            InputError: an image or the extractor fails, or the images change meanwhile.
            EnvironmentError_: what the extractor needs cannot be fetched.
            UsageError: an extractor of others that cannot be made.
        """
        make([self], offline=offline, quiet=quiet)
        return _made[self._key]

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.path, self.mark, self.extractor, extractors.get(self.extractor)

    def _with(self, content: str, extractor: Any, statistics: Statistics) -> Reference:
        """The reference with all of it known."""
        facts = {key: getattr(self, key) for key in ("id", "path", "num_images", "made_from")}
        return Reference(
            **facts,
            sha256=content,
            feature_dim=extractor.feature_dim,
            extractor=self.extractor,
            weights_sha256=extractor.weights_sha256,
            given=statistics,
        )

    def _found(self) -> Reference | None:
        """What was made before in this process."""
        found = _made.get(self._key)
        return found if found and (found.keeps_rows or not self.wants_rows) else None


def make(wanted: Iterable[OfImages], *, offline: bool, quiet: bool) -> None:
    """Makes what is missing of references that are images, one pass over each set of them.

    Raises:
        InputError, EnvironmentError_, UsageError: as `OfImages.fetched` does.
    """
    sets: dict[tuple[Path, str], list[OfImages]] = {}
    for each in wanted:
        if not each._found():
            sets.setdefault((each.path, each.mark), []).append(each)
    for planned in sets.values():
        _make(planned, offline=offline, quiet=quiet)


def _make(planned: Sequence[OfImages], *, offline: bool, quiet: bool) -> None:
    """Makes, or reads from the cache, the statistics of one set of images for its extractors."""
    one, names = planned[0], dict.fromkeys(each.extractor for each in planned)
    for name in names:
        fetch_extractor(name, offline=offline, quiet=quiet)
    images, content = _images(one.path, one.mark), _content(one.path, one.mark)
    cached, extractor, found = dict[str, Cached](), dict[str, Any](), dict[str, Statistics]()
    rows = {n: any(p.wants_rows for p in planned if p.extractor == n) for n in names}
    for name in names:
        entry = extractors.entry(name)
        # Before it is run: what it keeps for itself then is no part of it.
        cached[name] = Cached.of(content, None if entry.builtin else entry.obj)
        extractor[name] = extractor_of(name, resolve_device(one.device))
        if there := cached[name].read(images, extractor[name], rows[name]):
            found[name] = there
    missing = [name for name in names if name not in found]
    if missing:
        for note in () if quiet else images.notes:
            say(printable(f"note: {note}"))
        pairs = [(extractor[name], rows[name]) for name in missing]
        every = statistics_of(images, pairs, device=one.device, quiet=quiet)
        for name, made in zip(missing, every, strict=True):
            if made.content != content:
                raise InputError(f"{one.path} changed while it was read; repeat the command")
            write = cached[name].write
            for note in made.doubts or write(made, extractor[name], images.description):
                if not quiet:
                    say(printable(f"note: {note}"))
            found[name] = _statistics(made, extractor[name], images.description)
    for each in planned:
        _made[each._key] = each._with(content, extractor[each.extractor], found[each.extractor])


@lru_cache(maxsize=16)
def _images(path: Path, mark: str) -> ImageSet:
    """The images that are there under this stamp."""
    return read(path)


@lru_cache(maxsize=16)
def _content(path: Path, mark: str) -> str:
    """The hash of the images that are there under this stamp."""
    return content_of(_images(path, mark))


def _statistics(found: Extracted, extractor: Any, made_from: str) -> Statistics:
    moments, rows = found.moments, found.rows
    made = Statistics(
        moments.mean,
        moments.cov,
        moments.count,
        extractor.name,
        extractor.weights_sha256,
        made_from,
        rows=None if rows is None else lambda: rows,
    )
    # All cells of a sweep share them, and a metric of others may write on what it gets.
    made.mean.flags.writeable = made.cov.flags.writeable = False
    return made
