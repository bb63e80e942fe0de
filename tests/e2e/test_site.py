"""The documents as one: links and anchors, the site's navigation, and the site itself."""

from __future__ import annotations

import html.parser
import importlib.util
import os
import posixpath
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import samplebench

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ROOT / "docs" / "hooks.py"
_spec = importlib.util.spec_from_file_location("hooks", HOOKS)
hooks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hooks)
DOCUMENTS = sorted(
    path
    for place in ("*.md", "docs/*.md", "benchmarks/**/*.md", "examples/**/*.md",
                  "samplebench/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(place)
)  # fmt: skip
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


def prose(path: Path) -> str:
    """A document without its code."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", lambda m: "`" * len(m[0]), text)


def heads_of(path: Path) -> Counter[str]:
    """The names by which links call a document's parts; one that is there twice is ambiguous."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    return Counter(hooks.slug(head) for head in re.findall(r"^#+ (.*)$", text, re.M))


def links_of(path: Path) -> list[str]:
    """Inline links, images, and those that are defined at the end."""
    text = prose(path)
    inline = re.findall(r"\]\(([^)\s]+)[^)]*\)", text)
    return [*inline, *re.findall(r"^\[[^\]]+\]: (\S+)", text, re.M)]


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_a_part_of_it(name):
    for link in links_of(ROOT / name):
        if re.match(r"https?://|mailto:", link):
            continue
        place, _, head = link.partition("#")
        path = ROOT / name if not place else (ROOT / name).parent / place
        assert path.is_file(), link
        assert path.resolve().is_relative_to(ROOT), link
        assert not head or heads_of(path)[head] == 1, link


def test_links_that_lead_nowhere_are_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A, `b`: c_d -- e\n[x](y.md#z) ![p](q.png) `[no](code)`\n\n[r]: s.md\n")
    assert links_of(page) == ["y.md#z", "q.png", "s.md"]
    assert heads_of(page) == {"a-b-c_d----e": 1}


def test_every_document_stands_in_the_navigation_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- [^:\n]+: (\S+\.md)$", text.partition("\nnav:")[2], re.M)
    assert len(set(listed)) == len(listed)
    made = {"index.md", "api.md"}
    documents = {path.name for path in ROOT.glob("docs/*.md")}
    assert documents | made <= set(listed)
    rest = set(listed) - documents - made
    assert all((ROOT / path).is_file() for path in rest), rest


def test_the_reference_has_every_public_name():
    assert {*hooks.NAMES, "__version__"} == set(samplebench.__all__)
    assert len(set(hooks.NAMES)) == len(hooks.NAMES)


@pytest.mark.parametrize(
    "path, link, target",
    [
        ("README.md", "docs/check.md", "check.md"),
        ("docs/check.md", "../examples/github-workflow.yml", "examples/github-workflow.yml"),
        ("docs/check.md", "../README.md", "index.md"),
        ("docs/check.md", "metrics.md", "metrics.md"),
        ("benchmarks/README.md", "../docs/scaling.md", "scaling.md"),
    ],
)
def test_a_link_of_the_repository_has_a_place_on_the_site(path, link, target):
    assert hooks._uri(hooks._target(path, link)) == target


def test_lists_right_after_a_paragraph_are_lists():
    text = "Kinds:\n* a\n  more\n* b\n\n```\nno:\n* x\n```\ntail\n1. one\n2. two\n"
    expected = "Kinds:\n\n* a\n  more\n* b\n\n```\nno:\n* x\n```\ntail\n\n1. one\n2. two\n"
    assert hooks._with_lists(text) == expected


class Page(html.parser.HTMLParser):
    """Addresses and anchors of a page; `fetched` are those that a browser loads by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.fetched, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag == "link" and "canonical" not in found.get("rel", ""):
            self.fetched.append(found["href"])
        elif found.get("src"):
            self.fetched.append(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("MkDocs is not installed: make docs, or pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_is_whole_and_asks_for_nothing_from_elsewhere(site):
    pages = {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
    }
    assert {"index.html", "api.html", "check.html", "benchmarks/index.html"} <= set(pages)
    for name, page in pages.items():
        if name == "404.html":  # its addresses are those of a server's root
            continue
        assert [a for a in page.fetched if re.match(r"\w+:|//", a) and a[:5] != "data:"] == [], name
        for link in [*page.links, *page.fetched]:
            if re.match(r"\w+:", link):
                continue
            place, _, head = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), place))
            target = target if place else name
            assert (site / target).is_file() or (site / target / "index.html").is_file(), link
            if head and target in pages and not head.startswith("__"):
                assert head in pages[target].anchors, (name, link)


@pytest.mark.slow
def test_the_site_s_reference_has_every_name_with_its_text(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    for name in hooks.NAMES:
        assert f'id="samplebench.{name}"' in text, name
    assert "Draws one batch of images." in text and "Runs a sweep and returns its rows." in text
