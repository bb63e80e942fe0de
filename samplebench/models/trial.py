"""A network tried on two images before it counts: what is wrong with it is told in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from samplebench.answers.blame import Blame
from samplebench.answers.draws import Draws, watched_generators
from samplebench.errors import UsageError
from samplebench.models.network import UserNetwork

# What a function is asked in, where it does not take the state's precision.
_NARROWER = (torch.float32, torch.bfloat16, torch.float16)
# Of the largest answer: what two equal questions may differ by where sums have no order.
_NOISE = 1e-2


def tried(
    asked: UserNetwork,
    shape: Sequence[int],
    time: Tensor,
    state: torch.dtype,
    judge: Callable[[Any, Tensor], Tensor],
) -> None:
    """Asks a network twice the same of two images of noise; the global generators stay.

    A function that does not take the state's precision is fed in the first below that it takes.

    Args:
        asked: the network; its `dtype` is settled here.
        shape: of one state.
        time: [2], on its device.
        state: precision of the states it will be asked in.
        judge: an answer as a tensor like the state, or refused.

    Raises:
        UsageError: it failed, or its answer is none to such a state.
    """
    if asked.device.type == "meta":
        return
    fixed = asked.dtype is not None
    kinds = [asked.dtype or state] + [kind for kind in _NARROWER if not fixed and kind != state]
    failures: dict[torch.dtype, UsageError] = {}
    for kind in kinds:
        try:
            asked.dtype = kind if fixed or kind != state else None
            _ask(asked, shape, time, kind, judge)
            return
        except UsageError as error:
            failures[kind] = error
    failure = failures.get(torch.float32, failures[kinds[0]])
    if isinstance(failure.__cause__, TypeError):
        # Of other arguments, most likely.
        given = "x, t, labels" if asked.num_classes else "x, t"
        raise UsageError(f"{failure}; it is called as network({given})") from failure.__cause__
    raise failure


def _ask(
    asked: UserNetwork,
    shape: Sequence[int],
    time: Tensor,
    kind: torch.dtype,
    judge: Callable[[Any, Tensor], Tensor],
) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn((2, *shape), generator=draw).to(asked.device, kind)
    ends = torch.tensor([0, asked.num_classes - 1], device=asked.device)
    labels = ends if asked.num_classes else None
    before, answers = x.clone(), []
    with watched_generators(0, asked.device) as draws, Blame(asked.who):
        for _ in range(2):
            given = x.copy_(before)
            answers.append(judge(asked(given, time.clone(), labels), before).clone())
        if asked.null_label is not None:
            judge(asked(before.clone(), time.clone(), None), before)
    asked.remarks += _remarks(asked.who, draws, answers)
    if not torch.equal(x, before):
        asked.remarks.append(
            f"{asked.who} modifies its input; it gets copies, so results stay correct"
        )


def _remarks(who: str, draws: Draws, answers: list[Tensor]) -> list[str]:
    """What two answers to one question say, a line each."""
    first, second = (answer.to(torch.float32) for answer in answers)
    if draws.of:
        return [f"{who} draws from {draws}, so equal seeds give different samples"]
    if (first - second).abs().max() > _NOISE * first.abs().max():
        return [
            f"{who} gives different outputs for the same input: samples depend on earlier calls"
        ]
    return []


def evaluating(who: str, modules: Sequence[torch.nn.Module]) -> list[str]:
    """Switches modules to evaluation; a line where one was in training mode."""
    trained = any(part.training for module in modules for part in module.modules())
    for module in modules:
        module.eval()
    if not trained:
        return []
    return [
        f"{who} was in training mode, in which dropout and batch norm change its outputs; it is "
        "switched to eval mode"
    ]
