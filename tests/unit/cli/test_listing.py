"""`samplebench list`: what is told of samplers and metrics, one by one and in a table."""

from __future__ import annotations

import json

import pytest

from samplebench.citations import author_year
from samplebench.cli import main
from samplebench.cli.metric_facts import facts
from samplebench.cli.sampler_facts import formula
from samplebench.metrics.blocks import WithoutErrorBar
from samplebench.metrics.family import forms
from samplebench.registry import discretizations, metrics, samplers
from samplebench.sampling.solver import Solver


def listed(capsys, *words):
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def test_verbose_tells_every_registered_fact(capsys):
    found = {
        each["name"]: each for each in json.loads(listed(capsys, "samplers", "--verbose", "--json"))
    }
    assert list(found) == samplers.names()
    for entry in samplers:
        facts = found[entry.name]
        assert facts["order"] == Solver.of(entry.name).order()
        assert (facts["defaults as in"] or "") == entry.code
        assert len((facts["papers"] or "").split("; ")) == max(len(entry.cite), 1)
        assert (facts["draws"] is None) <= (not Solver.of(entry.name).stochastic({}))


def test_verbose_tells_every_registered_fact_of_a_metric(capsys):
    text = listed(capsys, "metrics", "--verbose", "--json")
    found = {each["name"]: each for each in json.loads(text)}
    assert list(found) == metrics.names()
    for entry in metrics:
        facts = found[entry.name]
        assert (facts["extractor"], facts["better"]) == (entry.extractor, entry.better)
        assert (facts["at N = 50,000"] or "") == entry.cost
        assert (facts["order"] is not None) == entry.ordered
        assert len((facts["papers"] or "").split("; ")) == max(len(set(entry.cite)), 1)


def test_a_model_is_listed_by_any_spelling(capsys):
    one, other = (
        listed(capsys, "models", name, "--json")
        for name in ("edm-cifar10-uncond-vp", "edm-cifar10-32x32-uncond-vp")
    )
    assert one == other and json.loads(one)[0]["id"] == "edm-cifar10-uncond-vp"


@pytest.fixture
def told(monkeypatch):
    """`told(**facts)`: what is told of a metric that declares these."""

    def of(**declared):
        monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))
        metrics.register("toy", summary="a toy", extractor="pixels", **declared)(max)
        return facts(metrics.entry("toy"))

    return of


def test_what_a_metric_needs_is_told_by_what_it_declares(told):
    found = told(statistic="features", against="nothing", better="higher", ordered=True)
    assert (found["computed on"], found["against"]) == ("feature rows", "nothing")
    assert found["to score later"].startswith("--keep features in a run on this")
    assert found["better"] == "higher" and "order" in found["order"]
    assert "20 times more" in found["error bar"]
    found = told(blocked=max, cost="1 s")
    assert found["computed on"] == "mean and covariance" and "reference" in found["against"]
    assert found["to score later"].startswith("--keep moments")
    assert (found["better"], found["order"], found["at N = 50,000"]) == (None, None, "1 s")
    assert "with the value" in found["error bar"]
    assert told(blocked=WithoutErrorBar(max))["error bar"] == "none"


def test_families_are_listed_by_their_form(capsys):
    rows = json.loads(listed(capsys, "metrics", "--json"))
    (form,) = [row for row in rows if row["name"] == "FAMILY-EXTRACTOR"]
    assert all(one in form["summary"] for one in forms()) and "fd-EXTRACTOR" in forms()
    assert {row["name"]: row["better"] for row in rows}["fd-digits"] == "lower"


@pytest.mark.parametrize("known", [samplers, metrics], ids=lambda known: known.kind)
def test_the_blocks_fit_a_terminal(known, capsys):
    text = listed(capsys, f"{known.kind}s", "--verbose")
    blocks = text.rstrip("\n").split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == known.names()
    assert max(map(len, text.splitlines())) <= 100


def test_a_block_says_how_a_sampler_is_run(capsys):
    lines = listed(capsys, "samplers", "heun", "--verbose").splitlines()
    assert lines[0] == "heun"
    told = {line[2:].split("  ")[0]: line.split("  ")[-1].strip() for line in lines[2:]}
    assert told["order"] == "2" and told["evaluations"] == "2N - 1"
    assert told["ends at"] == "0" and told["draws"] == "N with S_churn > 0"
    assert told["papers"] == "Karras et al. 2022 [karras2022edm]"


def test_names_choose(capsys):
    rows = json.loads(listed(capsys, "samplers", "heun", "euler", "--json"))
    assert [row["name"] for row in rows] == ["heun", "euler"]
    assert [row["evaluations"] for row in rows] == ["2N - 1", "N"]


@pytest.mark.parametrize("known", [samplers, discretizations], ids=lambda known: known.kind)
def test_names_that_nobody_registers_are_shown_by_their_form(known, capsys, monkeypatch):
    monkeypatch.setattr(known, "_schemes", dict(known._schemes))
    known.scheme("toy", "toy:NUMBER", "a toy")(int)
    rows = json.loads(listed(capsys, f"{known.kind}s", "--json"))
    names = [row["name"] for row in rows]
    forms = [*(scheme.form for scheme in known.schemes()), "./FILE.py:NAME", "PACKAGE.MODULE:NAME"]
    assert names == [*known.names(), *forms] and "toy:NUMBER" in names
    assert len({frozenset(row) for row in rows}) == 1
    text = listed(capsys, f"{known.kind}s", "toy:NUMBER")
    assert "a toy" in text and "./FILE.py" not in text


def test_names_that_a_registry_makes_when_they_are_asked_for(tmp_path, monkeypatch, capsys):
    (tmp_path / "own.py").write_text("def far(moments, reference):\n    'How far.'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))
    asked = ("kd-dinov2-pil", "./own.py:far", "fid")
    rows = json.loads(listed(capsys, "metrics", *asked, "--json"))
    names = ["kd-dinov2-pil", "own.py:far", "fid"]
    assert [row["name"] for row in rows] == names and rows[1]["summary"] == "How far."
    blocks = listed(capsys, "metrics", *asked, "--verbose").split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == names
    assert main(["list", "metrics", "kd-nobody"]) == 2
    assert "unknown metric 'kd-nobody'; did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["samplers", "huen"], "unknown sampler 'huen'; did you mean 'heun'?"),
        (["models", "--verbose"], "samplebench list samplers --verbose"),
        (["--verbose"], "samplebench list samplers --verbose"),
    ],
)
def test_refused_in_a_line(words, said, capsys):
    assert main(["list", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda n: n, "N"),
        (lambda n: 2 * n - 1, "2N - 1"),
        (lambda n: 6 * n + 12, "6N + 12"),
        (lambda n: 3 * n, "3N"),
        (lambda n: 7, "7"),
        (lambda n: n * n, "576 for N = 24"),
    ],
)
def test_a_rule_as_a_formula(rule, text):
    assert formula({n: rule(n) for n in (24, 25, 40, 63)}) == text


@pytest.mark.parametrize(
    ("authors", "text"),
    [
        ("Crowson, Katherine", "Crowson 2020"),
        ("Zhang, Qinsheng and Chen, Yongxin", "Zhang & Chen 2020"),
        ("Xu, Y. and Deng, M. and\n            Cheng, X.", "Xu et al. 2020"),
        ("{The samplebench authors}", "The samplebench authors 2020"),
        (r"Bi{\'n}kowski, M. and Kynk{\"a}{\"a}nniemi, T.", "Bińkowski & Kynkäänniemi 2020"),
        (r"{\v C}apek, K. and Vil{\c{c}}, {\L}. and Lo{\l}a", "Čapek et al. 2020"),
        (r"Vil{\c{c}}, A. and Fran{\c c}ois, B", "Vilç & François 2020"),
        (r"Ho{\l}y, A. and S{\o}ren{\^e}, B.", "Hoły & Sørenê 2020"),
    ],
)
def test_an_entry_in_a_line(authors, text):
    assert author_year(f"@misc{{a,\n  author = {{{authors}}},\n  year = {{2020}}\n}}") == text
