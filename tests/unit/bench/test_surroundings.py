"""What surrounds a run: forms of samplers, ranges, memory, torch's settings, closed streams."""

from __future__ import annotations

import errno
import functools
import io
import os
import random
import sys
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.answers.memory import memory_of, out_of_memory
from samplebench.bench.conditions import setting_of
from samplebench.bench.plan import make
from samplebench.bench.request import Request
from samplebench.cli import main
from samplebench.cli.common import say
from samplebench.errors import EnvironmentError_, UsageError
from samplebench.models.chunks import Chunks
from samplebench.sampling.setting import prepare
from samplebench.trajectory import truncation

RUN = {"model": "digits-exact", "sampler": "euler", "nfe": 3, "num_samples": 70}


@pytest.fixture(scope="module")
def model():
    return sb.load("digits-exact")


# Forms of samplers.


def steps_along(model, x, sigmas):
    for sigma, after in pairwise(sigmas):
        x = x + (x - model(x, sigma)) / sigma * (after - sigma)
    return x


def plumbing(model, x, sigmas, extra_args, callback, disable):
    assert extra_args == {} and callback is None and disable is True
    return steps_along(model, x, sigmas)


class Stepper(torch.nn.Module):
    def forward(self, model, x, sigmas):
        return steps_along(model, x, sigmas)

    def method(self, model, x, sigmas, eta=0.0):
        return steps_along(model, x, sigmas)


def extra(model, x, sigmas, order, extra_args=None):
    return steps_along(model, x, sigmas)


FORMS = [
    steps_along, plumbing, Stepper(), Stepper().method, functools.partial(extra, order=2),
    lambda model, x, sigmas: steps_along(model, x, sigmas),
    lambda model, x, sigmas, **kwargs: steps_along(model, x, sigmas),
    lambda *args, **kwargs: steps_along(*args),
    lambda model, x, t_steps, *, noise=None, callback=None: steps_along(model, x, t_steps),
    lambda m, x, s: steps_along(m, x, s),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_forms_that_run(model, form):
    x = sb.sample(model, form, steps=4, seeds=range(2))
    assert torch.equal(x, sb.sample(model, steps_along, steps=4, seeds=range(2)))


def fast(model, x, sigma_min, sigma_max, n, extra_args=None, eta=0.0): ...
def adaptive(model, x, sigma_min, sigma_max, extra_args=None, order=3): ...
def timesteps(model, x, timesteps, extra_args=None, callback=None): ...
def keywords(**kwargs): ...
def two(model, x): ...


REFUSED = {
    fast: r"form f\(model, x, sigma_min, sigma_max", adaptive: "chooses its own noise levels",
    timesteps: r"has timesteps where .* sigmas; its signature is \(model, x, timesteps",
    keywords: "takes 0 inputs, not the three", two: "takes 2 inputs, not the three",
    extra: "needs order, which has no default", len: "takes 1 inputs", int: "is a class",
    (lambda m, x, noise: x): "has noise where model, x and grid are given",
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED, ids=lambda f: f.__name__)
def test_forms_that_do_not(model, form):
    with pytest.raises(UsageError, match=REFUSED[form]):
        sb.sample(model, form, steps=4, seeds=range(2))
    with pytest.raises(UsageError, match=REFUSED[form]):
        make(Request.of(**{**RUN, "sampler": form}))


@pytest.mark.parametrize("name", ["inner_model", "model_options", "sigma_data", "get_sigmas"])
def test_a_wrapper_of_elsewhere_is_said(model, name):
    def asks(model, x, sigmas):
        return getattr(model, name)

    with pytest.raises(UsageError, match=f"no {name}: a sampler sees model"):
        make(Request.of(**{**RUN, "sampler": asks}))
    assert getattr(model, name, 0) == 0  # only what a sampler sees


# The range of noise levels in a sweep.


@pytest.mark.parametrize(
    "span", [{"sigma_max": 40}, {"sigma_min": 0.1, "sigma_max": 20.0}, {"sigma_min": 2}], ids=str
)
def test_a_range_is_in_the_cell_and_its_levels(model, span):
    (row,) = make(Request.of(**RUN, param={"euler": span})).rows
    conditions = row.cells[0].conditions
    assert {k: conditions["discretization"][k] for k in span} == span
    assert all(f"{k}={v:g}" in row.columns["params"] for k, v in span.items())
    levels = setting_of(model, conditions).timeline.levels
    assert levels.tolist() == prepare(model, "euler", steps=3, **span).timeline.levels.tolist()
    assert levels[0] == pytest.approx(span.get("sigma_max", 80))
    assert levels[-2] == pytest.approx(span.get("sigma_min", 0.002))


def test_a_range_is_clamped_to_the_model():
    (row,) = make(Request.of(**RUN, param={"euler.sigma_max": 40})).rows
    narrow = SimpleNamespace(sigma_min=0.1, sigma_max=10.0)
    assert setting_of(narrow, row.cells[0].conditions).timeline.levels[0] == pytest.approx(10)


def test_without_a_range_cells_keep_their_names():
    (row,) = make(Request.of(**RUN)).rows
    assert set(row.cells[0].conditions["discretization"]) == {"name", "rho"}


@pytest.mark.parametrize("words, said", [
    ("--param euler.sigma_max=abc", "euler.sigma_max=abc must be a number"),
    ("--param euler.sigma_max=0.001", "noise range"),
    ("--param euler.sigma_max=4 --discretization 40/10/1", "explicit noise levels are the whole"),
    ("--sampler gddim --param gddim.sigma_min=1", "times of the model's own process"),
    ("--sigma-max 4", "--param SAMPLER.sigma_max=VALUE"),
    ("--sigma_min 4", "--param SAMPLER.sigma_min=VALUE"),
])  # fmt: skip
def test_a_range_that_cannot_be(words, said, capsys):
    given = words.split()
    if "--sampler" not in given:
        given += ["--sampler", "euler"]
    try:
        code = main(["run", "--model", "digits-exact", "--dry-run", *given])
    except SystemExit as ended:
        code = ended.code
    err = capsys.readouterr().err
    assert code == 2 and said in err and "S_max" not in err


# Memory.

WORDS = [
    "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes", "std::bad_alloc",
    "CUDA out of memory. Tried to allocate 2 GiB", "MPS backend out of memory (MPS allocated",
    "HIP out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
]  # fmt: skip
SHORT = [
    MemoryError(), np._core._exceptions._ArrayMemoryError((9,), np.dtype(float)),
    OSError(errno.ENOMEM, "Cannot allocate memory"), torch.OutOfMemoryError("x"),
    *map(RuntimeError, WORDS),
]  # fmt: skip


@pytest.mark.parametrize("error", SHORT, ids=lambda e: str(e)[:40] or type(e).__name__)
def test_memory_that_ran_out(error):
    class Model:
        device, seen = "somewhere", []

        def __call__(self, x, sigma, labels):
            self.seen.append(len(x))
            if len(x) > 2:
                raise error
            return x

    x = torch.arange(8.0)
    assert torch.equal(Chunks().ask(Model(), x, 1.0, None), x) and Model.seen == [8, 4, 2, 2, 2, 2]
    with pytest.raises(EnvironmentError_, match="out of memory on here; do less"):
        with memory_of("here", "do less"):
            raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), RecursionError("out of memory"),
                                   OSError(errno.ENOSPC, "full"), ValueError("out of memory"),
                                   None],
                         ids=str)  # fmt: skip
def test_what_is_no_lack_of_memory(error):
    assert not out_of_memory(error)


def test_a_command_says_it(monkeypatch, capsys):
    def short(*args):
        raise MemoryError("Unable to allocate 9 EiB")

    monkeypatch.setattr("samplebench.bench.plan.make", short)
    assert main(["run"]) == 3
    err = capsys.readouterr().err
    assert (
        err.startswith("samplebench: error: out of memory (MemoryError: Unable") and "9 EiB" in err
    )


# What the program around has set.


@contextmanager
def default(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def threads(n):
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


AROUND = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference": torch.inference_mode,
    "gradients": torch.enable_grad,
    "double": lambda: default(torch.float64),
    "half": lambda: default(torch.float16),
    "elsewhere": lambda: torch.device("meta"),
    "threads": lambda: threads(3),
    "numpy": lambda: np.errstate(all="raise"),
}


@pytest.fixture(scope="module")
def usual():
    net = sb.load("digits-vp")
    return net, sb.sample(net, "edm", steps=3, seeds=range(2), S_churn=3)


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(
            name, marks=() if name in ("autocast", "half", "threads") else pytest.mark.slow
        )
        for name in AROUND
    ],
)
def test_no_bit_depends_on_it(around, model, usual, tmp_path):
    net, drawn = usual
    exact = sb.sample(model, "edm", steps=3, seeds=range(2), S_churn=3)
    value = sb.run(quiet=True, out=tmp_path / "a", **RUN)["fd-digits"][0]
    with AROUND[around]():
        before = settings()
        assert torch.equal(sb.sample(model, "edm", steps=3, seeds=range(2), S_churn=3), exact)
        if around != "threads":  # a network of convolutions takes what there are
            loaded = sb.load("digits-vp")
            for each in (net, loaded):
                x = sb.sample(each, "edm", steps=3, seeds=range(2), S_churn=3)
                assert torch.equal(x, drawn) and not x.requires_grad
        assert sb.run(quiet=True, out=tmp_path / "b", **RUN)["fd-digits"][0] == value
        assert settings() == before


def settings():
    return (
        torch.get_default_dtype(), str(torch.get_default_device()), torch.get_num_threads(),
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"), torch.are_deterministic_algorithms_enabled(),
        os.getcwd(), str(np.geterr()), torch.get_rng_state().numpy().tobytes(),
        str(np.random.get_state()), random.getstate(),
    )  # fmt: skip


QUICK = ("load", "sample", "nvlabs", "churn", "run", "plan", "list")
LONG = ("truncation", "trajectory", "doctor")


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in LONG)])
def test_nothing_global_moves(name, model, tmp_path, capsys):
    out = str(tmp_path / "out")
    words = ["--sampler", "euler", "--steps", "3", "--num-samples", "2", "--quiet", "--out", out]
    calls = {
        "load": lambda: [sb.load(f"digits-{name}") for name in ("vp", "adm", "cld")],
        "sample": lambda: sb.sample(model, "ddim", steps=3, seeds=[1]),
        "nvlabs": lambda: sb.sample(model, "edm", steps=3, seeds=[1], noise="nvlabs", S_churn=9),
        "churn": lambda: sb.sample(model, "edm", steps=3, seeds=[1], S_churn=9),
        "run": lambda: sb.run(quiet=True, out=out, **{**RUN, "sampler": ["edm", steps_along]}),
        "truncation": lambda: truncation(model, "heun", steps=3, seeds=[1], quiet=True),
        "doctor": lambda: main(["doctor", "digits-vp", "--quiet"]),
        "trajectory": lambda: main(["trajectory", *words]),
        "plan": lambda: main(["run", "--dry-run"]),
        "list": lambda: main(["list", "samplers"]),
    }
    before = settings()
    calls[name]()
    assert settings() == before


# Fewer samples or images than features.


def test_few_are_said_in_every_table(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (9, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "few.npy", images)
    made = str(tmp_path / "few.npz")
    assert main(["reference", "make", "--images", str(tmp_path / "few.npy"), "--out", made]) == 0
    assert "9 images are few for 64 features" in capsys.readouterr().err
    assert main(["reference", "describe", made]) == 0
    assert "9 images are few for 64 features" in capsys.readouterr().err
    words = [
        "--sampler",
        "euler",
        "--nfe",
        "3",
        "--num-samples",
        "20",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(["run", *words, "--reference", made]) == 0
    shown = capsys.readouterr()
    assert "9 images are few for 64 features" in shown.err
    assert "N = 20 is not above the 64 features" in shown.out
    assert main(["report", str(tmp_path / "o"), "--quiet"]) == 0
    assert "N = 20 is not above the 64 features" in capsys.readouterr().out


# Streams.


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "koi8-r", "utf-8"])
def test_a_stream_of_few_letters(encoding, errors, monkeypatch, tmp_path):
    raw = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, buffer in raw.items():
        stream = io.TextIOWrapper(buffer, encoding=encoding, errors=errors, write_through=True)
        monkeypatch.setattr(sys, name, stream)
    monkeypatch.setattr(
        "samplebench.cli.cite.main",
        lambda args: print("8 ± 1 ρ σ é \udcff") or say("ρ \u20ac") or 0,
    )
    assert main(["cite"]) == 0
    out, err = (raw[name].getvalue().decode(encoding) for name in ("stdout", "stderr"))
    assert out.startswith("8 ") and " 1 " in out and "defect" not in err and len(err) > 3


@pytest.mark.parametrize("lost", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "words",
    ["list samplers", "published --json", "nosuch", "run --dry-run", "cite", "report nowhere",
     pytest.param("doctor digits-vp", marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_closed_stream(lost, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, lost, None)
    try:
        code = main(words.split())
    except SystemExit as ended:
        code = ended.code
    assert code == (2 if "no" in words else 0)
    assert getattr(sys, lost) is None
    shown = capsys.readouterr()
    assert "defect" not in shown.err and "samplebench: " not in shown.out.partition("@")[0]
