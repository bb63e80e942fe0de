"""A value from a file in a message: short, printable, and never the file's own idea of itself."""

from __future__ import annotations

# Written out as they are; of all else only the kind is told.
SCALARS = (str, int, float, bool, type(None))


class NamedRecord:
    """A record that messages call by its `name`."""

    __slots__ = ()
    name: str


def shown(value: object) -> str:
    """A value out of a file, fit for a message: printable ASCII on one line, not too long."""
    # Of a container only the kind: written out it could be endless.
    line = ascii(str(value))[1:-1] if type(value) in SCALARS else kind(value)
    return line if len(line) <= 80 else f"{line[:77]}..."


def kind(value: object) -> str:
    """What sort of thing a value out of a file is, for a message."""
    if value is None:
        return "None"
    if isinstance(value, NamedRecord):
        return value.name
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
