"""What a network, sampler, extractor or metric of others may answer, and how each answer ends.

Every case is a sweep of one or two cells in this process: its exit code, its line, its record and
score.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch


@dataclass
class Output:
    """As some libraries return it."""

    sample: torch.Tensor


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("cannot speak")


def raises(error):
    def fault(*given):
        raise error

    return fault


def at(net, sigma, answer, value):
    """A value in the first sample of the batch, at noise levels around one of the three steps."""
    if 0.5 < net.sigma / sigma < 2:
        answer[0, 0, 3, 3] = value
    return answer


def spoilt(array, value, row=0):
    array = array.clone()
    array[row, ..., -1] = value
    return array


def in_place(net, x, answer):
    answer = answer.clone()
    x.mul_(3)
    return answer


def behind_its_back(net, x, answer):
    answer = answer.clone()
    x.data.numpy()[:] = 7
    return answer


def same_memory(net, x, answer):
    net.memory = answer.clone() if net.memory is None else net.memory.copy_(answer)
    return net.memory


def training(net, x, answer):
    net.network = torch.nn.Sequential(torch.nn.Linear(1, 1)).train()
    return answer


# What anybody's code may raise, and the words of the line that names it.
RAISED = {
    "RuntimeError": (RuntimeError("first\nsecond"), r"RuntimeError: first\)"),
    "empty message": (ValueError(""), r"\(ValueError\)"),
    "blank lines": (ValueError("\n\n  late  \n"), r"ValueError: late\)"),
    "escapes": (ValueError("\x1b[31mred\r::error ::"), r"ValueError: \[31mred"),
    "no text at all": (Mute(), r"\(Mute\)"),
    "exit(0)": (SystemExit(0), r"SystemExit: 0\)"),
    "exit()": (SystemExit(), r"\(SystemExit\)"),
    "KeyboardInterrupt": (KeyboardInterrupt(), r"\(KeyboardInterrupt\)"),
    "GeneratorExit": (GeneratorExit(), r"\(GeneratorExit\)"),
    "StopIteration": (StopIteration(), r"\(StopIteration\)"),
    "RecursionError": (RecursionError("too deep"), "RecursionError: too deep"),
    "AssertionError": (AssertionError(), r"\(AssertionError\)"),
    "a warning": (UserWarning("as error"), "UserWarning: as error"),
    "OSError": (FileNotFoundError(2, "No such file", "mine.pt"), "FileNotFoundError.*mine.pt"),
    "PermissionError": (PermissionError(13, "denied"), "PermissionError.*denied"),
    "BrokenPipeError": (BrokenPipeError(32, "Broken pipe"), "BrokenPipeError"),
}

# answer -> what the line says of it, where a tensor like the state is wanted.
TENSORS = {
    "one row": (lambda a: a[:1], r"\[1, 1, 8, 8\] float64 where a tensor \[8, 1, 8, 8\]"),
    "twice the batch": (lambda a: torch.cat([a, a]), r"\[16, 1, 8, 8\]"),
    "three channels": (lambda a: a.expand(-1, 3, -1, -1), r"\[8, 3, 8, 8\]"),
    "half the height": (lambda a: a[:, :, :4], r"\[8, 1, 4, 8\]"),
    "one pixel": (lambda a: a.mean((2, 3), keepdim=True), r"\[8, 1, 1, 1\]"),
    "flat": (lambda a: a.flatten(1), r"\[8, 64\]"),
    "a number": (lambda a: a.mean(), r"\[\] float64"),
    "whole numbers": (lambda a: a.long(), "int64"),
    "truths": (lambda a: a > 0, "bool"),
    "complex": (lambda a: a.to(torch.complex128), "complex128"),
    "numpy": (lambda a: a.numpy(), r"a numpy array \[8, 1, 8, 8\] float64"),
    "a tuple": (lambda a: (a, None), "a tuple of 2 .*; return its first entry"),
    "a list": (lambda a: [a], "a list of 1"),
    "a dict": (lambda a: {"sample": a}, "a dict of 1"),
    "an output": (lambda a: Output(a), "an Output .*; return its .sample"),
    "None": (lambda a: None, "returned None where a tensor"),
    "text": (lambda a: "x0", "str 'x0'"),
    "sparse": (lambda a: a.to_sparse(), "layout sparse_coo"),
    "elsewhere": (lambda a: a.to("meta"), "on meta"),
}  # fmt: skip

# Network: fault -> exit code, what is said, whether the value is the honest network's.
NETWORKS = {
    "honest": (lambda net, x, a: a, 0, "", True),
    "half precision": (lambda net, x, a: a.to(torch.bfloat16), 0, "", False),
    "single precision": (lambda net, x, a: a.float(), 0, "", False),
    "with gradients": (lambda net, x, a: a.clone().requires_grad_(), 0, "", True),
    "writes on its input": (in_place, 0, "", True),
    "writes on it behind torch": (behind_its_back, 0, "", True),
    "the same memory": (same_memory, 0, "", True),
    "a view of its input": (lambda net, x, a: x.copy_(a), 0, "", True),
    "nan": (lambda net, x, a: at(net, 80, a, torch.nan), 1, r"evaluation 1 on \(sigma 80\)", None),
    "inf in the middle": (
        lambda net, x, a: at(net, 2, a, torch.inf).clip(-1e30) if net.sigma < 80 else a, 1,
        r"2 of 12 samples: the network of own was not finite from evaluation 2 on \(sigma 2", None,
    ),
    "-inf at the end": (lambda net, x, a: at(net, 0.002, a, -torch.inf), 1, "evaluation 3", None),
    "torch.randn": (lambda net, x, a: a + 0 * torch.randn(1), 0, "draws from torch's", True),
    "dropout": (
        lambda net, x, a: torch.dropout(a, 0.1, True), 0,
        "the network of own (draws from torch's|answers)", False,
    ),
    "numpy's generator": (lambda net, x, a: a * np.random.rand(), 0, "draws from numpy's", False),
    "Python's generator": (lambda net, x, a: a * random.random(), 0, "from Python's", False),
    "a state of its own": (
        lambda net, x, a: a * (1 + net.calls / 1e4), 0, "gives different outputs for the "
        "same", False,
    ),
    "in training mode": (training, 0, "is in training mode", True),
}  # fmt: skip
NETWORKS |= {
    name: (lambda net, x, a, change=change: change(a), 2, f"the network of own .*{words}", None)
    for name, (change, words) in TENSORS.items()
}  # fmt: skip
NETWORKS |= {
    name: (raises(error), 2, f"the network of own failed.*{words}", None)
    for name, (error, words) in RAISED.items()
}
# The machine's fault, whoever meets it.
NETWORKS |= {
    f"out of memory: {error}": (raises(error), 3, "out of memory in the network of own", None)
    for error in (
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
    )
}

# Sampler: what it does to the result of Euler's method -> exit code, what is said.
SAMPLERS = {
    "honest": (lambda x: x, 0, ""),
    "single precision": (lambda x: x.float(), 0, ""),
    "nan": (lambda x: spoilt(x, torch.nan), 1, "samples: sampler faulty produced no finite image"),
    "inf": (lambda x: spoilt(x, torch.inf), 1, "produced no finite image"),
    "draws": (lambda x: x + 0 * torch.randn(1), 0, "the sampler draws from torch's"),
    "draws elsewhere": (lambda x: x + 0 * np.random.rand(), 0, "the sampler draws from numpy's"),
    "only in large": (lambda x: x[:, :, :4], 2, r"returned \[8, 1, 4, 8\] float64 where a tensor"),
    "one row": (lambda x: x[:1] if len(x) > 1 else x, 2, r"returned \[1, 1, 8, 8\]"),
    "only for many": (lambda x: x.tolist() if len(x) > 1 else x, 2, "returned a list of 8"),
    "leaves": (lambda x: exit(0), 2, "SystemExit: 0"),
}
SAMPLERS |= {
    f"returns {name}": (TENSORS[name][0], 2, "sampler faulty returned .*where a tensor")
    for name in ("flat", "numpy", "None", "whole numbers", "complex", "sparse", "elsewhere")
}  # fmt: skip
SAMPLERS |= {
    f"raises {name}": (raises(RAISED[name][0]), 2, f"sampler faulty .*{RAISED[name][1]}")
    for name in ("exit(0)", "GeneratorExit", "OSError", "no text at all", "empty message")
}

# Extractor: (images, features) -> what it returns, exit code, what is said.
EXTRACTORS = {
    "honest": (lambda i, f: f, 0, ""),
    "numpy": (lambda i, f: f.numpy(), 0, ""),
    "single precision": (lambda i, f: f.float(), 0, ""),
    "with gradients": (lambda i, f: f.requires_grad_(), 0, ""),
    "whole numbers": (lambda i, f: i.flatten(1), 0, ""),
    "nan": (lambda i, f: spoilt(f, torch.nan), 1, "extractor faulty: .* of 1 of 8 images"),
    "inf": (lambda i, f: spoilt(f, -torch.inf, 3), 1, "are not finite"),
    "too large to square": (lambda i, f: spoilt(f, 1e200), 1, "are not finite"),
    "a masked array": (lambda i, f: np.ma.masked_less(f.numpy(), 0.5), 2, "MaskedArray"),
    "draws": (lambda i, f: f + 0 * torch.rand(1), 0, "extractor faulty draws from torch's"),
    "fewer rows": (lambda i, f: f[:-1], 2, r"returned \[7, 64\] float64 where \[8, 64\]"),
    "more rows": (lambda i, f: torch.cat([f, f]), 2, r"\[16, 64\]"),
    "another dimension": (lambda i, f: f[:, :5], 2, r"\[8, 5\]"),
    "one dimension": (lambda i, f: f[:, 0], 2, r"\[8\] float64"),
    "not flat": (lambda i, f: f[:, :, None, None], 2, r"\[8, 64, 1, 1\]"),
    "complex": (lambda i, f: f.to(torch.complex64), 2, "complex64"),
    "truths": (lambda i, f: f > 0, 2, "bool"),
    "a list": (lambda i, f: f.tolist(), 2, "a list of 8"),
    "None": (lambda i, f: None, 2, "None"),
    "objects": (lambda i, f: f.numpy().astype(object), 2, "object"),
    "sparse": (lambda i, f: f.to_sparse(), 2, "sparse_coo"),
    "elsewhere": (lambda i, f: f.to("meta"), 2, "extractor faulty"),
    **{
        f"raises {name}": (raises(RAISED[name][0]), 2, f"extractor faulty .*{RAISED[name][1]}")
        for name in ("RuntimeError", "exit()", "OSError", "KeyboardInterrupt")
    },
    "out of memory": (raises(MemoryError()), 3, "out of memory in extractor faulty"),
}  # fmt: skip

# Metric: value -> what it returns, exit code, what is said.
METRICS = {
    "honest": (lambda v: {"value": v, "part": v / 2}, 0, ""),
    "a bare float": (float, 0, ""),
    "of numpy": (lambda v: {"value": np.float32(v)}, 0, ""),
    "of torch": (lambda v: {"value": torch.tensor(v, requires_grad=True)}, 0, ""),
    "0-d array": (lambda v: np.array(v), 0, ""),
    "nan": (lambda v: {"value": np.nan}, 1, "metric faulty: its value is nan"),
    "bare inf": (lambda v: np.inf, 1, "its value is inf"),
    "-inf of torch": (lambda v: {"value": torch.tensor(-torch.inf)}, 1, "its value is -inf"),
    "more than a float": (lambda v: 10**400, 1, "its value is inf"),
    "a term is nan": (lambda v: {"value": v, "part": np.float64("nan")}, 1, "its part is nan"),
    "LinAlgError": (raises(np.linalg.LinAlgError("no convergence")), 1, "no convergence"),
    "division by zero": (lambda v: {"value": 1 / 0}, 1, "ZeroDivisionError"),
    "draws": (lambda v: {"value": v + 0 * np.random.rand()}, 0, "metric faulty draws from numpy's"),
    "complex": (lambda v: {"value": complex(v)}, 2, "returned complex .* as its value"),
    "None": (lambda v: None, 2, "NoneType|None"),
    "text": (lambda v: {"value": str(v)}, 2, "str '"),
    "a truth": (lambda v: {"value": v > 0}, 2, "bool"),
    "a list": (lambda v: [v], 2, "a list of 1"),
    "an array": (lambda v: np.array([v]), 2, r"a numpy array \[1\]"),
    "nothing called value": (lambda v: {"fid": v}, 2, "returned fid without 'value'"),
    "a term of text": (lambda v: {"value": v, "unit": "nats"}, 2, "as its unit"),
    "a term without a name": (lambda v: {"value": v, 3: v}, 2, "a term called int 3"),
    **{
        f"raises {name}": (raises(RAISED[name][0]), 2, f"metric faulty failed.*{RAISED[name][1]}")
        for name in ("RuntimeError", "exit(0)", "OSError", "RecursionError", "no text at all")
    },
}  # fmt: skip


def check(outcome, code, words, name="euler"):
    """One line that says it, and a record with its score exactly where the cell is finished.

    Images that are none fail with their record; of others only the score does.
    """
    found, err, cells = outcome
    assert found == code, err
    if words:
        assert any(re.search(words, line) for line in err.splitlines()), err
    if code in (2, 3):
        last = err.rstrip("\n").splitlines()[-1]
        assert last.startswith("samplebench: error: ") and last.isprintable()
        assert not cells
        return None
    record, score = cells[name]
    value = score["value"]
    if code == 1:
        assert value == {"value": None, "stderr": None} and score["failed"] in err
        assert record.get("failed") in (score["failed"] if record["nonfinite"] else None,)
        assert f"failed: own {name}" in err
    else:
        assert "failed" not in {*record, *score} and np.isfinite(value["value"])
    doubts = [*record.get("unsteady", []), *score.get("unsteady", [])]
    assert all(doubt in err for doubt in doubts)
    assert bool(doubts) is ("not seed-reproducible" in err)
    return value["value"]


@pytest.fixture(scope="module")
def honest():
    """The value of the honest network, by the first test that finds it."""
    return {}


@pytest.mark.parametrize("case", NETWORKS)
def test_networks(sweep, honest, case):
    fault, code, words, same = NETWORKS[case]
    value = check(sweep(network=fault), code, words)
    if same:
        assert value == honest.setdefault("value", value)


@pytest.mark.parametrize("case", SAMPLERS)
def test_samplers(sweep, case):
    fault, code, words = SAMPLERS[case]
    check(sweep(sampler=fault, names="faulty"), code, words, "faulty")


@pytest.mark.parametrize("case", EXTRACTORS)
def test_extractors(sweep, case):
    fault, code, words = EXTRACTORS[case]
    check(sweep(extractor=fault), code, words)


@pytest.mark.parametrize("case", METRICS)
def test_metrics(sweep, case):
    fault, code, words = METRICS[case]
    check(sweep(metric=fault), code, words)
