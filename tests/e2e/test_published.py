"""`samplebench published`: the table, its filters, the page and JSON for a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXECUTABLE = Path(sys.executable).parent / "samplebench"


def test_json_has_every_certain_row_and_writes_nothing(samplebench, tmp_path):
    done = samplebench("published", "--json")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert len(rows) == 1437 - 94
    assert {row["certainty"] for row in rows} == {"A", "B"}
    assert list(tmp_path.iterdir()) == []
    assert len(json.loads(samplebench("published", "--json", "--uncertain").out)) == 1437


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    line = f"set -o pipefail; '{EXECUTABLE}' published --json | head -n 3"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["[", " {"]


def test_the_page_and_the_table(samplebench, tmp_path):
    words = ("--checkpoint", "adm-imagenet64", "--max-nfe", "100")
    done = samplebench("published", *words, "--out", "part")
    assert (done.code, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert head.split() == [
        "checkpoint", "sampler", "nfe", "fid", "N", "reference", "certainty", "source",
    ]  # fmt: skip
    assert sum(line.startswith("adm-imagenet64 ") for line in lines) == 8
    assert lines[-1] == "page: part/published.html"
    page = (tmp_path / "part" / "published.html").read_text()
    assert "Selection: --checkpoint adm-imagenet64 --max-nfe 100." in page
    assert "8 values of 1 checkpoint, collected from 2 published sources" in page
    assert "respaced variance=learned, epsilon scaling b=1.006" in page


PARTS = [
    ("--checkpoint", "adm-imagenet64"), ("--sampler", "heun"), ("--dataset", "afhqv2"),
    ("--protocol", "edm2"), ("--max-nfe", "3"), ("--uncertain",), ("--remeasured",),
    ("--json",), ("--quiet", "--max-nfe", "3"),
]  # fmt: skip


@pytest.mark.parametrize("words", PARTS, ids=" ".join)
def test_a_part_does_not_take_the_place_of_the_page(words, samplebench, tmp_path):
    page = tmp_path / "reports" / "published" / "published.html"
    page.parent.mkdir(parents=True)
    page.write_text("all of it")
    done = samplebench("published", *words)
    assert (done.code, done.err) == (0, "") and "page:" not in done.out
    assert page.read_text() == "all of it"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [page]


def test_all_of_it_is_a_page(samplebench, tmp_path):
    done = samplebench("published")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "page: reports/published/published.html"
    page = (tmp_path / "reports" / "published" / "published.html").read_text()
    assert "1437 values of 156 checkpoints, collected from 85 published sources" in page
    assert "Conflicting values" in page and "Printed and re-measured" in page
    assert "Selection: " not in page


def test_every_spelling_of_a_checkpoint_is_one_checkpoint(samplebench):
    ids = ("edm-cifar10-uncond-vp", "edm-cifar10-32x32-uncond-vp")
    one, other = (samplebench("published", "--json", "--checkpoint", name).out for name in ids)
    assert one == other
    rows = json.loads(one)
    assert {(row["model"], row["model_printed"]) for row in rows} == {ids}
    guided = samplebench("published", "--json", "--checkpoint", "adm-imagenet64+guidance")
    assert {row["model"] for row in json.loads(guided.out)} == {"adm-imagenet64+guidance"}


def test_calls_one_after_another(samplebench):
    words = ("--checkpoint", "edm-ffhq64-vp", "--sampler")
    rows = json.loads(samplebench("published", "--json", *words, "epd-solver").out)
    assert [(row["nfe"], row["depth"]) for row in rows] == [(5, 3), (8, 5), (11, 7), (14, 9)]
    done = samplebench("published", *words, "paradigms")
    head, *lines = (line.split("  ") for line in done.out.splitlines()[:5])
    assert "depth" in head and len(lines) == 4
    assert "\n4 values have only a depth: " in done.out
    few = samplebench("published", "--json", *words, "epd-solver", "--max-nfe", "9")
    assert [row["nfe"] for row in json.loads(few.out)] == [5, 8]


def test_what_was_measured_again(samplebench, tmp_path):
    rows = json.loads(samplebench("published", "--remeasured", "--json").out)
    assert len(rows) == 23
    done = samplebench("published", "--remeasured", "--checkpoint", "edm-cifar10-32x32-cond-vp")
    head, *lines = done.out.splitlines()
    assert head.split()[:6] == ["checkpoint", "sampler", "nfe", "metric", "printed", "measured"]
    assert len(lines) == 2 and all(line.startswith("edm-cifar10-cond-vp ") for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_filters_meet(samplebench):
    words = ("--sampler", "heun", "--dataset", "cifar10", "--protocol", "edm", "--max-nfe", "35")
    rows = json.loads(samplebench("published", "--json", *words).out)
    assert rows
    for row in rows:
        assert row["sampler"] == "heun" and row["dataset"] == "cifar10"
        assert row["protocol"] == "edm" and row["nfe"] <= 35
    printed = json.loads(samplebench("published", "--json", "--sampler", "Heun, sigma=t s=1").out)
    assert [row["sampler"] for row in printed] == ["heun"] * 3


def test_quiet_prints_the_table_alone(samplebench, tmp_path):
    done = samplebench("published", "--dataset", "afhqv2", "--out", "here", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("checkpoint") and "page:" not in done.out
    assert (tmp_path / "here" / "published.html").is_file()
    done = samplebench("published", "--dataset", "afhqv2", "--json", "--out", "there")
    assert len(json.loads(done.out)) == 66
    assert (tmp_path / "there" / "published.html").is_file()


def test_uncertain_values_are_mentioned(samplebench):
    words = ("published", "--checkpoint", "iddpm-lsun-Lsimple-bs64")
    done = samplebench(*words)
    assert done.out.startswith("none\n\n11 values of certainty C are not listed; --uncertain")
    listed = samplebench(*words, "--uncertain").out
    assert listed.count("iddpm-lsun-Lsimple-bs64") == 11


def test_filters_that_nothing_passes(samplebench, tmp_path):
    done = samplebench("published", "--checkpoint", "adm-imagenet64", "--sampler", "heun")
    assert (done.code, done.out) == (0, "none\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--checkpoint", "adm-imagnet64"), "'adm-imagnet64'; did you mean 'adm-imagenet64'?"),
        (("--checkpoint", "?????"), "'?????'; 'samplebench published' lists all 156"),
        (("--sampler", "huen"), "published sampler 'huen'; did you mean 'heun'?"),
        (("--dataset", "cifar"), "published dataset 'cifar'; did you mean 'cifar10'?"),
        (("--protocol", "fid"), "'fid'; known: edm, edm2, openai, other, score-sde"),
        (("--max-nfe", "0"), "--max-nfe 0: evaluations are counted from 1"),
        (("--remeasured", "--sampler", "heun"), "--sampler cannot be combined with --remeasured"),
        (("--remeasured", "--max-nfe", "5"), "--max-nfe cannot be combined with --remeasured"),
        (("--remeasured", "--max-nfe", "0"), "--max-nfe cannot be combined with --remeasured"),
        (("--remeasured", "--sampler", ""), "--sampler cannot be combined with --remeasured"),
        (("--remeasured", "--checkpoint", "zzz"), "known: "),
        (("--remeasured", "--uncertain"), "--uncertain cannot be combined with --remeasured"),
        (("--remeasured", "--out", "here"), "--out cannot be combined with --remeasured"),
        (
            ("--remeasured", "--checkpoint", "edm-cifar10-cond-vq"),
            "re-measured checkpoint 'edm-cifar10-cond-vq'; did you mean 'edm-cifar10-cond-vp'?",
        ),
        (("--max-nfe", "ten"), "argument --max-nfe: invalid int value: 'ten'"),
    ],
)
def test_wrong_words(samplebench, words, said):
    done = samplebench("published", *words)
    assert done.code == 2 and done.out == ""
    assert said in done.err.splitlines()[0]


def test_a_folder_that_cannot_be_written(samplebench, tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = samplebench("published", "--out", "taken")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("samplebench: error: taken cannot be written")
    assert "choose another --out" in done.err


def test_no_heavy_library_is_loaded(python):
    code = (
        "import contextlib, io, sys\nfrom samplebench.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(sys.argv[1:])\n"
        "print(*sorted({'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    assert python("-c", code, "published", "--quiet").out == "\n"
