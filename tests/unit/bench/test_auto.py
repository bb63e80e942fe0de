"""`--batch-size auto`: the largest block that pays, and never another one than a folder's cells."""

from __future__ import annotations

import os
import signal

import pytest
import torch

import samplebench as sb
from samplebench.bench import auto
from samplebench.bench.engines.choose import check_words
from samplebench.bench.ready import ready
from samplebench.bench.request import USUAL_BLOCK, Request
from samplebench.bench.stop import Interrupted
from samplebench.cli import main
from samplebench.errors import UsageError
from samplebench.models.bound import listening
from tests.unit.bench.planned import make

WORDS = {"model": "digits-exact", "sampler": "euler", "nfe": 3, "num_samples": 100}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    monkeypatch.setattr("samplebench.report.write_report", lambda view, out: None)


def fixed(per_image):
    """Seconds of a block that costs as much beside its images as 64 of them."""
    return lambda block: per_image * (64 + block)


def test_doubling_ends_where_it_no_longer_pays():
    asked = []

    def seconds(block):
        asked.append(block)
        return 1.0 if block < 64 else block / 64  # full at 64

    choice = auto.choose(None, 10**6, seconds)
    assert (choice.block, asked) == (64, [8, 16, 32, 64, 128])
    assert str(choice) == "blocks of 64: 64 images/s; 128 gives no more"


def test_largest_block_is_tried_and_no_larger_one():
    asked = []
    choice = auto.choose(None, 10**6, lambda block: asked.append(block) or 1.0)
    assert choice.block == max(asked) == 4096 and "blocks above 4,096" in choice.why


@pytest.mark.parametrize(("num_samples", "most"), [(2, 8), (8, 8), (9, 16), (100, 128), (128, 128)])
def test_no_block_is_larger_than_a_cell_needs(num_samples, most):
    choice = auto.choose(None, num_samples, lambda block: 1.0)
    assert choice.block <= most and (choice.block == most or "gives" in choice.why)


def test_padding_is_counted():
    """Of 65 images a block of 128 makes as many as 65 do; two of 64 are twice the work."""
    assert auto.choose(None, 65, lambda block: float(block)).block == 8
    assert auto.choose(None, 65, lambda block: 1.0).block == 128
    assert auto.choose(None, 5000, fixed(1e-3)).block == 1024  # 2,048: three blocks, 6,144 images


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory"), torch.OutOfMemoryError("no")]
)
def test_memory_that_runs_out_is_the_limit(error):
    def seconds(block):
        if block > 32:
            raise error
        return 1.0

    choice = auto.choose(None, 1000, seconds)
    assert (choice.block, choice.why) == (32, "64 do not fit into memory")


def test_other_failures_are_told():
    with pytest.raises(RuntimeError, match="shape"):
        auto.choose(None, 1000, lambda block: (_ for _ in ()).throw(RuntimeError("shape")))


def test_model_itself_is_measured():
    choice = auto.choose(sb.load("digits-exact"), 64)
    assert choice.block in (8, 16, 32, 64) and choice.rate > 0


def test_number_is_the_cells_block_as_if_it_had_been_written(monkeypatch, tmp_path):
    monkeypatch.setattr(auto, "choose", lambda model, n: auto.Choice(32, 1.0, "why"))
    plan = ready(make(**WORDS, batch_size="auto", out=str(tmp_path)), quiet=True)
    written = make(**WORDS, batch_size=32, out=str(tmp_path))
    assert list(plan.cells) == list(written.cells) and plan.request.batch_size == 32
    assert plan.request.words() == written.request.words()
    assert plan.notes[-1] == "blocks of 32: 1 images/s; why"


def test_several_models_share_the_least_of_theirs(monkeypatch, tmp_path):
    sizes = {"digits-exact": 64, "digits-exact-uncond": 16}
    monkeypatch.setattr(
        auto, "choose", lambda model, n: auto.Choice(sizes[model.provenance["id"]], 1.0, "why")
    )
    words = WORDS | {"model": list(sizes), "batch_size": "auto", "out": str(tmp_path)}
    plan = ready(make(**words), quiet=True)
    assert {cell.conditions["block"] for cell in plan.cells.values()} == {16}
    assert plan.notes[-3:] == (
        "digits-exact: blocks of 64: 1 images/s; why",
        "digits-exact-uncond: blocks of 16: 1 images/s; why",
        "blocks of 16 for all models, the smallest of their choices",
    )


def never(*args):
    raise AssertionError("probed")


def test_finished_sweep_is_run_again_without_any_evaluation(monkeypatch, tmp_path):
    words = WORDS | {"out": str(tmp_path / "out")}
    first = sb.run(quiet=True, **words, batch_size=25)
    monkeypatch.setattr(auto, "choose", never)
    seen = []
    with listening(lambda images, seconds: seen.append(images)):
        again = sb.run(quiet=True, **words, batch_size="auto")
    assert set(seen) <= {1} and again.equals(first)  # rehearsals on one toy pixel


def test_half_a_cell_is_gone_on_with_in_its_own_block(monkeypatch, tmp_path):
    words = WORDS | {"out": str(tmp_path / "out")}
    count = []

    def stop(images, seconds):
        count.append(images)
        if count.count(20) == 2 * 3 + 1:  # in the third block
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted), listening(stop):
        sb.run(quiet=True, **words, batch_size=20)
    monkeypatch.setattr(auto, "choose", never)
    seen = []
    with listening(lambda images, seconds: seen.append(images)):
        sb.run(quiet=True, **words, batch_size="auto")
    # Three blocks of the five were whole; the model is looked at with fewer images.
    assert seen.count(20) == 2 * 3 and max(seen) == 20


def test_other_cells_of_a_folder_settle_nothing(monkeypatch, tmp_path):
    words = WORDS | {"out": str(tmp_path / "out")}
    sb.run(quiet=True, **words, batch_size=25)
    monkeypatch.setattr(auto, "choose", lambda model, n: auto.Choice(50, 1.0, "why"))
    other = make(**words | {"nfe": 4}, batch_size="auto")
    assert ready(other, quiet=True).request.batch_size == 50
    assert ready(make(**words, batch_size="auto"), quiet=True).request.batch_size == 25


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["--dump-config"]])
@pytest.mark.parametrize("how", [["--shard", "0/2"], ["--engine", "ray"]])
def test_shared_sweeps_write_the_number(how, words, tmp_path, capsys):
    out = tmp_path / "out"
    flags = ["run", "--nfe", "3", "--batch-size", "auto", "--out", str(out), *how, *words]
    assert main(flags) == 2
    said = capsys.readouterr()
    assert f"but {how[0]}" in said.err and "give a number" in said.err
    assert not (said.out or out.exists())


def test_ranks_write_the_number_too(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "here"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "1")
    with pytest.raises(UsageError, match=r"torchrun .* give a number"):
        check_words(Request.of(**WORDS, batch_size="auto"))


def test_dry_run_says_that_the_block_is_open(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(auto, "choose", never)
    flags = ["run", "--model", "digits-exact", "--sampler", "euler", "--nfe", "3"]
    flags += ["--num-samples", "100", "--batch-size", "auto", "--out", str(tmp_path / "out")]
    assert main([*flags, "--dry-run"]) == 0
    assert f"is chosen when the sweep starts; for this plan it is {USUAL_BLOCK}" in "".join(
        capsys.readouterr()
    )
    assert main([*flags, "--dump-config"]) == 0
    assert 'batch_size = "auto"' in capsys.readouterr().out
    sb.run(quiet=True, **WORDS, out=str(tmp_path / "out"), batch_size=25)
    assert main([*flags, "--dump-config"]) == 0
    assert "batch_size = 25" in capsys.readouterr().out
