"""The report page: self-contained, escaped, complete."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from samplebench.bench.view import View
from samplebench.report import write_report
from samplebench.report.curves import plots_of
from samplebench.report.html import render_html
from samplebench.report.layout import best_at_nfe
from samplebench.report.svg import inline_svg

HOSTILE = "</title><script>alert('x')</script><img src=x onerror=\"alert(1)\">"


class Page(HTMLParser):
    """Tags with their attributes, and the text of each table cell and figure caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"td": [], "figcaption": [], "summary": [], "dd": []}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self.texts[tag].append("")
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.texts[self._open[-1]][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_page_has_no_external_references_and_no_script(make_view):
    text = render_html(make_view())
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "base"})
    targets = [
        value
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in {"src", "srcset", "href", "xlink:href", "action", "poster", "data"}
    ]
    assert targets
    assert all(t.startswith(("data:image/png;base64,", "#")) for t in targets)
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert "@import" not in text


def test_hostile_names_are_escaped(make_view):
    view = make_view(model=HOSTILE)
    for row in view.rows:
        row["sampler"] += HOSTILE
        row["protocol"] = HOSTILE
    for cell in view.cells.values():
        cell["conditions"][HOSTILE] = HOSTILE
    hostile = View(HOSTILE, view.rows, view.cells, view.sheets, view.pending)
    page = Page(render_html(hostile))
    assert page.all("script") == []
    assert all(str(a["src"]).startswith("data:image/png;base64,") for a in page.all("img"))
    assert not [a for _, a in page.tags if any(str(key).startswith("on") for key in a)]
    assert len(page.all("title")) == 1
    assert HOSTILE in page.texts["dd"]


def test_ids_are_unique_and_references_resolve(make_view):
    view = make_view()
    for row in view.rows:
        row["fid"] = row["fd-toy"]
    text = render_html(view)
    page = Page(text)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(page.all("svg")) == 2
    assert len(ids) == len(set(ids)) > 10
    used = {v[1:] for _, a in page.tags for k, v in a.items() if k == "href" and v}
    used |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert used and used <= set(ids)


def test_figures_follow_the_page_colours(make_view):
    (plot,) = plots_of(make_view())
    svg = inline_svg(plot, "x-")
    assert re.findall(r"#[0-9a-f]{6}", svg) == []
    assert "var(--ink)" in svg and "var(--hue0)" in svg and "<style" not in svg
    text = render_html(make_view())
    for name in {found for found in re.findall(r"var\((--[a-z0-9]+)\)", svg)}:
        assert len(re.findall(rf"{name}:", text)) == 2, name


def test_table_has_every_value_and_marks_the_lowest(make_view):
    view = make_view()
    page = Page(render_html(view))
    values = [text for text in page.texts["td"] if "±" in text]
    assert len(values) == 24
    lowest = {index for index, text in enumerate(values) if text.endswith("lowest")}
    assert lowest == best_at_nfe(view.rows, "fd-toy")
    for nfe in (5, 9, 17, 18, 35, 36, 71):
        rivals = [i for i, row in enumerate(view.rows) if row["nfe"] == nfe]
        best = min(rivals, key=lambda i: view.rows[i]["fd-toy"])
        assert lowest & set(rivals) == {best}


def test_rows_compete_only_under_equal_conditions(make_view):
    rows = [row | {"nfe": 7} for row in make_view().rows[:3]]
    for row, value in zip(rows, (3.0, 2.0, 1.0), strict=True):
        row["fd-toy"] = value
    assert best_at_nfe(rows, "fd-toy") == {2}
    rows[2]["num_samples"] = 50
    assert best_at_nfe(rows, "fd-toy") == {1}
    rows[0]["protocol"] = "other"
    assert best_at_nfe(rows, "fd-toy") == set()


def test_sheets_are_embedded_in_the_order_of_nfe(make_view):
    view = make_view()
    view.rows.reverse()
    page = Page(render_html(view))
    images = page.all("img")
    assert len(images) == 24
    nfe = [int(str(a["alt"]).rpartition(" ")[2]) for a in images]
    strips = [nfe[start : start + 4] for start in range(0, 24, 4)]
    assert sorted(strips) == [[5, 9, 18, 36]] * 2 + [[9, 17, 35, 71]] * 4
    first = next(row for row in view.rows if row["sampler"] == "edm" and row["nfe"] == 9)
    expected = base64.b64encode(view.sheets[first["cell"]].read_bytes()).decode()
    assert images[0]["src"] == f"data:image/png;base64,{expected}"
    captions = [text for text in page.texts["figcaption"] if text.startswith("NFE")]
    assert captions[0].startswith("NFE 9fd-toy ")
    assert captions[0].endswith("edm S_churn=0 (computed as heun), ρ=3")


def test_repeats_and_aliases(make_view):
    view = make_view(repeats=2)
    text = render_html(view)
    page = Page(text)
    assert len(page.texts["summary"]) == 32  # 2 seeds x (8 of euler + 8 shared by heun and edm)
    shared = [s for s in page.texts["summary"] if "; edm S_churn=0 (computed as heun)" in s]
    assert len(shared) == 16
    assert {re.search(r"seed \d", s)[0] for s in shared} == {"seed 0", "seed 1"}
    assert "2 repeats" in text
    assert "edm S_churn=0 (computed as heun)" in page.texts["td"]
    assert "heun (computed as heun)" not in text


def test_provenance_shows_the_whole_record(make_view):
    page = Page(render_html(make_view()))
    shown = set(page.texts["dd"])
    assert {"2.6.0", "1.25", "cd" * 32, "https://example.org/checkpoint", "0.002"} <= shown


def test_metric_is_explained_if_it_is_not_fid(make_view):
    assert "fd-toy is not FID" in render_html(make_view())
    view = make_view()
    for row in view.rows:
        row["fid"], row["fid_stderr"] = row.pop("fd-toy"), row.pop("fd-toy_stderr")
    assert "is not FID" not in render_html(view)


@pytest.mark.parametrize(
    ("pending", "said"),
    [
        (0, "Every planned cell has its result"),
        (1, "1 planned cell has no result yet"),
        (2, "2 planned cells have no result yet"),
    ],
)
def test_pending_cells_are_said(make_view, pending, said):
    view = make_view()
    assert said in render_html(View(view.title, view.rows, view.cells, view.sheets, pending))


def test_views_with_little_in_them(make_view):
    assert "No result yet" in render_html(View("empty", [], {}, {}, 3))
    view = make_view()
    bare = Page(render_html(View("bare", view.rows[:1], {}, {}, 0)))
    assert len(bare.all("svg")) == 1 and bare.all("img") == []
    assert len([text for text in bare.texts["td"] if "±" in text]) == 1


def test_report_writes_the_same_files_again(make_view, tmp_path):
    view = make_view()
    paths = write_report(view, tmp_path / "one")
    assert list(paths) == [
        "results.csv",
        "figures/toy-model.fd-toy.svg",
        "figures/toy-model.fd-toy.png",
        "report.html",
    ]
    again = write_report(view, tmp_path / "two")
    assert {k: p.read_bytes() for k, p in paths.items()} == {
        k: p.read_bytes() for k, p in again.items()
    }
    found = {p.relative_to(tmp_path / "one").as_posix() for p in (tmp_path / "one").rglob("*.*")}
    assert found == set(paths)


def test_import_is_cheap_and_rendering_needs_no_torch():
    root = Path(__file__).parents[3]
    code = """
import sys
import samplebench.report
heavy = {"pandas", "matplotlib", "torch", "scipy", "jinja2"} & set(sys.modules)
assert not heavy, heavy
sys.modules["torch"] = None  # importing it now raises ImportError
import tempfile
from pathlib import Path
from samplebench.bench.view import View
from samplebench.report import write_report
row = dict(model="m", sampler="s", params="", discretization="edm", rho=7.0, steps=5, nfe=5,
           nfe_requested=None, seed=0, repeats=1, num_samples=9, protocol="p", dtype="float64",
           fid=1.0, fid_stderr=0.1, cell="c")
with tempfile.TemporaryDirectory() as folder:
    print(len(write_report(View("t", [row], {}, {}, 0), Path(folder))))
assert "pandas" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4\n"
