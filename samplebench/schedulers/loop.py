"""diffusers' loop: what its pipelines do with a scheduler, in the scheduler's own convention."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# (input as scaled for a network, state, time, number of the call) -> what a network would answer.
Answer = Callable[["Tensor", "Tensor", Any, int], "Tensor"]


def run_loop(
    scheduler: Any,
    answer: Answer,
    x: Tensor,
    *,
    begin: int = 0,
    told: Mapping[str, Any] | None = None,
    after: Callable[[Tensor, int], None] | None = None,
) -> Tensor:
    """The last state of a loop over the scheduler's times.

    Args:
        scheduler: whose `set_timesteps` was called.
        answer: what the scheduler takes for its network.
        x: the first state, times `init_noise_sigma` already.
        begin: the first of its times, where a loop begins in the middle.
        told: what `step` is told beside answer, time and state.
        after: called with the state after each step and the number of the call.
    """
    if hasattr(scheduler, "set_begin_index"):
        # Times may occur twice, where a search would find the wrong one.
        scheduler.set_begin_index(begin)
    scale = getattr(scheduler, "scale_model_input", None)
    times = scheduler.timesteps[begin:]
    # Else unCLIP's step goes to t - 1, however few steps there are.
    leads = "prev_timestep" in inspect.signature(scheduler.step).parameters
    for call, t in enumerate(times):
        scaled = scale(x, t) if scale else x
        output = answer(scaled, x, t, call)
        lead = {"prev_timestep": times[call + 1]} if leads and call + 1 < len(times) else {}
        x = scheduler.step(output, t, x, return_dict=False, **lead, **(told or {}))[0]
        if after:
            after(x, call)
    return x
