"""Judged errors on disk: what was written, or nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from samplebench.tune.judged import JudgedBudget, JudgedGrid, StepError
from samplebench.tune.kept import keep, kept, path_of
from tests.unit.tune.problems import found, problem


@pytest.fixture(scope="module")
def budget():
    own = problem()
    one = found(own, own.at_rho(3).levels, S_noise=1.0)
    rival = JudgedGrid("rho 7", own.baseline, 7.0, None, (0.1, 0.25), (StepError(80.0, -0.1),))
    best = replace(rival, name="best rho", rho=3.0, errors=(math.inf, 0.2), steps=())
    mine = JudgedGrid("rho", one.candidate, None, one, (), (StepError(80.0, math.inf),))
    return JudgedBudget(5, 5, (rival, best, mine), "DOP853", "of each step", 1234)


def test_what_was_kept_comes_back(budget, tmp_path):
    path = path_of(tmp_path, "ab")
    assert kept(path, [budget.grids[2].found]) is None
    keep(path, budget)
    assert kept(path, [budget.grids[2].found]) == budget
    json.loads(path.read_text(), parse_constant=pytest.fail)


def test_a_damaged_file_is_none(budget, tmp_path):
    path = path_of(tmp_path, "ab")
    keep(path, budget)
    whole, found = path.read_bytes(), [budget.grids[2].found]
    damaged = [whole[:cut] for cut in range(0, len(whole) - 1, 37)]
    damaged += [
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        for at in range(0, len(whole), 11)
        if chr(whole[at]) not in " \\n"
    ]
    damaged += [b"[]", b"null", b"{}", b'{"grids": []}', whole.replace(b"0.25", b"0.26")]
    for content in damaged:
        path.write_bytes(content)
        assert kept(path, found) in (None, budget), content
    assert kept(path, found) is None
    path.unlink()
    path.mkdir()
    assert kept(path, found) is None
