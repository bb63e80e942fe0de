"""A walk over all that a thing reaches, into one hash."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range)


def plain(thing: Any) -> str | bytes | None:
    """A value of an immutable kind, exactly; None for everything else."""
    kind = type(thing)
    if kind is int:
        return f"{thing:x}"  # decimal digits are limited in number
    if kind is str or kind is bytes:
        return thing
    return repr(thing) if kind in _PLAIN else None


class Walk:
    """Describes things one after the other; what refers to something seen refers to its number.

    Plain data is described where it stands; functions, classes, modules and objects are queued, so
    that neither cycles nor long chains of helpers are a matter of depth.

    Args:
        describe: adds a thing to this walk's hash and queues what it refers to.
        within: the walk of which this is a part, see `apart`.

    Attributes:
        obstacles: what cannot be described, a line each.
    """

    def __init__(self, describe: Callable[[Any, Walk], None], within: Walk | None = None) -> None:
        self._describe = describe
        self._hash = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._queue: deque[tuple[Any, str]] = deque()
        self._kept: list[Any] = []  # so that no number is given twice
        self._where = ""
        self._within: frozenset[int] = within._within if within else frozenset()
        self.obstacles: list[str] = within.obstacles if within else []

    def digest(self, thing: Any, where: str = "") -> str:
        """The SHA-256 of a thing and of all that it reaches."""
        self._where = where
        self.value(thing)
        while self._queue:
            thing, self._where = self._queue.popleft()
            self.put("next")
            self._describe(thing, self)
        return self._hash.hexdigest()

    def put(self, *words: str | bytes) -> None:
        """Adds words to the hash."""
        for word in words:
            data = word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word
            self._hash.update(b"%d:" % len(data))
            self._hash.update(data)

    def value(self, thing: Any, where: str = "") -> None:
        """Adds a thing: plain data at once, others by number and later.

        Args:
            where: what it is, for messages, e.g. "global 'k' of mine"; as the thing at hand if "".
        """
        if type(thing) is tuple:
            self.put("tuple", str(len(thing)))
            for item in thing:
                self.value(item, where)
            return
        text = plain(thing)
        if text is not None:
            self.put(type(thing).__name__, text)
            return
        number = self._seen.get(id(thing))
        if number is None:
            number = self._seen[id(thing)] = len(self._seen)
            self._kept.append(thing)
            self._queue.append((thing, self._place(where)))
        self.put("thing", str(number))

    def _place(self, where: str) -> str:
        """Where a thing is: in what was named first, and its own name there."""
        if not where or where.startswith("global ") or not self._where:
            return where or self._where
        return f"{self._where.partition(', ')[0]}, {where}"

    def values(self, things: dict[str, Any], where: str = "") -> None:
        """Adds named things in the order of their names.

        Args:
            where: with "{}" for a name.
        """
        self.put("names", str(len(things)))
        for name, thing in sorted(things.items(), key=lambda item: str(item[0])):
            self.put(str(name))
            self.value(thing, where.format(repr(name)))

    def apart(self, thing: Any, *, of: Any) -> str:
        """The digest of a thing by itself, whatever was seen before.

        Args:
            of: what it is a part of; met again on the way, that is not described once more.
        """
        walk = Walk(self._describe, self)
        walk._within |= {id(of)}
        walk._kept.append(of)
        return walk.digest(thing, self._where)

    @property
    def part(self) -> bool:
        """Whether this walk describes a part of something."""
        return bool(self._within)

    def inside(self, thing: Any) -> bool:
        """Whether this walk describes a part of a thing."""
        return id(thing) in self._within

    def obstacle(self, reason: str) -> None:
        """Notes that the thing at hand cannot be described."""
        self.put("unknown")
        self.obstacles.append(f"{self._where}: {reason}" if self._where else reason)
