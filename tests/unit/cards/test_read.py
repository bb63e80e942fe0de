"""What a card's file may hold, and what is said of one that holds something else."""

from __future__ import annotations

import json
import os

import pytest
from jsonschema import Draft202012Validator

from samplebench.cards.levels import LevelsCard
from samplebench.cards.read import levels_card, read_card, solver_card
from samplebench.cards.schema import schema
from samplebench.errors import InputError, UsageError
from tests.unit.cards.making import LEVELS, euler, heun, parallel, write

LIST = {"sigmas": [80, 10, 1, 0.002]}


def told(path) -> str:
    """The one line in which reading a file ends."""
    with pytest.raises((InputError, UsageError)) as caught:
        read_card(str(path))
    line = str(caught.value)
    assert line.isprintable() and len(line) < 300 and line.startswith("card ")
    return line


@pytest.mark.parametrize("content", [euler(), euler(time="vp"), heun(), parallel()])
def test_a_card_written_from_what_was_read_says_the_same(tmp_path, content):
    more = {
        "name": "mine-1.2", "model": "digits-exact", "process": "vp", "range": [0.002, 80],
        "author": "Ünal", "cost": {"hours": 1.5, "device": "one", "tuned": True, "by": None},
        "source": "a page", "description": "Trapezoids",
        "shifts": [0.001] * len(content["c"]),
    }  # fmt: skip
    if content["time"] == "vp":
        more["shifts"] = [-0.001] * len(content["c"])
    first = solver_card(str(write(tmp_path / "one.json", {**content, **more})))
    again = solver_card(str(write(tmp_path / "two.json", first.content())))
    assert again.content() == first.content()
    assert {key: first.content()[key] for key in more} == more
    assert first.sha256 != again.sha256 and first.name == "mine-1.2"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("gits-6.json", "gits-6"),
        ("my solver (final).json", "my-solver-final"),
        ("решатель.json", "card"),
        ("a" * 200 + ".json", "a" * 80),
        ("x.y.json", "x.y"),
    ],
)
def test_without_a_name_it_has_that_of_its_file(tmp_path, file, name):
    for content in (LIST, euler(), LIST["sigmas"]):
        assert read_card(str(write(tmp_path / file, content))).name == name


def test_depth_counts_points_that_need_nothing_of_each_other_once(tmp_path):
    card = solver_card(str(write(tmp_path / "one.json", parallel())))
    assert (card.nfe, card.depth) == (6, 4)
    assert solver_card(str(write(tmp_path / "one.json", heun()))).depth == 7


def test_published_lists_are_cards_as_they_stand(tmp_path, goldens):
    lists = json.loads((goldens / "grids" / "published.json").read_text(encoding="utf-8"))["lists"]
    assert len(lists) == 26
    for content in lists:
        card = levels_card(str(write(tmp_path / "one.json", content)))
        assert card.levels == tuple(content["sigmas"])
        for key in ("method", "model", "source"):
            assert card.facts[key] == content[key]


def test_a_list_may_be_bare_and_may_say_of_itself_what_it_likes(tmp_path):
    content = {
        **LIST, "format": "samplebench-solver-card", "version": 1, "name": "mine", "n": 3,
        "range": [0.002, 80], "cost": "two days", "indices": [0, 5, 9, 60], "on_grid": True,
    }  # fmt: skip
    card = levels_card(str(write(tmp_path / "one.json", content)))
    bare = levels_card(str(write(tmp_path / "two.json", LIST["sigmas"])))
    assert card.levels == bare.levels and card.name == "mine" and bare.facts == {}
    told = {"n": 3, "range": [0.002, 80], "cost": "two days", "on_grid": True}
    assert isinstance(card, LevelsCard) and card.facts == told


def broken(**changes):
    return {**euler(), **changes}


C = euler()["c"]
FAULTS = {
    "nothing of a card": ({}, "format is missing"),
    "another format": (broken(format="onnx"), "format is onnx, not samplebench-solver-card"),
    "a version to come": (broken(version=2), "version is 2, not 1"),
    "no times": ({k: v for k, v in euler().items() if k != "times"}, "times is missing"),
    "a misspelled key": (broken(shift=[0, 0, 0, 0]), "did you mean 'shifts'"),
    "a name of another kind": (broken(name="a/b"), "name is a/b; letters"),
    "a name with a line break": (broken(name="ab\n"), "name"),
    "an unknown prediction": (broken(predicts="v"), "predicts is v, not eps, x0, flow"),
    "an unknown time": (broken(time="lambda"), "time is lambda, not sigma, vp, flow"),
    "a time too few": (broken(times=list(LEVELS[:-1])), "a has 4 rows, not 3"),
    "one time": (broken(times=[80]), "times has 1 entries; at least 2"),
    "no noise": (broken(times=[0, 0, 0, 0, 0]), "times[0] is 0"),
    "a negative time": (broken(times=[80, 20, 5, 1, -0.1]), "times[4] is -0.1, less than 0"),
    "a text for a time": (broken(times=[80, "20", 5, 1, 0]), "times[1] is a text, not a number"),
    "a truth value": (broken(times=[80, True, 5, 1, 0]), "times[1] is a truth value"),
    "too few shifts": (broken(shifts=[0]), "shifts has 1 numbers, not 4"),
    "a shift below 0": (broken(shifts=[0, 0, 0, -1]), "evaluation at state 3 is at time 0"),
    "a short row": (broken(c=[*C[:3], [0, 0]]), "c row 3 has 2 numbers, not 4"),
    "a row too few": (broken(a=euler()["a"][:3]), "a has 3 rows, not 4"),
    "a row that is none": (broken(a=[1, 2, 3, 4]), "a[0] is 1, not an array"),
    "null within a row": (broken(c=[[None], *C[1:]]), "c[0][0] is None, not a number"),
    "another count": (broken(nfe=5), "nfe is 5, but its coefficients make 4"),
    "another depth": (broken(depth=3), "depth is 3, but its coefficients make 4"),
    "no evaluation": (broken(c=[[0] * len(row) for row in C]), "never evaluates the network"),
    "a state of nothing": (
        broken(a=[*euler()["a"][:3], [0] * 4], c=[*C[:3], [0] * 4]), "depends on nothing"
    ),
    "a state for nothing": (
        broken(a=[[1], [1, 0], [0, 0, 1], [0, 0, 0, 1]], c=[[-60], [-75, 0], *C[2:]]),
        "state 1 is used by no later one",
    ),
    "an end in more noise": (broken(times=[1, 20, 5, 1, 1]), "times end at 1, not below the 1"),
    "a flow from 1": ({**euler(time="flow"), "times": [1, 0.9, 0.5, 0.1, 0]}, "e.g. at 0.9999"),
    "a vp time beyond 1": ({**euler(time="vp"), "times": [1.1, 0.9, 0.5, 0.1, 0]}, "ends at 1"),
    "a range upside down": (broken(range=[80, 0.002]), "range is not from the lowest"),
    "costs of costs": (broken(cost={"a": {"b": 1}}), "cost.a is an object"),
    "a word of no end": (broken(author="a" * 2001), "author has 2,001 characters"),
    "a word with an escape": (broken(author="\x1b[2J"), "author holds U+001B"),
    "half a character": (broken(source="\ud800"), "source holds U+D800"),
    "a key with an escape": (broken(**{"a\x07": 1}), "a key holds U+0007"),
    "levels that rise": ({"sigmas": [80, 10, 20]}, "sigmas[2] is 20, not below the 10 before it"),
    "levels that stay": ([80, 80, 1], "sigmas[1] is 80"),
    "zero within": ([80, 0, 0], "sigmas[2] is 0"),
    "a level below 0": ([80, 10, -1], "is -1, less than 0"),
    "one level": ([80], "it has 1 entries; at least 2"),
    "levels of words": ({"sigmas": "80/10/1"}, "sigmas is a text, not an array"),
    "both kinds": ({**euler(), **LIST}, "unknown key 'sigmas'"),
    "a text": ("card", "it is a text, not an object"),
    "null": (None, "it is None, not an object"),
    "states without end": (broken(times=[1] * 600), "times has 600 entries; at most 501"),
    "levels without end": ([*range(10_002, 0, -1)], "it has 10,002 entries; at most 10,001"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_place(tmp_path, fault):
    content, words = FAULTS[fault]
    assert words in told(write(tmp_path / "bad.json", content))


RAW = {
    "empty": (b"", "is not JSON"),
    "cut": (json.dumps(euler()).encode()[:100], "is not JSON"),
    "not a number": (b"[80, NaN]", "NaN is not JSON"),
    "endless": (b"[Infinity, 1]", "Infinity is not JSON"),
    "too large": (b"[1e999, 1]", "[0] is inf: too large"),
    "digits": (b"[" + b"9" * 5000 + b", 1]", "more than 40 digits"),
    "a key twice": (b'{"sigmas": [2, 1], "sigmas": [3, 1]}', "a key occurs twice"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "deep and whole": (b"[" * 200 + b"]" * 200, "nested too deeply"),
    "utf-16": ("[80, 1]".encode("utf-16"), "save it as UTF-8"),
    "zeros": (b"[80,\0 1]", "a zero byte"),
    "latin": (b'{"author": "\xfc"}', "not UTF-8"),
}


@pytest.mark.parametrize("kind", RAW)
def test_what_is_no_document_is_told(tmp_path, kind):
    data, words = RAW[kind]
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    assert words in told(path)


def test_millions_of_numbers_are_not_looked_at_one_by_one(tmp_path):
    path = tmp_path / "many.json"
    path.write_bytes(b'{"sigmas": [' + b"0," * 1_000_000 + b"0]}")
    assert "1,000,001 entries" in told(path)
    with path.open("wb") as file:
        file.truncate(2**40)
    assert "larger than 8,388,608 bytes" in told(path)


def test_a_mark_before_the_text_and_a_link_do_no_harm(tmp_path):
    (tmp_path / "one.json").write_bytes(b"\xef\xbb\xbf[80, 1]")
    (tmp_path / "two.json").symlink_to("one.json")
    assert read_card(str(tmp_path / "two.json")).levels == (80, 1)


def test_what_is_no_file_is_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, words in (
        (tmp_path, "Is a directory"),
        (tmp_path / "pipe", "is a pipe, not a file"),
        ("/dev/zero", "is a device, not a file"),
        (tmp_path / "loop", "Too many levels"),
        (tmp_path / "none", "No such file"),
        (tmp_path / ("n" * 300), "File name too long"),
        ("a\0b", "null"),
        ("a\x1b[2Jb.json", "No such file"),
    ):
        assert words in told(path)


def test_a_card_of_the_other_kind_is_sent_where_it_belongs(tmp_path, refused):
    solver, levels = write(tmp_path / "s.json", euler()), write(tmp_path / "l.json", LIST)
    refused(lambda: levels_card(str(solver)), UsageError, "--sampler card:")
    refused(lambda: solver_card(str(levels)), UsageError, "--discretization card:")


def test_a_path_of_no_end_is_told_by_its_end(tmp_path):
    deep = tmp_path.joinpath(*["folder" * 10] * 10)
    deep.mkdir(parents=True)
    assert told(write(deep / "bad.json", {})).endswith("folder/bad.json: format is missing")


def test_the_schema_alone_tells_cards_from_others():
    """For whoever validates with it elsewhere; what it cannot say needs samplebench."""
    Draft202012Validator.check_schema(schema())
    validator = Draft202012Validator(schema())
    for content in (euler(), heun(), parallel(), LIST, LIST["sigmas"]):
        assert validator.is_valid(content)
    for content in ({}, [], broken(version=2), broken(shift=[0]), {"sigmas": [-1, 0]}, [1], "a"):
        assert not validator.is_valid(content)
