"""`samplebench card export`: the words of a run, a file of numbers, and what is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

import samplebench as sb
from samplebench.cards.card import Card
from samplebench.cards.read import read_card
from samplebench.cards.text import text_of
from samplebench.cli import main
from samplebench.sampling.setting import prepare


def export(*words):
    return main(["card", "export", *words])


def printed(capsys, *words):
    assert export(*words) == 0
    return capsys.readouterr().out


def test_a_card_is_printed_where_no_file_is_named(capsys):
    text = printed(capsys, "--sampler", "dpmpp-2m", "--nfe", "8")
    card = json.loads(text)
    assert (card["name"], card["nfe"], card["depth"]) == ("dpmpp-2m-8", 8, 8)
    assert card["model"] == "digits-exact" and card["range"] == [0.002, 80]
    assert [len(row) for row in card["a"]] == [len(row) for row in card["c"]] == [*range(1, 9)]


def test_its_levels_are_those_of_a_sweep_to_the_last_bit(capsys):
    """On a discrete model: its range, and its table."""
    words = ["--sampler", "dpmpp-2m", "--nfe", "6", "--rho", "3", "--model", "digits-adm"]
    times = json.loads(printed(capsys, *words))["times"]
    model = sb.load("digits-adm", device="cpu")
    levels = prepare(model, "dpmpp-2m", nfe=6, rho=3).timeline.grid.tolist()
    assert times == levels
    assert (
        levels[0] == model.round_sigma(levels[0]) != prepare(None, "heun", nfe=6).timeline.grid[0]
    )


def test_a_row_is_a_line(tmp_path, capsys):
    out = tmp_path / "new" / "mine.json"
    words = ["--sampler", "heun", "--param", "heun.alpha=0.5", "--name", "mine_1.0"]
    told = printed(capsys, *words, "--nfe", "9", "--out", str(out))
    text = out.read_text()
    assert len(text.splitlines()) < 2 * 9 + 20
    card = json.loads(text)
    assert card["name"] == "mine_1.0" and card["description"] == "heun with alpha=0.5 on edm rho=7"
    assert "nfe          9\n" in told and "times        80, 48.76," in told
    # In its place, as `reference make` writes.
    (fact,) = json.loads(printed(capsys, *words, "--nfe", "5", "--out", str(out), "--json"))
    assert fact["nfe"] == 5 == json.loads(out.read_text())["nfe"]
    assert fact["times"] == json.loads(out.read_text())["times"]


def test_a_parameter_without_effect_is_noted(capsys):
    assert export("--sampler", "heun", "--nfe", "5", "--param", "heun.S_min=3") == 0
    found = capsys.readouterr()
    assert "note: heun.S_min has no effect" in found.err and json.loads(found.out)
    assert export("--sampler", "heun", "--nfe", "5", "--param", "heun.S_min=3", "--quiet") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "name the sampler, e.g. --sampler dpmpp-2m"),
        ("--sampler euler", "add --nfe"),
        ("--sampler euler,heun --nfe 5", "--sampler has 2 values; give one"),
        ("--sampler euler --nfe 5,10", "--nfe has 2 values; give one"),
        ("--sampler euler --nfe 5 --rho 3,7", "--rho has 2 values; give one"),
        ("--sampler euler --nfe 5 --discretization edm,logsnr", "--discretization has 2 values"),
        ("--sampler euler --nfe 5 --model digits-exact,digits-vp", "--model has 2 values"),
        ("--sampler heun --nfe 5 --param heun.alpha=0.5,1", "heun.alpha has 2 values; give one"),
        ("--sampler heun --nfe 5 --param euler.S_churn=1", "unknown sampler in --param 'euler'"),
        ("--sampler heun --nfe 5 --param heun.aplha=1", "did you mean 'alpha'?"),
        ("--sampler uler --nfe 5", "unknown sampler 'uler'; did you mean 'euler'?"),
        ("--sampler euler --nfe 5 --discretization emd", "did you mean 'edm'?"),
        ("--sampler euler --nfe 5 --model digits", "unknown model 'digits'"),
        ("--sampler heun --nfe 0", "--nfe 0 is out of range"),
        ("--sampler dpm-solver-2 --nfe 1", "nfe=1 is too small for sampler dpm-solver-2"),
        ("--sampler euler --discretization 80/9/1/0 --nfe 3", "--nfe has no effect"),
        ("--sampler euler --nfe 5 --name a/b", "--name 'a/b': letters, digits"),
        ("--sampler euler --nfe 5 --name=", "--name ''"),
        ("--sampler edm --nfe 5 --param edm.S_churn=5", "it draws noise unless edm.S_churn=0"),
        ("--sampler rk45", "it chooses its steps adaptively"),
        ("--sampler gddim --nfe 9 --model digits-cld-exact", "it needs a linear process"),
        ("--sampler euler --nfe 501", "it has more than 500 states"),
        ("--sampler respaced --nfe 9", "sampler respaced needs a discrete model"),
        ("--sampler euler --nfe 5 --param euler.thresholding=true", "thresholding is not linear"),
    ],
)
def test_refused_in_a_line(words, said, capsys):
    assert export(*words.split()) == 2
    found = capsys.readouterr()
    assert said in found.err and len(found.err.splitlines()) == 1 and found.out == ""


@pytest.fixture(scope="module")
def digits():
    return sb.load("digits-exact", device="cpu")


def sampled(model, sampler, **words):
    seen = []
    x = sb.sample(model, sampler, seeds=range(8), callback=seen.append, **words)
    return x, seen[-1].nfe


@pytest.mark.parametrize("name", ["dpmpp-2m", "unipc", "heun", "dpm-solver-fast"])
def test_the_file_runs_as_the_sampler_does(name, digits, tmp_path, capsys):
    out = tmp_path / f"{name}.json"
    printed(capsys, "--sampler", name, "--nfe", "9", "--out", str(out))
    expected, counted = sampled(digits, name, nfe=9)
    found, asked = sampled(digits, f"card:{out}")
    assert asked == counted == 9
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_a_card_is_a_sampler_to_export(digits, tmp_path, capsys):
    """One in another time, whose states are scaled, becomes one in sigma."""
    times = (0.98, 0.7, 0.3, 0.05, 0.0)
    kept = tuple((0.0,) * i + (1.0,) for i in range(4))
    asked = tuple((0.0,) * i + (times[i + 1] - times[i],) for i in range(4))
    flow = Card("rectified", "flow", "flow", times, (0.0,) * 4, kept, asked)
    there, back = tmp_path / "flow.json", tmp_path / "sigma.json"
    there.write_text(text_of(flow))
    printed(capsys, "--sampler", f"card:{there}", "--out", str(back))
    card = json.loads(back.read_text())
    assert card["time"] == "sigma" and card["times"] == pytest.approx([t / (1 - t) for t in times])
    expected, _ = sampled(digits, f"card:{there}")
    found, asked = sampled(digits, f"card:{back}")
    assert asked == 4 and (found - expected).abs().max() <= 1e-10 * expected.abs().max()


def test_describe_reads_what_export_wrote(tmp_path, capsys):
    out = tmp_path / "a.json"
    told = printed(capsys, "--sampler", "unipc", "--nfe", "5", "--out", str(out))
    assert main(["card", "describe", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line for line in lines if not line.startswith("sha256")} == {*told.splitlines()}
    out.write_text("[80, 3, 0.1]")
    assert main(["card", "describe", str(out), "--json"]) == 0
    (fact,) = json.loads(capsys.readouterr().out)
    assert fact["sigmas"] == [80, 3, 0.1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("describe", "name a card's file, e.g. samplebench card describe mine.json"),
        ("describe nothing.json", "card nothing.json cannot be read"),
        ("describe a.json --nfe 5", "card describe takes no --nfe"),
        ("export a.json", "to see a card: samplebench card describe a.json"),
    ],
)
def test_a_wrong_action_is_refused_in_a_line(words, said, capsys):
    assert main(["card", *words.split()]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_longest_card_can_be_read(tmp_path, capsys):
    out = tmp_path / "long.json"
    printed(capsys, "--sampler", "unipc", "--nfe", "500", "--out", str(out))
    card = read_card(str(out))
    assert (card.nfe, card.name) == (500, "unipc-500")


def test_numbers_are_as_exact_as_they_are():
    numbers = (1 / 3, 1e-300, -2.5e17, 3.0)
    card = Card("c", "eps", "sigma", (80.0, 0.1), (0.0,), ((1e22,),), ((1 / 3,),))
    for number in numbers:
        text = text_of(replace(card, c=((number,),)))
        assert json.loads(text)["c"] == [[number]] and len(text) < 400


def test_nothing_is_written_over_a_folder(tmp_path, capsys):
    assert export("--sampler", "euler", "--nfe", "5", "--out", str(tmp_path)) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_list_is_described_with_its_hash(tmp_path, capsys):
    path = tmp_path / "list.json"
    path.write_text('{"sigmas": [80, 1], "sha256": "another"}', encoding="utf-8")
    assert main(["card", "describe", str(path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
