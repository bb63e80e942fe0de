"""Whatever stands in the text fields of results: in every output it is text and nothing else."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from plotly.offline import get_plotlyjs

from samplebench import citations
from samplebench.cli.common import print_table, say
from samplebench.regression.junit import to_junit
from samplebench.regression.markdown import to_markdown
from samplebench.regression.points import CurvePoint
from samplebench.regression.rows import Table
from samplebench.regression.summary import Summary
from samplebench.regression.verdict import MOVED, Verdict
from samplebench.report.html import render_html
from samplebench.report.plots import draw, plots_of, render
from samplebench.report.terminal import to_text, view_text
from samplebench.results.fields import guarded, unguarded
from samplebench.results.row import STRINGS
from samplebench.results.tables import read_csv, to_csv, to_json, write_csv

TEXTS = {
    "a formula": '=HYPERLINK("http://x","y")',
    "a command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "plus and minus": "+1-2",
    "a minus": "-2+3",
    "a tab": "\t=1",
    "a guarded formula": "'=1",
    "a spaced formula": " =1",
    "an apostrophe": "'tis",
    "colours": "\x1b[31mred\x1b]0;title\x07",
    "right to left": "a\u202eb\u2066c",
    "lines": "a\r\nb\u2028c\x85d",
    "orders": "::error::##[command]x",
    "a script": "</script><script>alert(1)</script>",
    "an image": "\"'><img src=x onerror=alert(1)>",
    "a comment": "<!--<script>",
    "a link": "[x](javascript:alert(1)) | `y` ![z](http://x)",
    "braces": "}}, title = {\\input{/etc/passwd}}",
    "entities": "&lt;b&gt;&#x41;",
    "a template": "{{ 7*7 }}{% raw %}${x}",
    "a lone half": "\udcff",
    "a zero": "a\0b",
}
# What no terminal, log or page is to meet: controls, escapes, orders of direction, half letters.
LIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


TEXTS_OF = list(TEXTS.values())


def hostile(view, texts):
    """Every text field of every row and record holds one of the texts, each text somewhere."""

    def spoil(row, text):
        return {k: text if k in STRINGS - {"cell"} else v for k, v in row.items()}

    rows = [spoil(row, texts[i % len(texts)]) for i, row in enumerate(view.rows)]
    for cell, text in zip(view.cells.values(), itertools.cycle(texts), strict=False):
        cell["conditions"] |= {"model": text, "sampler": text}
        cell["provenance"]["versions"]["torch"] = text
        cell["failed" if text.startswith("=") else "not_reusable"] = text
    scores = {}
    for row, text in zip(rows, itertools.cycle(texts), strict=False):
        conditions = {"cell": row["cell"], "metric": "fd-toy", "reference": {"id": text}}
        conditions["extractor"] = {"name": text, "feature_dim": 10**6}
        value = {"value": row["fd-toy"], "stderr": 0.1, "better": "lower"}
        score = {"conditions": conditions, "value": value, "unsteady": [text]}
        scores[row["cell"], "fd-toy", row["reference"]] = score
    return replace(view, rows=rows, scores=scores, title=texts[-1])


@pytest.fixture
def view(make_view):
    return hostile(make_view(), TEXTS_OF)


def test_there_is_a_row_for_each(make_view):
    assert len(make_view().rows) >= len(TEXTS)


def test_terminal(view, capsys):
    for text in TEXTS_OF:
        print_table([{"model": text, "n": 1}], False)
        say(text)
    shown = capsys.readouterr()
    for output in (to_text(view.rows), view_text(view), shown.out, shown.err):
        assert not LIVE.search(output)
        assert not re.search(r"^\s*::|##\w*\[", output, re.MULTILINE)
    assert shown.err.count("\n") == len(TEXTS)


def test_csv(view, tmp_path):
    texts = [text.encode("utf-8", "ignore").decode() for text in TEXTS_OF]
    rows = hostile(view, texts).rows
    for line in csv.reader(io.StringIO(to_csv(rows), newline="")):
        # A number may begin with a minus.
        entries = [entry for entry in line if not re.fullmatch(r"-?[\d.]+(e-?\d+)?", entry)]
        assert not [e for e in entries if e.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t")]
    read = read_csv(write_csv(rows, tmp_path / "results.csv"))
    assert [row["model"] for row in read] == [row["model"] for row in rows]
    assert {row["params"] for row in read} == set(texts)


def test_a_guard_is_taken_away_where_it_was_put(view):
    for text in TEXTS_OF:
        assert unguarded(guarded(text)) == text
        assert unguarded(guarded(guarded(text))) == guarded(text)


def test_json(view):
    document = to_json(view.rows)
    assert {row["sampler"] for row in json.loads(document)} == set(TEXTS_OF)
    assert document.isascii() and not re.search(r"##\w*\[", document)


def test_page(view, make_view):
    usual, page = render_html(make_view()), render_html(view)
    assert not LIVE.search(page.replace(get_plotlyjs(), ""))
    for tag in ("<script", "</script", "<iframe", "<!--"):
        assert page.count(tag) == usual.count(tag)
    assert not re.search(r"<img src=x|<[^>\"]*\bonerror=|href=\"javascript|>49<", page)


def test_figures(view):
    plots = plots_of(view)
    wanted = next(plot for plot in plots if plot.model == TEXTS["a script"])
    svg = render(draw(wanted), "svg")
    tags = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(svg).iter()}
    assert not tags & {"script", "image", "a", "foreignObject"}
    assert not LIVE.search(svg.decode())


def test_verdicts(view):
    points = [CurvePoint((row,), Table(view.rows)) for row in view.rows]
    verdicts = [
        Verdict(MOVED, point, note=text) for point, text in zip(points, TEXTS_OF, strict=False)
    ]
    summary = Summary(verdicts, unknown=TEXTS["a script"])
    report = ElementTree.fromstring(to_junit(summary))
    assert len(list(report.iter("testcase"))) == len(verdicts)
    page = to_markdown(summary)
    assert not LIVE.search(page)
    assert not re.search(r"<(?!/?(details|summary|sub)>)|(?<!\\)\]\(|(?<!\\)`", page)


@pytest.mark.parametrize("text", TEXTS_OF, ids=TEXTS)
def test_bibliography(text):
    (own,) = citations.cited([], [text])
    lines = citations.bibliography()[citations.OWN].splitlines()
    assert not LIVE.search(own.entry) and len(own.entry.splitlines()) == 1 + len(lines)
    assert citations.parse(own.entry)[citations.OWN] == own.entry
