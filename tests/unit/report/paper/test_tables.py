"""A paper's tables: whose value stands where, what is bold, and what the notes say."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samplebench.report.best import marks_of
from samplebench.report.paper.latex import to_latex
from samplebench.report.paper.markdown import to_markdown
from samplebench.report.paper.table import FAILED, NOTHING, tables_of
from samplebench.results.fields import value_text
from samplebench.results.row import STRINGS
from samplebench.results.view import View

_spec = importlib.util.spec_from_file_location("reader", Path(__file__).parent / "reader.py")
reader = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reader)


def curve(sampler, values, metric="fd-toy", counted=None, **more):
    """Rows of one curve: budget -> value, with a standard error of 0.01."""
    for place, (budget, value) in enumerate(values.items()):
        nfe = (counted or {}).get(budget, budget)
        error = {} if value is None else {f"{metric}_stderr": 0.01}
        yield {
            "model": "toy-model", "sampler": sampler, "params": "", "discretization": "edm",
            "rho": 7.0, "steps": budget, "nfe": nfe, "nfe_requested": budget, "depth": nfe,
            "guidance": "", "guide_nfe": 0, "seed": 100, "repeats": 1, "num_samples": 50,
            "protocol": "toy", "dtype": "float64", "reference": "ref@12345678",
            metric: value, **error, "cell": f"{place:03d}{sampler}".ljust(64, "0"),
        } | more  # fmt: skip


def view_of(*curves, better="lower", **more):
    """The direction is known where `better` is."""
    rows = [row for rows in curves for row in rows]
    conditions = {"extractor": {"name": "toy-net", "weights_sha256": "ab" * 32}}
    scores = {
        (row["cell"], "fd-toy", row["reference"]): {
            "conditions": {**conditions, "cell": row["cell"], "metric": "fd-toy"},
            "value": {"value": row["fd-toy"], "stderr": 0.01, "better": better},
        }
        for row in rows
        if "fd-toy" in row
    }
    record = {"conditions": {}, "provenance": {"versions": {"samplebench": "9.8.7"}}}
    return View("toy", rows, {row["cell"]: record for row in rows}, {}, scores=scores, **more)


def grid(table):
    """Sampler -> texts of its cells, the best in stars, with the NFE counted."""
    return {
        names[0]: [
            ("*" if c.best else "") + c.text + (f" at {c.counted}" if c.counted else "")
            for c in cells
        ]
        for names, cells in table.lines
    }


def test_samplers_stand_over_nfe_with_what_is_best_and_what_was_counted():
    (table,) = tables_of(view_of(
        curve("euler", {5: 3.0, 10: 2.0, 20: 1.0}),
        curve("heun", {10: 2.0, 20: 0.5}, counted={10: 9, 20: 19}),
        curve("late", {20: 1.005}),
        curve("lost", {5: float("nan"), 20: float("inf")}),
    ))  # fmt: skip
    assert table.heads == ("sampler",)
    assert table.nfe == ("5", "10", "20")
    assert grid(table) == {
        # Nothing competes with it at 5.
        "euler": ["3.000 ± 0.010", "*2.000 ± 0.010", "1.000 ± 0.010"],
        "heun": [NOTHING, "*2.000 ± 0.010 at 9", "*0.500 ± 0.010 at 19"],
        "late": [NOTHING, NOTHING, "1.005 ± 0.010"],
        "lost": [FAILED, NOTHING, FAILED],
    }
    assert table.caption.startswith("fd-toy ↓ on toy-model")
    notes = " ".join(table.notes)
    assert notes.startswith(
        "N=50, seeds 100 to 149, protocol toy, reference ref@12345678, "
        "extractor toy-net (weights abababab), discretization edm ρ=7, dtype float64, "
        "samplebench 9.8.7. Values ± 1 standard error. Bold: the best of a column"
    )
    for told in ("“at n”: n evaluations were counted", f"{FAILED}: ", f"{NOTHING}: not measured"):
        assert told in notes


def test_what_does_not_occur_is_not_in_the_notes():
    (table,) = tables_of(view_of(curve("euler", {5: 3.0})))
    notes = " ".join(table.notes)
    assert not any(word in notes for word in ("Bold", "counted", FAILED, NOTHING, "guidance"))
    (table,) = tables_of(view_of(curve("euler", {5: 3.0}, guidance="cfg 2", guide_nfe=5)))
    assert "further passes of guidance" in " ".join(table.notes)
    assert "guidance cfg 2" in table.notes[0]


@pytest.mark.parametrize(
    ("better", "arrow", "best"),
    [("lower", " ↓", ["euler"]), ("higher", " ↑", ["heun", "near"]), (None, "", [])],
)
def test_the_best_and_its_ties_are_bold_whichever_way_is_better(better, arrow, best):
    view = view_of(
        curve("euler", {5: 1.0}), curve("heun", {5: 2.0}), curve("near", {5: 1.99}), better=better
    )
    (table,) = tables_of(view)
    assert [name for name, (text,) in grid(table).items() if text[0] == "*"] == best
    assert table.caption.startswith(f"fd-toy{arrow} on")
    assert to_latex(view).count(r"\mathbf") == to_markdown(view).count("**") / 2 == len(best)


def test_bold_is_what_the_page_marks(make_view):
    view = make_view()
    marks = marks_of(view, "fd-toy")
    (table,) = tables_of(view)
    bold = {cell.text for _, cells in table.lines for cell in cells if cell.best}
    pairs = [(row["fd-toy"], row["fd-toy_stderr"]) for row in view.rows]
    assert marks and bold == {value_text(*pairs[index]) for index in marks}
    assert table.heads == ("sampler", "ρ")
    assert [names for names, _ in table.lines] == [
        (name, rho)
        for name in ("euler", "heun", "edm S_churn=0 (computed as heun)") for rho in "73"
    ]  # fmt: skip


def test_each_metric_model_protocol_reference_and_n_has_a_table_of_its_own():
    view = view_of(
        curve("euler", {5: 1.0}),
        curve("euler", {5: 1.0}, model="other"),
        curve("euler", {5: 1.0}, protocol="half"),
        curve("euler", {5: 1.0}, reference="ref@abcdef01"),
        curve("euler", {5: 1.0}, num_samples=60),
        curve("euler", {5: 1.0}, metric="precision-toy"),
    )
    tables = tables_of(view)
    assert [table.label for table in tables] == [
        "toy-model.fd-toy", "toy-model.fd-toy:2", "toy-model.fd-toy:3", "toy-model.fd-toy:4",
        "other.fd-toy", "toy-model.precision-toy",
    ]  # fmt: skip
    assert all(table.heads == ("sampler",) and len(table.lines) == 1 for table in tables)
    labels = re.findall(r"\\label\{(.*)\}", to_latex(view))
    assert len(set(labels)) == 6


def test_what_needs_no_reference_stands_once():
    """Its values are in the rows of every reference."""
    view = view_of(
        curve("euler", {5: 1.0}, reference="a@1"),
        curve("heun", {5: 2.0}, reference="a@1"),
        curve("euler", {5: 1.0}, reference="b@2"),
    )
    for row in view.rows:
        row["score"], row["score_stderr"] = 7.0, 0.1
    alone = {
        (row["cell"], "score", ""): {
            "conditions": {"cell": row["cell"], "metric": "score"},
            "value": {"value": 7.0, "stderr": 0.1},
        }
        for row in view.rows
    }
    *_, table = tables_of(replace(view, scores={**view.scores, **alone}))
    assert table.label == "toy-model.score"
    assert grid(table) == {"euler": ["7.00 ± 0.10"], "heun": ["7.00 ± 0.10"]}
    assert "reference" not in table.notes[0]


def test_points_without_a_budget_stand_where_they_compete_and_none_is_lost():
    """Levels that were given and adaptive steps ask for no NFE."""
    free = [
        row | {"nfe_requested": None}
        for row in (
            *curve("rk45", {7: 1.0, 9: 0.9, 30: 0.1}), *curve("rk45", {8: 0.2}, nfe=8.5)
        )
    ]  # fmt: skip
    (table,) = tables_of(view_of(curve("euler", {5: 3.0, 10: 2.0}), free))
    assert table.nfe == ("5", "10", "30")
    assert [line for line in table.lines if line[0] == ("rk45",)] != []
    shown = [[c.text + c.counted for c in cells] for names, cells in table.lines if "rk45" in names]
    assert shown == [
        [NOTHING, "1.000 ± 0.0107", "0.100 ± 0.010"],
        [NOTHING, "0.200 ± 0.0108.5", NOTHING],
        [NOTHING, "0.900 ± 0.0109", NOTHING],
    ]
    best = [c.text for _, cells in table.lines for c in cells if c.best]
    assert best == ["0.200 ± 0.010"]


def test_what_differs_between_curves_has_a_column():
    view = view_of(
        curve("euler", {5: 1.0}, discretization="vp", rho=None),
        curve("euler", {5: 1.0}, guidance="cfg 2"),
        curve("euler", {5: 1.0}, dtype="float32"),
        curve("euler", {5: 1.0}, seed=0, repeats=3),
    )
    (table,) = tables_of(view)
    assert table.heads == ("sampler", "discretization", "guidance", "dtype", "seed", "repeats")
    assert ("euler", "vp", "none", "float64", "100", "1") in [names for names, _ in table.lines]
    assert "seeds 100 to 149 and 0 to 149" in table.notes[0]
    assert table.notes[1] == "Values ± 1 standard error of the mean over repeats."
    for word in ("discretization", "guidance", "dtype"):
        assert word not in table.notes[0]


def test_labels_stand_for_names():
    view = view_of(curve("card:x", {5: 1.0}), curve("heun", {5: 1.0}))
    (table,) = tables_of(replace(view, labels={("sampler", "card:x"): "GITS"}))
    assert set(grid(table)) == {"GITS", "heun"}


def test_values_are_written_as_on_the_page_in_both_forms():
    view = view_of(
        curve("euler", {5: 6.07e-4}, **{"fd-toy_stderr": 2e-5}),
        curve("heun", {5: -1.2e-5}, **{"fd-toy_stderr": 1.5e-5}),
        curve("bare", {5: 5e-4}, **{"fd-toy_stderr": None}),
    )
    latex, markdown = to_latex(view), to_markdown(view)
    assert r"$(6.07 \pm 0.20) \times 10^{-4}$" in latex
    assert r"$(\mathbf{-0.12} \pm 0.15) \times 10^{-4}$" in latex
    assert "| (6.07 ± 0.20)e-04 |" in markdown and "| **(-0.12 ± 0.15)e-04** |" in markdown


def test_a_folder_with_cells_to_go_says_so_in_the_file():
    view = view_of(curve("euler", {5: 1.0}))
    assert "planned" not in to_latex(view)
    assert "\n% 3 planned sets of images have no result yet." in to_latex(replace(view, pending=3))


def exact_draws(value=0.5, **more):
    words = {"discretization": "no steps", "rho": None, "nfe_requested": None, "steps": 0}
    return list(curve("exact", {0: value}, **words, **more))


def test_exact_draws_stand_below_all_columns():
    curves = list(curve("euler", {5: 1.0, 10: 0.4})), list(curve("heun", {5: 2.0}))
    view = view_of(*curves, exact_draws())
    (plain,) = tables_of(view_of(*curves))
    (table,) = tables_of(view)
    assert (table.heads, table.nfe, table.lines) == (plain.heads, plain.nfe, plain.lines)
    assert table.levels == (("exact draws", "0.500 ± 0.010"),) and not plain.levels
    assert "discretization edm ρ=7" in table.notes[0]
    assert table.notes[-1].startswith("exact draws: drawn from the model's own distribution")
    below = r"\multicolumn{1}{l}{exact draws} & \multicolumn{2}{c}{$0.500 \pm 0.010$} \\"
    assert f"    \\midrule\n    {below}\n    \\bottomrule\n" in to_latex(view)
    assert "\n\nexact draws: 0.500 ± 0.010 at every NFE\n\n" in to_markdown(view)
    own = {"model": "digits-exact", "reference": "digits-kde@1a2b3c4d"}
    (floor,) = tables_of(view_of(curve("euler", {5: 1.0}, **own), exact_draws(**own)))
    assert floor.levels[0][0] == "exact draws (floor)"
    (called,) = tables_of(replace(view, labels={("sampler", "exact"): "Truth"}))
    assert called.levels[0][0] == "Truth" and called.notes[-1].startswith("Truth: drawn")


def test_exact_draws_alone_or_failed_are_not_lost():
    (alone,) = tables_of(view_of(exact_draws()))
    assert alone.nfe == ("0",) and grid(alone) == {"exact": ["0.500 ± 0.010"]} and not alone.levels
    (failed,) = tables_of(view_of(curve("euler", {5: 1.0}), exact_draws(float("nan"))))
    assert grid(failed)["exact"] == [FAILED, NOTHING] and not failed.levels


def bodies(latex):
    """(column specification, lines between the rules) of every table."""
    for table in re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", latex, re.DOTALL):
        lines = [line.strip() for line in table.splitlines()]
        rules = r"\toprule", r"\midrule", r"\bottomrule"
        kept = [line for line in lines[1:-1] if line not in rules and "cmidrule" not in line]
        assert [line for line in lines if line in rules] == list(rules)
        yield re.fullmatch(r"\\begin\{tabular\}\{(l+c+)\}", lines[0])[1], kept


NAMES = st.text(
    st.one_of(st.sampled_from("&%$#_{}~^\\[]*|<>\"`'-ρσé日\n\0"), st.characters()), max_size=12
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(NAMES, min_size=8, max_size=8), NAMES.filter(lambda t: t not in STRINGS))
def test_tables_stay_tables_whatever_the_names_are(names, metric):
    """Every text of a row and the name of the metric."""
    rows = [
        {
            k: names[(i + j) % 8] if k in STRINGS - {"cell"} else v
            for j, (k, v) in enumerate(row.items())
        }
        for i, row in enumerate([*curve("a", {5: 1.0, 10: 0.5}), *curve("b", {5: 2.0})])
    ]
    for row in rows:
        row[f"{metric}!"] = row.pop("fd-toy")
    view = View("toy", rows, {}, {})
    tables, latex, markdown = tables_of(view), to_latex(view), to_markdown(view)
    assert tables and latex.isascii()
    head, _, rest = latex.partition("\n")
    assert head.startswith("% Made by")
    assert reader.faults(rest) == []
    found = list(bodies(latex))
    assert len(found) == len(tables)
    for table, (columns, lines) in zip(tables, found, strict=True):
        assert len(columns) == len(table.heads) + len(table.nfe)
        spanned, *others = lines
        assert len(reader.columns(spanned)) == len(table.heads) + 1
        assert all(len(reader.columns(line)) == len(columns) for line in others)
        assert len(others) == 1 + len(table.lines)
        # Where a line ends, LaTeX reads what follows as its options.
        assert not any(line.startswith(("[", "*")) for line in lines)
    blocks = [line for line in markdown.splitlines() if line.startswith("| ")]
    widths = {len(re.split(r"(?<!\\)(?:\\\\)*\|", line)) for line in blocks}
    assert widths <= {len(t.heads) + len(t.nfe) + 2 for t in tables}
    assert not re.search(r"<(?!sub)|(?<![\\])\$", markdown)
