"""Names to objects: decorator, entry points, import paths, and what a wrong name is told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from samplebench import registry as shipped
from samplebench.errors import SamplebenchError, UsageError, unknown
from samplebench.registry import Entry, Registry


@dataclass(frozen=True)
class ThingEntry(Entry):
    order: int | None = None
    colour: str = "grey"


@pytest.fixture
def module(monkeypatch):
    """An empty importable module, `toy_things`."""
    module = ModuleType("toy_things")
    monkeypatch.setitem(sys.modules, "toy_things", module)
    return module


@pytest.fixture
def points(monkeypatch):
    """Entry points that the registry finds, by group."""
    found: dict[str, list[EntryPoint]] = {}
    monkeypatch.setattr(
        "samplebench.registry.registry.entry_points", lambda group: found.get(group, [])
    )
    return found


@pytest.fixture
def things(module, points):
    return Registry("thing", ("toy_things",), ThingEntry)


def make(name: str, module: str = "toy_things"):
    def function():
        """First line.

        Second paragraph.
        """

    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    return function


def test_the_decorator_files_an_object_with_its_facts(things):
    function = make("one")
    assert things.register("one", order=3)(function) is function
    entry = things.entry("one")
    assert (entry.name, entry.obj, entry.summary) == ("one", function, "First line.")
    assert (entry.order, entry.colour, entry.builtin) == (3, "grey", False)
    assert things.get("one") is function
    assert "one" in things and "two" not in things


def test_a_summary_replaces_the_docstring(things):
    things.register("one", summary="something else")(make("one"))
    assert things.entry("one").summary == "something else"


def test_builtin_means_samplebenchs_own_module(things):
    things.register("one")(make("one", "samplebench.samplers.one"))
    things.register("two")(make("two", "samplebench_extras.two"))
    assert [entry.builtin for entry in things] == [True, False]


def test_a_fact_the_registry_does_not_know_is_refused(things):
    with pytest.raises(UsageError, match=r"thing 'one': unknown facts \['size'\]"):
        things.register("one", size=1)


def test_a_taken_name_is_refused_and_kept(things):
    first = make("one")
    things.register("one")(first)
    with pytest.raises(UsageError, match="'one' is already registered by toy_things"):
        things.register("one")(make("other", "elsewhere"))
    assert things.get("one") is first


def test_the_same_definition_may_be_registered_again(things):
    """A module that is imported twice, or a notebook cell that is run twice."""
    things.register("one")(make("one"))
    again = make("one")
    things.register("one")(again)
    assert things.get("one") is again


def test_iteration_and_names_are_sorted(things):
    for name in ("b", "c", "a"):
        things.register(name)(make(name))
    assert things.names() == [entry.name for entry in things] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("eulr", "did you mean 'euler'?"),
        ("Heun", "did you mean 'heun'?"),
        ("zzzz", "known: euler, heun"),
    ],
)
def test_a_wrong_name_is_told_the_nearest_one(things, wrong, hint):
    for name in ("heun", "euler"):
        things.register(name)(make(name))
    with pytest.raises(UsageError) as caught:
        things.get(wrong)
    text = str(caught.value)
    assert text.startswith(f"unknown thing '{wrong}'; {hint}")
    assert text.endswith("(all: samplebench list things)")


def test_unknown_without_known_names():
    assert str(unknown("thing", "x", [])) == "unknown thing 'x'; known: none"


def test_an_import_path_is_imported_and_not_listed(things, module):
    module.function = make("function")
    assert things.get("toy_things:function") is module.function
    assert things.entry("toy_things:function").colour == "grey"
    assert things.names() == []


def test_an_import_path_of_a_registered_object_is_its_entry(things, module):
    module.function = make("function")
    things.register("one", colour="red")(module.function)
    assert things.entry("toy_things:function") is things.entry("one")


def test_an_import_may_register_by_itself(things, module, monkeypatch):
    """`--sampler package.module:function` of a module that uses the decorator keeps its facts."""
    module.function = things.register("one", order=2)(make("function"))
    assert things.entry("toy_things:function").order == 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_package_at_all:function", "No module named 'no_such_package_at_all'"),
        ("toy_things:missing", "has no attribute 'missing'"),
        (":function", "package.module:function"),
        ("toy_things:number", "is not callable"),
    ],
)
def test_a_bad_import_path(things, module, path, reason):
    module.number = 3
    with pytest.raises(UsageError, match=reason) as caught:
        things.get(path)
    assert f"thing '{path}'" in str(caught.value)


def test_entry_points_are_found_under_the_registrys_group(things, module, points):
    module.function = make("function")
    points["samplebench.things"] = [
        EntryPoint("plugged", "toy_things:function", "samplebench.things")
    ]
    points["samplebench.others"] = [EntryPoint("other", "toy_things:other", "samplebench.others")]
    assert things.names() == ["plugged"]
    assert things.get("plugged") is module.function


def test_an_entry_point_cannot_replace_what_is_registered(things, module, points):
    own = make("own")
    things.register("one")(own)
    points["samplebench.things"] = [EntryPoint("one", "toy_things:missing", "samplebench.things")]
    assert things.get("one") is own


def test_a_plugin_that_uses_the_decorator_keeps_its_facts(things, module, points):
    def load_on_access(name):
        if name != "function":
            raise AttributeError(name)
        return things.register("plugged", order=5)(make("function"))

    module.__getattr__ = load_on_access
    points["samplebench.things"] = [
        EntryPoint("plugged", "toy_things:function", "samplebench.things")
    ]
    assert things.entry("plugged").order == 5


def test_a_broken_plugin_is_named(things, points):
    points["samplebench.things"] = [
        EntryPoint("plugged", "no_such_package_at_all:function", "samplebench.things")
    ]
    with pytest.raises(SamplebenchError, match="plugged"):
        things.names()


def test_the_home_package_is_imported_on_first_use(module, points, tmp_path, monkeypatch):
    (tmp_path / "toy_home").mkdir()
    (tmp_path / "toy_home" / "__init__.py").write_text("")
    (tmp_path / "toy_home" / "part.py").write_text(
        "from toy_things import things\n@things.register('deep')\ndef deep(): 'Deep.'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module.things = Registry("thing", ("toy_home",), ThingEntry)
    assert "toy_home" not in sys.modules
    assert [entry.summary for entry in module.things] == ["Deep."]
    for name in ("toy_home", "toy_home.part"):
        monkeypatch.delitem(sys.modules, name)


def test_a_bare_function_gets_one_entry(things):
    function = make("one")
    entry = things.add(function)
    assert entry.name == "toy_things:one"
    assert things.add(function) is entry
    assert things.get("toy_things:one") is function
    assert things.names() == []


def test_adding_a_registered_function_gives_its_entry(things):
    function = things.register("one", order=4)(make("one"))
    assert things.add(function) is things.entry("one")


def test_a_redefined_function_takes_the_place_of_the_old_one(things):
    old, new = make("one"), make("one")
    things.add(old)
    assert things.add(new).obj is new
    assert things.get("toy_things:one") is new


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("samplers", "sampler", {"euler", "heun", "edm", "ddim"}),
        (
            "discretizations",
            "discretization",
            {"edm", "vp", "ve", "iddpm", "logsnr", "polyexponential", "time_uniform"},
        ),
        ("adapters", "adapter", {"exact"}),
        ("extractors", "extractor", {"digits"}),
        ("metrics", "metric", {"fd-digits"}),
    ],
)
def test_what_ships(name, kind, expected):
    found = getattr(shipped, name)
    assert (found.kind, found.group) == (kind, f"samplebench.{name}")
    assert expected <= set(found.names())
    assert all(found.entry(each).builtin and found.entry(each).summary for each in expected)
