"""--json and --quiet, the same wherever a table is printed."""

from __future__ import annotations

import json

import pytest

RUN = "run --num-samples 128 --sampler euler,heun --nfe 5,10 --out sweep"
MAKE = "reference make --images images.npz --out mine.reference.npz"
# The lengths of the documents, None where it changes as samplebench grows.
TABLES = {
    RUN: 4,
    f"{RUN} --dry-run": 4,
    f"{RUN} --dump-config": None,
    "run --dry-run --sampler edm --param edm.S_churn=9,edm.S_max=inf --dump-config": None,
    "list": None,
    "list samplers": None,
    "list models": None,
    "report sweep": 4,
    "check sweep --baseline sweep/results.csv": 4,
    "check sweep --baseline moved.csv": 4,
    "check sweep --baseline new.csv --update": 3,
    "forget sweep": 1,
    "forget sweep --kept": 1,
    "score sweep --metric fd-digits --reference digits": 4,
    "score --images images.npz --metric fd-digits --reference digits": 1,
    "reference list": None,
    "reference describe digits": 1,
    MAKE: 1,
    "cite": None,
    "cite heun": 2,
    "cite sweep": None,
    "published --sampler heun": None,
    "published --remeasured": 23,
    "trajectory --sampler euler,heun --steps 2,3 --num-samples 2 --out t": 4,
    "tune --model exact-2d --sampler euler --nfe 4 --method rho --num-samples 0 --out u": 3,
}
CODES = {"check sweep --baseline moved.csv": 1}
SLOW = ("list models", "list samplers", "reference list", "cite sweep", "cite heun", [*TABLES][-1])


def tables():
    return [pytest.param(w, marks=pytest.mark.slow if w in SLOW else []) for w in TABLES]


@pytest.fixture
def place(copied, tmp_path):
    """A finished sweep, a baseline of which one value has moved, images."""
    import numpy as np

    lines = (copied / "results.csv").read_text().splitlines()
    columns = lines[0].split(",")
    entries = lines[1].split(",")
    entries[columns.index("fd-digits")] = "1.5"
    (tmp_path / "moved.csv").write_text("\n".join([lines[0], ",".join(entries), *lines[2:], ""]))
    np.savez(tmp_path / "images.npz", images=np.zeros((3, 1, 8, 8), np.uint8))
    return tmp_path


def refuse(name):
    raise ValueError(f"{name} is not JSON")


@pytest.mark.parametrize("words", tables())
def test_json_is_one_document_and_nothing_else(words, place, samplebench):
    done = samplebench(*words.split(), "--json")
    assert done.code == CODES.get(words, 0), done.err
    document = json.loads(done.out, parse_constant=refuse)
    assert document
    assert TABLES[words] in (None, len(document))


@pytest.mark.parametrize("words", tables())
def test_quiet_leaves_stderr_empty(words, place, samplebench):
    done = samplebench(*words.split(), "--quiet")
    assert (done.code, done.err) == (CODES.get(words, 0), "")


@pytest.mark.parametrize("words", [RUN, f"{RUN} --dry-run", "report sweep", "list samplers"])
def test_quiet_leaves_the_table(words, place, samplebench):
    """And nothing else: what stands below it is an announcement."""
    loud, quiet = (samplebench(*words.split(), *more).out for more in ([], ["--quiet"]))
    assert loud.startswith(quiet.rstrip("\n")) and "euler" in quiet
    assert not [w for w in ("report:", "cells (") if w in quiet]


def test_a_quiet_check_prints_failures_only(place, samplebench):
    words = ("check", "sweep", "--quiet", "--baseline")
    assert samplebench(*words, "sweep/results.csv").out == ""
    assert samplebench(*words, "new.csv", "--update").out == ""
    out = samplebench(*words, "moved.csv").out
    assert "moved" in out and "same  " not in out


COMMANDS = (
    "run", "list", "fetch", "doctor", "report", "check", "history", "forget", "reference", "cite",
    "published", "score", "trajectory", "card", "compare", "nll", "reproduce", "board", "tune",
    "advise",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_both(command, capsys):
    from samplebench.cli import main

    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "  --json" in text and "  --quiet" in text


def test_all_commands_are_here():
    from samplebench.cli import parser

    (action,) = (a for a in parser()._actions if a.dest == "command")
    assert set(COMMANDS) == set(action.choices)
