"""The house stands: floors without upward imports or circles, small rooms, one name a class, and
what is known of a kind of time in timelines/ alone. See docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import samplebench
from samplebench.registry import timelines

HOUSE = Path(samplebench.__file__).parent
FLOORS = {
    1: "errors embedded identity ticker ambient version",
    2: "answers files networks protocols images extras",
    3: "registry processes download devices noise results image_sets cards",
    4: "models checkpoints metrics discretizations samplers regression",
    5: "timelines adapters features references citations schedulers published",
    6: "sampling loading scoring",
    7: "bench report",
    8: "api compare doctor history likelihood trajectory",
    9: "advise board cli pytest_plugin reproduce testing tune samplebench __main__",
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
LOOSE = {
    "ambient", "api", "citations", "devices", "discretizations", "errors", "extras", "images",
    "protocols", "pytest_plugin", "ticker", "version",
}  # fmt: skip


def _name(path: Path) -> str:
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    """Every module's syntax tree by name."""
    files = sorted(HOUSE.rglob("*.py"))
    return {_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def _typing_only(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING`."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    return {
        inner
        for block in blocks
        if "TYPE_CHECKING" in ast.unparse(block.test)
        for part in block.body
        for inner in ast.walk(part)
    }


def _targets(node: ast.AST) -> list[str]:
    """The modules of samplebench that a statement imports."""
    known = trees()
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in known]
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return []
    assert node.level == 0, "imports are absolute"
    full = {f"{node.module}.{alias.name}" for alias in node.names}
    return sorted(full & known.keys()) or [node.module] * (node.module in known)


@cache
def imports(typing: bool) -> dict[str, set[str]]:
    """Module -> modules that it imports, those inside functions among them.

    Args:
        typing: those under TYPE_CHECKING, and no others.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees().items():
        aside = _typing_only(tree)
        for node in ast.walk(tree):
            if (node in aside) is typing:
                found[module] |= {target for target in _targets(node) if target != module}
    return found


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that import each other in a loop (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in arrows.get(name, ()):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            place = stack.index(name)
            if len(group := stack[place:]) > 1:
                found.append(sorted(group))
            del stack[place:]

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return found


def between_rooms(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for module, targets in arrows.items():
        found[room(module)] |= {room(target) for target in targets} - {room(module)}
    return found


def test_every_room_has_a_floor_and_few_stand_loose():
    rooms = {room(module) for module in trees()}
    assert rooms == set(FLOOR)
    assert len(FLOORS) <= 9
    loose = {path.stem for path in HOUSE.glob("*.py")} - {"__init__", "__main__"}
    assert loose == LOOSE and len(LOOSE) <= 15


def _tied(typing: bool) -> list[tuple[str, str]]:
    """(module, module) of different rooms, the first of which imports the second."""
    pairs = [(m, t) for m, targets in imports(typing).items() for t in sorted(targets)]
    return [(m, t) for m, t in pairs if room(m) != room(t)]


def test_every_import_goes_down():
    """A room stands above all that it imports; the doors of the top floor share it."""
    wrong = [
        f"{module} -> {target}"
        for module, target in _tied(False)
        if FLOOR[room(target)] >= FLOOR[room(module)] and FLOOR[room(module)] != max(FLOORS)
    ]
    assert wrong == []


def test_no_import_for_types_alone_goes_up():
    wrong = [f"{m} -> {t}" for m, t in _tied(True) if FLOOR[room(t)] > FLOOR[room(m)]]
    assert wrong == []


def test_there_is_no_circle():
    """Neither of modules nor of rooms; imports for types alone do not tie anything."""
    assert circles(imports(False)) == []
    assert circles(between_rooms(imports(False))) == []


def test_rooms_are_tied_in_no_circle_by_types_either():
    both = {name: imports(False)[name] | imports(True)[name] for name in trees()}
    assert circles(between_rooms(both)) == []


# small rooms


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines after signature and docstring."""
    first, *rest = function.body
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = rest[0] if documented and rest else first
    return (function.end_lineno or 0) - start.lineno + 1


def test_files_and_functions_are_small():
    # The constructor of a released network follows its tensors' names.
    released = {"samplebench.networks.song_unet:__init__"}
    files = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in HOUSE.rglob("*.py")
    }
    assert {path: lines for path, lines in files.items() if lines > 400} == {}
    long = {
        f"{module}:{node.name}": _length(node)
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > 60
    }
    assert set(long) <= released, long


def test_one_class_one_name():
    homes: dict[str, list[str]] = defaultdict(list)
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_attribute_is_made_up():
    """`__getattr__` hides fields from types and search; a module may load a name when asked, and
    what a sampler sees may say what it lacks."""
    allowed = {"samplebench", "samplebench.models.bound", "samplebench.timelines.ends"}
    found = {
        module
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"
    }
    assert found <= allowed


# kinds of time

# Where "linear" is a schedule of betas or of sigma, and "sigma" a covariance.
OTHERWISE = {
    "samplebench.processes.discrete": {"linear"},
    "samplebench.processes.coordinates": {"linear"},
    "samplebench.samplers.probability_flow": {"linear"},
    "samplebench.image_sets.arrays": {"sigma"},
    # The process of that name.
    "samplebench.processes": {"discrete"},
}
TESTS = re.compile(r"_?(is|on|has|needs)_(sigma|discrete|linear|isotropic|native)(_model)?")
LOOKED_FOR = {"predict", "predict_x0", "diffusion", "law", "eps", "kind", "alpha_bar"}


def _kind_tests(module: str, tree: ast.Module) -> list[str]:
    """Where a module outside timelines/ tells kinds of time apart."""
    classes = {entry.obj.__name__ for entry in timelines} | {"Timeline"}
    words = {entry.name for entry in timelines} | {e.obj.label for e in timelines} - {""}
    words -= OTHERWISE.get(module, set())
    found = []
    for node in ast.walk(tree):
        wrong = False
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            held = [c for p in parts for c in ast.walk(p) if isinstance(c, ast.Constant)]
            wrong = any(isinstance(c.value, str) and c.value in words for c in held)
        elif isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Constant):
            wrong = node.value.value in words
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            wrong = TESTS.fullmatch(name) is not None
            if name in ("isinstance", "issubclass"):
                named = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                named |= {n.attr for n in ast.walk(node.args[1]) if isinstance(n, ast.Attribute)}
                wrong |= bool(named & classes)
            given = [a.value for a in node.args if isinstance(a, ast.Constant)]
            wrong |= name in ("hasattr", "getattr") and bool(LOOKED_FOR & {*map(str, given)})
            wrong |= name in ("startswith", "endswith") and bool(words & {*map(str, given)})
        elif isinstance(node, ast.Dict):
            # A table by kind: several of them are keys.
            keys = {k.value for k in node.keys if isinstance(k, ast.Constant)}
            wrong = len(words & keys) > 1
        if wrong:
            found.append(f"{module}:{node.lineno}: {ast.unparse(node)}")
    return found


def test_only_timelines_tell_kinds_of_time_apart():
    found = [
        line
        for module, tree in trees().items()
        if room(module) != "timelines"
        for line in _kind_tests(module, tree)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'if entry.timeline == "discrete": pass',
        'x = 1 if model.kind != "sigma" else 2',
        'if grid["name"] == "respacing": pass',
        'if kind in ("linear", "flow"): pass',
        "if is_linear(model): pass",
        "if model.is_discrete(): pass",
        "if isinstance(setting.timeline, Sigma): pass",
        "if isinstance(t, (int, timelines.Discrete)): pass",
        "if issubclass(t, Timeline): pass",
        'if hasattr(model, "predict"): pass',
        'match kind:\n    case "linear": pass',
        'f = {"sigma": g, "discrete": h}[kind]',
        'if getattr(model, "predict", None): pass',
        'if name.startswith("linear"): pass',
    ],
)
def test_what_tells_kinds_apart_is_seen(line):
    assert _kind_tests("somewhere", ast.parse(line))
