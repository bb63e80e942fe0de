"""What to cite: the entries of citations.bib, and who names them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from samplebench.checkpoints.catalog import catalog, resolved
from samplebench.errors import unknown
from samplebench.models import guidance
from samplebench.registry import discretizations, metrics, samplers, timelines
from samplebench.results.fields import metrics_of
from samplebench.results.view import View

OWN = "samplebench"
_LETTERS = {"l": "ł", "o": "ø", "ss": "ß", "ae": "æ", "aa": "å", "i": "ı"}
_ACCENTS = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "c": "\u0327",
    "v": "\u030c",
}  # fmt: skip
_ACCENT = re.compile(r"""\\(['`^"~]|[cv](?=[ {]))[ {]*(\w)""")
_NOT_A_VERSION = re.compile(r"[^\w.+-]", re.ASCII)
# (kind, name), e.g. ("sampler", "heun").
Use = tuple[str, str]


@dataclass(frozen=True)
class Citation:
    """One entry with what it is cited for.

    Attributes:
        key: of the entry.
        entry: BibTeX.
        uses: in words, e.g. "sampler heun".
    """

    key: str
    entry: str
    uses: tuple[str, ...]


def parse(text: str) -> dict[str, str]:
    """BibTeX entries by key, in the text's order; what stands between them is left out.

    Raises:
        ValueError: a key occurs twice, or the braces of an entry do not match.
    """
    found: dict[str, str] = {}
    for start in re.finditer(r"^@\w+\{([^\s,]+),", text, re.MULTILINE):
        key, depth = start[1], 0
        if key in found:
            raise ValueError(f"key {key} occurs twice")
        for end in range(start.start(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if text[end] == "}" and depth == 0:
                break
        else:
            raise ValueError(f"the braces of {key} do not match")
        found[key] = text[start.start() : end + 1]
        if re.search(r"^@", found[key][1:], re.MULTILINE):
            raise ValueError(f"the braces of {key} do not match")
    return found


@cache
def bibliography() -> Mapping[str, str]:
    """citations.bib by key."""
    return parse((resources.files("samplebench") / "citations.bib").read_text(encoding="utf-8"))


def author_year(entry: str) -> str:
    """An entry in a line of text, e.g. "Karras et al. 2022"."""
    authors, year = (
        re.search(rf"^\s*{field} = \{{+(.*?)\}}+,?$", entry, re.MULTILINE | re.DOTALL)
        for field in ("author", "year")
    )
    if authors is None or year is None:
        raise ValueError(f"no author or year in {entry}")
    names = [name.split(",")[0] for name in re.split(r"\s+and\s+", _plain(authors[1]))]
    who = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return f"{who} {year[1]}"


def _plain(text: str) -> str:
    """TeX's accents and letters as Unicode, without braces."""
    for name, letter in _LETTERS.items():
        text = text.replace(f"{{\\{name}}}", letter)
    text = _ACCENT.sub(lambda found: found[2] + _ACCENTS[found[1]], text)
    return unicodedata.normalize("NFC", text.replace("{", "").replace("}", ""))


def named() -> dict[Use, tuple[str, ...]]:
    """The keys that every registration and checkpoint names."""
    keys = {("model", entry.id): entry.cite for entry in catalog().values()}
    for registry in (samplers, discretizations, metrics):
        keys |= {(registry.kind, entry.name): tuple(entry.cite) for entry in registry}
    keys |= {("guidance", name): cite for name, cite in guidance.CITE.items()}
    return keys | {("guidance", "interval"): guidance.CITE_INTERVAL}


def uses_of_names(names: Sequence[str]) -> list[Use]:
    """Everything that is called one of these names; a sampler and a discretization may be.

    Raises:
        UsageError: nothing is called so; the message holds the nearest name.
    """
    known = [*named(), (OWN, OWN)]
    names = [resolved(name) for name in names]
    for name in names:
        if name not in {n for _, n in known}:
            raise unknown("name", name, {n for _, n in known}, "samplebench list")
    return [use for name in names for use in known if use[1] == name]


def uses_of_view(view: View) -> list[Use]:
    """What a results folder was computed with: by the names asked for and those that ran."""
    uses: dict[Use, None] = {}
    for row in view.rows:
        uses |= dict.fromkeys([("model", row["model"]), ("sampler", row["sampler"])])
    labels = {entry.obj.label for entry in timelines}
    for cell in view.cells.values():
        conditions = cell["conditions"]
        if "sampler" in conditions:
            uses["sampler", conditions["sampler"]] = None
        grid = conditions.get("discretization")
        # Else explicit noise levels, or steps that are no discretization's.
        if isinstance(grid, Mapping) and grid["name"] not in labels:
            uses["discretization", grid["name"]] = None
        uses |= dict.fromkeys(_uses_of_guidance(conditions.get("guidance", {})))
    uses |= dict.fromkeys(("metric", name) for name in metrics_of(view.rows))
    return list(uses)


def _uses_of_guidance(said: Mapping[str, Any]) -> Iterator[Use]:
    """Of a cell's condition, empty for none."""
    if "name" in said:
        yield "guidance", said["name"]
    if "interval" in said:
        yield "guidance", "interval"
    if "model" in said:
        yield "model", said["model"]["id"]


def versions_of_view(view: View) -> list[str]:
    """The versions of samplebench that computed the cells."""
    known = (cell.get("provenance", {}).get("versions", {}) for cell in view.cells.values())
    return sorted({str(versions.get("samplebench") or "unknown") for versions in known})


def cited(uses: Iterable[Use], versions: Sequence[str]) -> list[Citation]:
    """samplebench itself, then the entries of these uses in the order of citations.bib.

    Args:
        uses: what is cited.
        versions: of samplebench, that it was used with.
    """
    uses, keys, entries = list(uses), named(), bibliography()
    # They come from cells' files: nothing that BibTeX or a terminal reads otherwise.
    version = ", ".join(_NOT_A_VERSION.sub("?", text)[:40] for text in versions)
    own = entries[OWN].replace(",\n", f",\n  version = {{{version}}},\n", 1)
    found = [Citation(OWN, own, (f"samplebench {version}",))]
    for key, entry in entries.items():
        words = tuple(" ".join(use) for use in uses if key in keys.get(use, ()))
        if words and key != OWN:  # which is there already
            found.append(Citation(key, entry, words))
    return found


def without_citation(uses: Iterable[Use]) -> list[str]:
    """Those of which samplebench knows no entry: others' code.

    Exact draws are left out: there is no paper of them.
    """
    keys, entries = named(), bibliography()
    idle = {entry.name for entry in timelines if not entry.obj.evaluates}
    exact = {("sampler", entry.name) for entry in samplers if entry.timeline in idle}
    return [
        " ".join(use)
        for use in uses
        if use[0] != OWN
        and use not in exact
        and not any(key in entries for key in keys.get(use, ()))
    ]
