"""identity: which code counts as the same, whatever way it changes."""

from __future__ import annotations

import ast
import functools
import math
import os
import random
import re
import subprocess
import sys
import threading
from collections import defaultdict, namedtuple
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from samplebench.identity import fingerprint, identify

# A module of the user's own, in which almost everything is reached by `mine`.
TEXT = """
import functools, math
import torch
import own_tools
from own_tools import lift

K = 2.0
TABLE = {"a": [1.0, {"b": 2.0}]}
SEEN = {"x", "y", "z"}
WEIGHTS = torch.ones(3)
STEPS = []

class Base:
    gain = 1.0
    def scale(self, x):
        return self.gain * x

class Tool(Base):
    def __init__(self, k):
        self.k = k
    def __call__(self, x):
        return self.scale(self.k * x)
    def step(self, x):
        return self(x)

class Slim:
    __slots__ = ("k",)
    def __init__(self, k):
        self.k = k

def deepest(x):
    return K * x

def deeper(x):
    return deepest(x)

def loud(function):
    @functools.wraps(function)
    def wrapper(x):
        return LOUDNESS * function(x)
    return wrapper

LOUDNESS = 1.0

@loud
def decorated(x):
    return x

@functools.cache
def remembered():
    return K

def by_global(x): return K * x
def by_helper(x): return deepest(x)
def by_helper_of_helper(x): return deeper(x)
def by_table(x): return TABLE["a"] * x
def by_list(x): return sum(STEPS) * x
def by_tensor(x): return WEIGHTS * x
def by_class(x): return Tool(1.0)(x)
def by_slots(x): return SLIM.k * x
def by_module(x): return own_tools.lower(x)
def by_name_of_module(x): return lift(x)
def by_import(x):
    from own_tools import LEVEL
    return LEVEL * x
def by_whole_import(x):
    import own_tools as tools
    return tools.LEVEL * x
def by_getattr(x): return getattr(own_tools, "LEVEL") * x
def by_globals(x): return globals()["K"] * x
def by_modules(x):
    import sys
    return sys.modules["own_tools"].LEVEL * x
def by_nested(x):
    def inner(y):
        return [K * z for z in y]
    return inner(x)
def by_lambda(x): return HALF(x)
HALF = lambda x: K * x / 2
def by_default(x, k=2.0): return k * x
def by_keyword(x, *, k=2.0): return k * x
def by_attribute(x): return by_attribute.k * x
by_attribute.k = 1.0
def by_others(x): return math.sqrt(2.0) + torch.nn.functional.silu(x)
def by_method_of_others(x): return x.clamp(0, 1)
def by_layer(x): return LAYER(x)
def by_cache(x): return remembered() * x
SLIM = Slim(1.0)
LAYER = torch.nn.Identity()

def closing_over(k):
    def inner(x):
        return k * x
    return inner
"""
TOOLS = """
LEVEL = 3.0
def lower(x):
    return LEVEL * x
def lift(x):
    return LEVEL + x
"""


@pytest.fixture
def mine(monkeypatch):
    """The module, freshly made; `own_tools` beside it."""
    for name, text in (("own_tools", TOOLS), ("own_mine", TEXT)):
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(text, f"<{name}>", "exec", dont_inherit=True), module.__dict__)
    return module


def assign(path, value):
    """A change that sets one attribute of the user's module, or of what is in it."""

    def change(mine, monkeypatch):
        *owners, last = path.split(".")
        owner = functools.reduce(getattr, owners, mine)
        monkeypatch.setattr(owner, last, value)

    return change


def twice(x):
    return 2 * x


CHANGES = {
    "global": ("by_global", assign("K", 3.0)),
    "kind of a global": ("by_global", assign("K", 2)),
    "helper": ("by_helper", assign("deepest", twice)),
    "helper of a helper": ("by_helper_of_helper", assign("K", 3.0)),
    "code of a helper": ("by_helper_of_helper", assign("deepest.__code__", twice.__code__)),
    "deep in a table": ("by_table", lambda m, p: m.TABLE["a"][1].update(b=3.0)),
    "order of a table": ("by_table", lambda m, p: m.TABLE.update(a=m.TABLE.pop("a"), c=1)),
    "list in place": ("by_list", lambda m, p: m.STEPS.append(1)),
    "tensor in place": ("by_tensor", lambda m, p: m.WEIGHTS[1].mul_(2)),
    "tensor's dtype": ("by_tensor", lambda m, p: p.setattr(m, "WEIGHTS", m.WEIGHTS.double())),
    "array for a tensor": ("by_tensor", lambda m, p: p.setattr(m, "WEIGHTS", np.ones(3, "f4"))),
    "class attribute": ("by_class", assign("Tool.gain", 2.0)),
    "base class": ("by_class", assign("Base.scale", lambda self, x: x)),
    "slot": ("by_slots", lambda m, p: setattr(m.SLIM, "k", 2.0)),
    "own module": ("by_module", assign("own_tools.LEVEL", 4.0)),
    "own module patched": ("by_module", assign("own_tools.lower", twice)),
    "from own module": ("by_name_of_module", assign("own_tools.LEVEL", 4.0)),
    "import inside": ("by_import", assign("own_tools.LEVEL", 4.0)),
    "whole import inside": ("by_whole_import", assign("own_tools.LEVEL", 4.0)),
    "attribute by name": ("by_getattr", assign("own_tools.LEVEL", 4.0)),
    "globals by name": ("by_globals", assign("K", 3.0)),
    "module by name": ("by_modules", assign("own_tools.LEVEL", 4.0)),
    "nested function": ("by_nested", assign("K", 3.0)),
    "lambda": ("by_lambda", assign("HALF", lambda x: x / 2)),
    "global of a lambda": ("by_lambda", assign("K", 3.0)),
    "default": ("by_default", assign("by_default.__defaults__", (3.0,))),
    "default of a keyword": ("by_keyword", assign("by_keyword.__kwdefaults__", {"k": 3.0})),
    "its own attribute": ("by_attribute", assign("by_attribute.k", 2.0)),
    "decorator's global": ("decorated", assign("LOUDNESS", 2.0)),
    "decorated function": ("decorated", assign("decorated.__wrapped__.__code__", twice.__code__)),
    "builtin of others": ("by_others", lambda m, p: p.setattr(math, "sqrt", math.cbrt)),
    "patch of others": (
        "by_others", lambda m, p: p.setattr(torch.nn.functional, "silu", twice)
    ),
    "patched method of others": (
        "by_method_of_others", lambda m, p: p.setattr(torch.Tensor, "clamp", lambda x, *a: x)
    ),
    "patched base of others": (
        "by_layer", lambda m, p: p.setattr(torch.nn.Module, "__call__", twice)
    ),
    "behind a cache": ("by_cache", assign("K", 3.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_it_reaches_counts(mine, monkeypatch, name):
    function, change = CHANGES[name]
    before = identify(getattr(mine, function))
    assert identify(getattr(mine, function)) == before
    assert before.unknown == ""
    change(mine, monkeypatch)
    assert fingerprint(getattr(mine, function)) != before.sha256


class Net(torch.nn.Module):
    def __init__(self, k):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)
        self.inner.weight.data.fill_(k)
        self.inner.bias.data.zero_()


@dataclass
class Setting:
    k: float
    rest: list = field(default_factory=lambda: [{1, 2}, range(3), b"x", 1j])


def scale(x, by=1.0, table=None):
    return x * by


BOUND = {
    "closure": lambda m, k: m.closing_over(k),
    "object": lambda m, k: m.Tool(k),
    "method": lambda m, k: m.Tool(k).step,
    "method of a class": lambda m, k: type("Own", (), {"k": k, "f": classmethod(scale)}).f,
    "slots": lambda m, k: m.Slim(k),
    "partial": lambda m, k: functools.partial(scale, by=k),
    "partial's position": lambda m, k: functools.partial(scale, k),
    "partial of a partial": lambda m, k: functools.partial(functools.partial(scale, by=k), 1),
    "partial's tensor": lambda m, k: functools.partial(scale, table=torch.full((2,), k)),
    "partial's array": lambda m, k: functools.partial(scale, table=np.array([k, None])),
    "dataclass": lambda m, k: Setting(k),
    "network": lambda m, k: Net(k),
    "network's method": lambda m, k: Net(k).forward,
    "member": lambda m, k: Enum("Own", {"K": k}).K,
    "tuple's class": lambda m, k: namedtuple("Own", "k")(k),
    "list's class": lambda m, k: type("Own", (list,), {})([k]),
    "table with a default": lambda m, k: defaultdict(list, k=k),
    "half precision": lambda m, k: torch.tensor([k], dtype=torch.bfloat16),
    "sparse": lambda m, k: (torch.eye(2) * k).to_sparse(),
    "pattern": lambda m, k: re.compile(str(k)),
    "without gradients": lambda m, k: torch.no_grad()(m.closing_over(k)),
    "context": lambda m, k: contextmanager(m.closing_over(k)),
    "vectorized": lambda m, k: np.vectorize(m.closing_over(k)),
}


@pytest.mark.parametrize("make", BOUND.values(), ids=BOUND)
def test_what_is_bound_into_it_counts(mine, make):
    one = identify(make(mine, 2.0))
    assert one == identify(make(mine, 2.0))
    assert one.unknown == ""
    assert one.sha256 != fingerprint(make(mine, 3.0))


UNKNOWN = {
    "a _thread.lock": threading.Lock(),
    "a generator is under way": (x for x in ()),
    "a list_iterator is under way": iter([1]),
    "a Random is a live random generator": random.Random(0),
    "a Generator is a live random generator": np.random.default_rng(0),
    "a Generator is a live": torch.Generator(),
    "a tensor without values": torch.ones(2, device="meta"),
    "a TextIOWrapper is an open file": sys.__stdout__,
    "a numpy.ufunc has no describable state": np.frompyfunc(scale, 1, 1),
}


@pytest.mark.parametrize("reason", UNKNOWN)
def test_what_cannot_be_described_is_told(mine, reason):
    mine.K = SimpleNamespace(inner=[UNKNOWN[reason]])
    told = identify(mine.by_helper_of_helper).unknown
    assert told.startswith("global 'K' of own_mine, attribute 'inner' of a SimpleNamespace: ")
    assert reason in told


def test_a_cache_must_not_hold_values_of_other_code(mine):
    assert identify(mine.by_cache).unknown == ""
    mine.by_cache(1.0)
    assert identify(mine.by_cache).unknown == ""
    mine.K = 3.0
    assert "the cache of remembered holds values of other code" in identify(mine.by_cache).unknown
    mine.remembered.cache_clear()
    assert identify(mine.by_cache).unknown == ""


def test_cycles_and_long_chains_end():
    lines = [f"def f{i}(x): return f{i + 1}(x)" for i in range(500)]
    # All of them call all others, and remember what they were told.
    calls = " + ".join(f"g{i}(x - 1)" for i in range(12))
    lines += [f"@functools.cache\ndef g{i}(x): return {calls} if x else 0" for i in range(12)]
    names: dict = {"__name__": "chain", "functools": functools}
    exec("\n".join([*lines, "def f500(x): return f0(x) + g0(x) + K", "K = 1.0"]), names)
    before = identify(names["f0"])
    assert before == identify(names["f0"]) and before.unknown == ""
    names["K"] = 2.0
    assert fingerprint(names["f0"]) != before.sha256


def test_others_are_their_version(monkeypatch):
    """Not their state: numpy's and torch's change from call to call."""
    functions = [scale, np.linalg.norm, torch.nn.functional.silu, np.exp, math.sqrt]
    before = [identify(each) for each in functions]
    np.random.rand(3), torch.rand(3), np.linalg.norm([1.0])
    assert [identify(each) for each in functions] == before
    assert all(each.unknown == "" for each in before)
    installed = fingerprint(np.linalg.norm)
    monkeypatch.setattr("samplebench.identity.callables.origin_of_function", lambda f: "numpy 0.1")
    monkeypatch.setattr("samplebench.identity.classes.origin_of_class", lambda f: "numpy 0.1")
    assert fingerprint(np.linalg.LinAlgError) != installed


FUNCTIONS = [name for name, _ in CHANGES.values()]
PRINT = """
if __name__ == "__main__":
    from samplebench.identity import fingerprint
    print([fingerprint(globals()[name]) for name in {names}])
"""


def test_another_process_lines_and_comments_make_no_difference(tmp_path, mine):
    """As a script, under another hash seed, in another file and order."""
    whole = {"by_globals", "by_getattr", "by_modules", "by_whole_import"}  # of files, or what is
    names = sorted({*FUNCTIONS} - whole)  # added here
    expected = [fingerprint(getattr(mine, name)) for name in names]
    (tmp_path / "own_tools.py").write_text(TOOLS)
    moved = TEXT.replace("def by_global(x):", "# a remark\n\ndef by_global(x):")
    moved = moved.replace("def lower(x):", 'def lower(x):\n    """Says what it does."""')
    (tmp_path / "own_mine.py").write_text(f"# a head\n\n{moved}{PRINT.format(names=names)}")
    done = subprocess.run(
        [sys.executable, "own_mine.py"],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ast.literal_eval(done.stdout) == expected
