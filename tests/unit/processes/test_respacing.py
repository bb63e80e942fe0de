"""The respacing grammar: what it refuses, and that its choice is what it says."""

from __future__ import annotations

import pytest

from samplebench.errors import UsageError
from samplebench.processes.respacing import space_timesteps


@pytest.mark.parametrize("steps", [10, 100, 1000, 4000])
@pytest.mark.parametrize("count", [2, 3, 7, 10])
def test_a_count_keeps_both_ends(steps, count):
    kept = space_timesteps(steps, count)
    assert (kept[0], kept[-1], len(kept)) == (0, steps - 1, count)
    assert kept == sorted(set(kept)) == space_timesteps(steps, str(count))


def test_no_respacing_keeps_all():
    assert space_timesteps(17, "") == list(range(17))


@pytest.mark.parametrize("spec", ["abc", "ddim", "ddimx", "5,", "-3", "2.5", "1;2", "ddim-4"])
def test_what_is_not_of_the_grammar_is_refused(spec):
    with pytest.raises(UsageError, match="is not understood; write counts"):
        space_timesteps(1000, spec)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [("1001", "1001 steps of a section of 1000"), ("ddim300", "no stride keeps 300 of 1000")],
)
def test_what_the_process_does_not_have_is_refused(spec, reason):
    with pytest.raises(UsageError, match=reason):
        space_timesteps(1000, spec)
