"""The report page: self-contained, escaped, complete."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from samplebench.report import write_report
from samplebench.report.best import marks_of
from samplebench.report.html import render_html
from samplebench.results.view import View

HOSTILE = "</title><script>alert('x')</script><img src=x onerror=\"alert(1)\">"


class Page(HTMLParser):
    """Tags with their attributes, and the text of each table cell and figure caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        kinds = ("td", "figcaption", "summary", "dd", "script", "option")
        self.texts: dict[str, list[str]] = {kind: [] for kind in kinds}
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

    @property
    def chart(self):
        """The data that the page's script draws."""
        place = [a.get("id") for a in self.all("script")].index("chart")
        return json.loads(self.texts["script"][place])

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_page_asks_for_nothing(make_view):
    page = Page(render_html(make_view()))
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "base", "embed"})
    assert all("src" not in a for a in page.all("script"))
    targets = [
        value
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in {"src", "srcset", "href", "xlink:href", "action", "poster", "data"}
    ]
    assert targets
    assert all(t.startswith(("data:image/png;base64,", "#")) for t in targets)
    # Whatever a script tries, the browser lets nothing out.
    (policy,) = (a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy and "connect-src" not in policy


def test_hostile_names_are_escaped(make_view):
    view = make_view(model=HOSTILE)
    for row in view.rows:
        row["sampler"] += HOSTILE
        row["protocol"] = HOSTILE
    for cell in view.cells.values():
        cell["conditions"][HOSTILE] = HOSTILE
    hostile = View(HOSTILE, view.rows, view.cells, view.sheets, view.pending)
    page = Page(render_html(hostile))
    usual = len(Page(render_html(make_view())).all("script"))
    assert len(page.all("script")) == usual
    assert HOSTILE in page.chart["series"][0]["facets"]["sampler"]
    assert all(str(a["src"]).startswith("data:image/png;base64,") for a in page.all("img"))
    assert not [a for _, a in page.tags if any(str(key).startswith("on") for key in a)]
    assert len(page.all("title")) == 1
    assert HOSTILE in page.texts["dd"]


def test_ids_are_unique_and_references_resolve(make_view):
    view = make_view()
    for row in view.rows:
        row["fid"] = row["fd-toy"]
    page = Page(render_html(view))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert [figure["key"] for figure in page.chart["figures"]] == [
        a["data-figure"] for a in page.all("figure") if "data-figure" in a
    ]
    assert len(page.chart["figures"]) == 2
    assert len(ids) == len(set(ids)) > 10
    used = {v[1:] for _, a in page.tags for k, v in a.items() if k == "href" and v}
    used |= {p["to"] for s in page.chart["series"] for p in s["points"]}
    assert len(used - {"main"}) == 16 and used <= set(ids)


def test_chart_has_every_point_with_its_band_and_costs(make_view):
    view = make_view()
    for cell in view.cells.values():
        cell["gflop_per_image"] = 3.0 * cell["nfe"]
    (half, *_), chart = view.rows, Page(render_html(view)).chart
    series = chart["series"]
    assert len(series) == 6 and all(len(one["points"]) == 4 for one in series)
    points = {(one["name"], p["x"]["nfe"]): p for one in series for p in one["points"]}
    point = points["euler, ρ=7", 5]
    assert point["y"] == half["fd-toy"]
    assert point["high"] - point["low"] == pytest.approx(2 * half["fd-toy_stderr"])
    assert point["x"] == {"nfe": 5, "gflop": 15, "seconds": 1.25 / 500}
    assert {one["facets"]["rho"] for one in series} == {"3", "7"}
    assert {one["facets"]["protocol"] for one in series} == {"toy"}
    assert chart["csv"][1].splitlines()[1].startswith("toy-model,euler,")


def test_seconds_are_shared_among_all_samples_of_the_last_block(make_view):
    view = make_view()
    for cell in view.cells.values():
        cell["conditions"]["block"] = 128  # 500 samples are drawn in 4 blocks
    seconds = {
        point["x"]["seconds"]
        for one in Page(render_html(view)).chart["series"]
        for point in one["points"]
    }
    assert seconds == {1.25 / 512}


def test_lines_never_join_two_protocols(make_view):
    chart = Page(render_html(make_view(protocols=("toy", "other")))).chart
    assert len(chart["series"]) == 12
    assert (
        sorted(one["facets"]["protocol"] for one in chart["series"]) == ["other"] * 6 + ["toy"] * 6
    )
    assert "protocol" in [facet["key"] for facet in chart["facets"]]


def test_table_has_every_value_and_marks_the_best_of_each_budget(make_view):
    view = make_view()
    page = Page(render_html(view))
    values = [text for text in page.texts["td"] if "±" in text][-24:]
    words = {"best": "best", "≈": "tied"}
    ends = (text.split()[-1] for text in values)
    shown = {index: words[end] for index, end in enumerate(ends) if end in words}
    assert shown == marks_of(view, "fd-toy")
    for nfe in (5, 9, 17, 18, 35, 36, 71):
        rivals = [i for i, row in enumerate(view.rows) if row["nfe"] == nfe]
        best = min(rivals, key=lambda i: view.rows[i]["fd-toy"])
        assert {i for i in rivals if shown.get(i) == "best"} == {best}


def test_sheets_of_one_budget_stand_together(make_view):
    view = make_view()
    page = Page(render_html(view))
    images, pictures = page.all("img"), page.chart["pictures"]
    assert len(images) == len(pictures) == 24
    assert page.texts["option"] == ["5", "9", "17", "18", "35", "36", "71", "all"]
    for image, picture in zip(images, pictures, strict=True):
        assert str(image["alt"]).endswith(f"NFE {picture['at']}")
    first = next(row for row in view.rows if row["sampler"] == "edm" and row["nfe"] == 9)
    expected = base64.b64encode(view.sheets[first["cell"]].read_bytes()).decode()
    captions = [text for text in page.texts["figcaption"] if "NFE" in text]
    shown = {
        caption.partition("NFE")[0]
        for caption, image in zip(captions, images, strict=True)
        if image["src"] == f"data:image/png;base64,{expected}"
    }
    assert shown == {"edm S_churn=0 (computed as heun), ρ=7", "heun, ρ=7"}


def test_repeats_and_aliases(make_view):
    view = make_view(repeats=2)
    text = render_html(view)
    page = Page(text)
    cells = [text for text in page.texts["summary"] if "seed" in text]
    assert len(cells) == 32  # 2 seeds x (8 of euler + 8 shared by heun and edm)
    shared = [s for s in cells if "; edm S_churn=0 (computed as heun)" in s]
    assert len(shared) == 16
    assert {re.search(r"seed \d", s)[0] for s in shared} == {"seed 0", "seed 1"}
    assert "2 repeats" in text
    assert "edm S_churn=0 (computed as heun)" in page.texts["td"]
    assert "heun (computed as heun)" not in text


def test_the_page_tells_what_repeats_did(make_view):
    view = make_view(repeats=3)
    assert "repeats: sd" not in render_html(view)
    view.rows[0] |= {"fd-toy_sd": 0.25, "fd-toy_min": 1.5}
    text = render_html(view)
    assert text.count('title="over 3 repeats: sd 0.25, min 1.5"') == 1
    assert "over 3 repeats: sd 0.25, min 1.5" in Page(text).chart["series"][0]["points"][0]["hover"]


def test_provenance_shows_the_whole_record(make_view):
    view = make_view()
    for score in view.scores.values():
        score["value"]["deleted"] = [0.12345678, 0.25]
    page = Page(render_html(view))
    shown = set(page.texts["dd"])
    assert "0.12345678" not in render_html(view)  # of use to programs only
    assert {"2.6.0", "1.25", "cd" * 32, "https://example.org/checkpoint", "0.002"} <= shown


def test_metric_is_explained_if_it_is_not_fid(make_view):
    assert "fd-toy is not FID" in render_html(make_view())
    view = make_view()
    for row in view.rows:
        row["fid"], row["fid_stderr"] = row.pop("fd-toy"), row.pop("fd-toy_stderr")
    assert "is not FID" not in render_html(view)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fd-infinity-toy", "fd-infinity-toy is not FID∞."),
        ("kd-toy", "kd-toy is not KID."),
        ("recall-toy", "recall-toy is not recall on Inception&#39;s features."),
        ("recall", ""),
        ("mean-toy", ""),
    ],
)
def test_a_family_on_other_features_is_told_from_the_field(make_view, name, said):
    view = make_view()
    for row in view.rows:
        row[name] = row.pop("fd-toy")
    found = re.findall(r"<strong>(.* is not .*)</strong>", render_html(view))
    assert found == ([said] if said else [])


@pytest.mark.parametrize(
    ("pending", "said"),
    [
        (0, "All planned sets of images have results"),
        (1, "1 planned set of images has no result yet"),
        (2, "2 planned sets of images have no result yet"),
    ],
)
def test_pending_cells_are_said(make_view, pending, said):
    view = make_view()
    assert said in render_html(View(view.title, view.rows, view.cells, view.sheets, pending))


def test_views_with_little_in_them(make_view):
    assert "No result yet" in render_html(View("empty", [], {}, {}, 3))
    view = make_view()
    bare = Page(render_html(View("bare", view.rows[:1], {}, {}, 0)))
    assert len(bare.chart["series"]) == 1 and bare.all("img") == []
    assert len([text for text in bare.texts["td"] if "±" in text]) == 1


def test_report_writes_the_same_files_again(make_view, tmp_path):
    view = make_view()
    paths = write_report(view, tmp_path / "one")
    assert list(paths) == [
        "results.csv",
        "figures/toy-model.fd-toy.svg",
        "figures/toy-model.fd-toy.png",
        "report.html",
        "figures/toy-model.fd-toy.overview.svg",
        "figures/toy-model.fd-toy.overview.png",
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
heavy = {"pandas", "matplotlib", "torch", "scipy", "jinja2", "plotly"} & set(sys.modules)
assert not heavy, heavy
sys.modules["torch"] = None  # importing it now raises ImportError
import tempfile
from pathlib import Path
from samplebench.results.view import View
from samplebench.report import write_report
from samplebench.report.best import marks_of
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
