"""What mkdocs.yml adds to MkDocs: README as home, files of the repository, the Python reference.

Documents are written for a reader of the repository. On the site README.md is index.md, those of
docs/ stand beside it, and every other file that one of them links to keeps its place.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
# The place of an inline link, without its anchor.
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)\s#]+")
_ITEM = re.compile(r"(?:[*-]|1\.) ")
# The public names, those that most programs use first.
NAMES = "load sample run plot wrap process load_classifier registry SamplebenchError".split()
_PYTHON = "# Python\n\n`import samplebench as sb` has these names.\n\n" + "\n\n".join(
    f"::: samplebench.{name}" for name in NAMES
)


def slug(head: str, separator: str = "-") -> str:
    """The anchor of a heading, as the pages of repositories have it."""
    return re.sub(r"[^\w -]", "", head.strip().lower()).replace(" ", separator)


def on_config(config: Any) -> None:
    config.mdx_configs["toc"]["slugify"] = slug


def on_files(files: Files, *, config: Any) -> Files:
    """Adds what is not in docs/: README, the changes, the reference, and what they link to."""
    from mkdocs.structure.files import File, InclusionLevel

    files.append(File.generated(config, "api.md", content=_PYTHON))
    documents = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    waiting, seen = ["README.md", "CHANGELOG.md", *documents], {"docs/api.md"}
    while waiting:
        path = waiting.pop()
        if path in seen or not (ROOT / path).is_file():
            continue
        seen.add(path)
        if not path.startswith("docs/"):
            file = File.generated(config, _uri(path), abs_src_path=str(ROOT / path))
            file.inclusion = InclusionLevel.NOT_IN_NAV  # unless mkdocs.yml names it
            files.append(file)
        if path.endswith(".md"):
            text = (ROOT / path).read_text(encoding="utf-8")
            waiting += [_target(path, link) for link in _LINK.findall(text)]
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Links as they must be on the site, and lists as Python-Markdown sees them."""
    uri = page.file.src_uri
    path = _path(uri)

    def moved(match: re.Match[str]) -> str:
        target = _target(path, match[0])
        if not (ROOT / target).is_file():
            return match[0]
        return posixpath.relpath(_uri(target), posixpath.dirname(uri) or ".")

    return _with_lists(_LINK.sub(moved, markdown))


def _target(path: str, link: str) -> str:
    """The file of the repository that a document's link leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _uri(path: str) -> str:
    """A file's place on the site."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def _path(uri: str) -> str:
    """The file of the repository at a place of the site."""
    if uri == "index.md":
        return "README.md"
    return f"docs/{uri}" if (ROOT / "docs" / uri).is_file() else uri


def _with_lists(text: str) -> str:
    """An empty line before a list that begins right after a paragraph."""
    lines, fenced, within = [], False, ""
    for line in text.splitlines():
        if line.startswith("```"):
            fenced, within = not fenced, ""
        elif not fenced and _ITEM.match(line):
            lines += [""] * (within == "paragraph")
            within = "item"
        elif not line or line[0] in "#|":
            within = ""
        elif not within and line[0] != " ":
            within = "paragraph"
        lines.append(line)
    return "\n".join(lines) + "\n"
