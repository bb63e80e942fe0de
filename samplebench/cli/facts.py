"""What `list --verbose` tells of one thing, as a block of a terminal's text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from samplebench.citations import author_year, bibliography
from samplebench.results.fields import printable

_WIDTH = 100


def block(found: Mapping[str, Any]) -> str:
    """A name, its summary, and its facts but for those that are None, each on lines of its own."""
    lines = [str(found["name"]), *textwrap.wrap(str(found["summary"]), _WIDTH - 2)]
    shown = {k: v for k, v in found.items() if k not in ("name", "summary") and v is not None}
    width = max(map(len, shown))
    for name, value in shown.items():
        text = f"{value:g}" if isinstance(value, float) else str(value)
        rest = textwrap.wrap(text, _WIDTH - width - 4, break_on_hyphens=False)
        lines += [f"{name:{width}}  {rest[0]}", *(" " * (width + 2) + more for more in rest[1:])]
    return printable(lines[0]) + "".join(f"\n  {printable(line)}" for line in lines[1:])


def papers(keys: Iterable[str]) -> str | None:
    """Who is cited, e.g. "Karras et al. 2022 [karras2022edm]"; None where nobody is.

    Args:
        keys: of citations.bib; others are left out.
    """
    known = bibliography()
    found = (f"{author_year(known[key])} [{key}]" for key in dict.fromkeys(keys) if key in known)
    return "; ".join(found) or None
