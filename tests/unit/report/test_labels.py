"""Labels: one curve for names of one label, nothing hidden, and files that keep the names."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import pytest

from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.report.curves import plots_of
from samplebench.report.html import render_html
from samplebench.report.labels import labelled, stands_for
from samplebench.report.terminal import view_text
from samplebench.results.labels import labels_of
from samplebench.results.store import Store
from samplebench.results.tables import to_csv, to_frame, to_json
from samplebench.results.view import View

COLUMNS = {
    "model": "m", "params": "", "discretization": "edm", "rho": 7.0, "guidance": "",
    "guide_nfe": 0, "seed": 0, "repeats": 1, "num_samples": 50, "protocol": "p",
    "dtype": "float64", "reference": "r@1",
}  # fmt: skip


def row(sampler, nfe, value=1.0, **more):
    told = {"sampler": sampler, "steps": nfe, "nfe": nfe, "nfe_requested": nfe, "depth": nfe}
    return {**COLUMNS, **told, "fid": value, "fid_stderr": 0.1, "cell": "", **more}


def view(rows, **labels):
    """Labels by column: sampler={"card:a": "GITS"}."""
    found = {(c, name): label for c, table in labels.items() for name, label in table.items()}
    return View("t", rows, {}, {}, labels=found)


def curves(shown):
    (plot,) = plots_of(labelled(shown))
    return {curve.name: [r["sampler"] for r in curve.rows] for curve in plot.curves}


GITS = {"card:a": "GITS", "card:b": "GITS"}


def test_names_of_one_label_are_one_curve():
    shown = view([row("card:a", 5), row("card:b", 8), row("euler", 5)], sampler=GITS)
    assert curves(shown) == {"GITS": ["card:a", "card:b"], "euler": ["euler"]}
    assert stands_for(shown) == ["GITS is card:a, card:b"]


def test_points_that_would_hide_one_another_are_kept_apart():
    rows = [row("card:a", 5), row("card:b", 8), row("card:b", 5)]
    assert curves(view(rows, sampler=GITS)) == {
        "GITS (card:a)": ["card:a"],
        "GITS (card:b)": ["card:b", "card:b"],
    }


@pytest.mark.parametrize("more", [{"seed": 1}, {"protocol": "q"}, {"rho": 5.0}, {"params": "k=1"}])
def test_other_conditions_are_other_points(more):
    shown = view([row("card:a", 5), row("card:b", 5, **more)], sampler=GITS)
    (plot,) = plots_of(labelled(shown))
    assert [len(curve.rows) for curve in plot.curves] == [1, 1]
    assert all(curve.name.split()[0] == "GITS" for curve in plot.curves)
    assert stands_for(shown) == ["GITS is card:a, card:b"]


def test_lists_of_levels_of_one_label_are_one_curve():
    rows = [row("euler", n, discretization=f"card:{n}", rho=None) for n in (5, 8)]
    shown = view(rows, discretization={"card:5": "AYS", "card:8": "AYS"})
    (plot,) = plots_of(labelled(shown))
    assert [len(curve.rows) for curve in plot.curves] == [2]
    assert "discretization AYS" in plot.caption


def test_a_label_that_is_anothers_name_does_not_pass_for_it():
    shown = view([row("mine", 5), row("euler", 8)], sampler={"mine": "euler"})
    assert curves(shown) == {"euler (mine)": ["mine"], "euler": ["euler"]}


def test_models_of_one_label_are_told_apart():
    shown = view([row("euler", 5), row("euler", 5, model="n")], model={"m": "Net", "n": "Net"})
    assert [plot.title for plot in plots_of(labelled(shown))] == ["Net (m)", "Net (n)"]


def test_a_table_and_the_page_say_the_label_and_what_it_is():
    shown = view([row("card:a", 5), row("card:b", 8)], sampler=GITS, model={"m": "Net <1>"})
    text, page = view_text(shown), render_html(shown)
    assert "sampler: GITS" in text and "label: GITS is card:a, card:b" in text
    assert "Net &lt;1&gt;" in page and "Labels: GITS is card:a, card:b" in page
    assert "Net <1>" not in page


def test_files_keep_the_names():
    rows = [row("card:a", 5), row("card:b", 8)]
    shown = view(rows, sampler=GITS)
    for write in (to_csv, to_json, lambda r: to_frame(r).to_csv()):
        assert write(labelled(shown).rows) == write(rows)
        assert "GITS" not in write(labelled(shown).rows)


# Words.


@pytest.mark.parametrize(
    "words", ["euler=Ours", ["euler=Ours"], {"euler": "Ours"}, {"euler": " Ours "}]
)
def test_how_a_label_is_said(words):
    assert Request.of(label=words).label == {"euler": "Ours"}


@pytest.mark.parametrize(
    "words",
    ["euler", "=Ours", "euler=", {"euler": "a\nb"}, {"euler": "\x1b[1m"}, {"euler": "x" * 61},
     {"euler": 3}, {"euler": "\u202ex"}],
)  # fmt: skip
def test_what_is_no_label(words):
    with pytest.raises(UsageError, match="write NAME=Label") as caught:
        Request.of(label=words)
    assert str(caught.value).isprintable()


def planned(**words):
    return make(Request.of(**{"sampler": "euler,heun", "nfe": 5, "num_samples": 40, **words}))


def test_a_label_changes_no_cell():
    assert [*planned(label="euler=Ours").cells] == [*planned().cells]


def test_a_card_is_labelled_by_its_file_or_its_name(tmp_path):
    (tmp_path / "ays.json").write_text('{"name": "ays-4", "sigmas": [80, 9, 1, 0.1]}')
    word = f"card:{tmp_path / 'ays.json'}"
    for name in (word, "card:ays-4"):
        plan = planned(discretization=word, nfe=None, label={name: "AYS"})
        assert plan.request.label == {"card:ays-4": "AYS"}


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(UsageError, match="unknown name in --label 'huen'; did you mean 'heun'"):
        planned(label="huen=Ours")


def test_labels_in_a_file_are_replaced_one_by_one():
    base = {"label": {"euler": "E", "heun": "H"}}
    assert Request.merged(base, {"label": ["heun=Heun"]}).label == {"euler": "E", "heun": "Heun"}
    words = planned(label=base["label"]).request.words()
    assert Request.of(**words).label == base["label"]


def test_a_sampler_comes_before_a_discretization_of_its_name():
    asked = SimpleNamespace(
        words={"label": {"edm": "Theirs", "digits-exact": "Digits", "nobody": "x", "heun": 3}},
        rows=[{"columns": {**COLUMNS, "sampler": "edm", "model": "digits-exact"}}],
    )
    assert labels_of([asked]) == {
        ("sampler", "edm"): "Theirs",
        ("model", "digits-exact"): "Digits",
    }


def test_a_folder_remembers_and_relabels(tmp_path, capsys):
    run = ["run", "--sampler", "euler", "--nfe", "4", "--num-samples", "40", "--quiet"]
    run += ["--out", str(tmp_path / "out")]
    for label, told in (("First one", {("sampler", "euler"): "First one"}), ("euler", {})):
        assert main([*run, "--label", f"euler={label}", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["sampler"] == "euler"
        store = Store(tmp_path / "out")
        assert store.view().labels == told
        assert ("label: First one is euler" in view_text(store.view())) is bool(told)
        assert ("Labels: First one" in (store.out / "report.html").read_text()) is bool(told)
        with (store.out / "results.csv").open(newline="") as file:
            assert [r["sampler"] for r in csv.DictReader(file)] == ["euler"]
