"""`--batch-size auto`: the block of what the results folder holds, else the largest that pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

from samplebench.answers.draws import watched_generators
from samplebench.answers.memory import out_of_memory
from samplebench.bench import plan as planning
from samplebench.bench.checks import AUTO
from samplebench.bench.estimate import seconds_per_block
from samplebench.bench.plan import Plan
from samplebench.bench.rehearsal import probed
from samplebench.bench.run import model_device
from samplebench.loading.model import load
from samplebench.results.store import Store, is_results_folder

if TYPE_CHECKING:
    from samplebench.models.model import Model

_LEAST, _MOST = 8, 4096
# A block twice as large must be faster by this share.
_GAIN = 0.03


@dataclass(frozen=True)
class Choice:
    """A block and why it is not larger.

    Attributes:
        block: B, the number of images evaluated at once.
        rate: images of a cell per second of one evaluation.
        why: it is not twice as large.
    """

    block: int
    rate: float
    why: str

    def __str__(self) -> str:
        return f"blocks of {self.block}: {self.rate:,.0f} images/s; {self.why}"


def blocked(plan: Plan) -> Plan:
    """A plan with its block as a number, its files being here."""
    if plan.request.batch_size != AUTO or not plan.cells:
        return plan
    if (there := settled(plan)) is not None:
        return there
    lines, blocks = [], []
    for name, source in plan.sources.items():
        cell = next(c for c in plan.cells.values() if c.conditions["model"] == name).conditions
        device = model_device(plan, name)
        with watched_generators(0, device):
            model = load(source.checkpoint, device=device, dtype=cell["dtype"])
        with probed(model):
            choice = choose(model, cell["num_samples"])
        blocks.append(choice.block)
        lines.append(f"{name}: {choice}" if len(plan.sources) > 1 else str(choice))
    if len(set(blocks)) > 1:
        lines.append(f"blocks of {min(blocks)} for all models, the smallest of their choices")
    return _with(plan, min(blocks), *lines)


def foreseen(plan: Plan) -> Plan:
    """A plan as it can be told without a probe: with the number where its folder settles it."""
    if plan.request.batch_size != AUTO:
        return plan
    note = (
        "--batch-size auto: the block is chosen when the sweep starts; for this plan it is "
        f"{plan.request.block}"
    )
    return settled(plan) or replace(plan, notes=(*plan.notes, note))


def settled(plan: Plan) -> Plan | None:
    """The plan with the block of the cells, finished or half, that its folder holds; None: none.

    Of several the block that has the most, and of these the one that was asked for last.
    """
    if not is_results_folder(plan.folder):
        return None
    store = Store(plan.folder)
    asked = [each.words.get("batch_size") for each in store.requests()]
    known = dict.fromkeys(b for b in reversed(asked) if isinstance(b, int) and b > 0)
    best, most = None, 0
    for block in known:
        made = _with(plan, block, f"blocks of {block}, as in {plan.folder}")
        count = sum(store.has(name) or store.under_way(name) for name in made.cells)
        if count > most:
            best, most = made, count
    return best


def choose(model: Model, num_samples: int, seconds: Callable[[int], float] | None = None) -> Choice:
    """The largest block that pays, by doubling.

    Args:
        num_samples: N of a cell: the last block is padded, which is counted.
        seconds: block -> seconds of one evaluation; None to measure.
    """
    took = seconds or (lambda block: seconds_per_block(model, block))
    sizes = _sizes(num_samples)
    found = Choice(size := next(sizes), _rate(took(size), size, num_samples), "")
    for size in sizes:
        try:
            rate = _rate(took(size), size, num_samples)
        except (MemoryError, RuntimeError, OSError) as error:
            if not out_of_memory(error):
                raise
            return replace(found, why=f"{size} do not fit into memory")
        gain = rate / found.rate - 1
        if gain < _GAIN:
            return replace(found, why=f"{size} {_said(gain)}")
        found = Choice(size, rate, "")
    most = f"blocks above {_MOST:,} are not tried"
    why = most if found.block == _MOST else "a cell has no more samples"
    return replace(found, why=why)


def _with(plan: Plan, block: int, *notes: str) -> Plan:
    made = planning.make(replace(plan.request, batch_size=block), plan.models)
    return replace(made, notes=(*made.notes, *notes))


def _sizes(num_samples: int) -> Iterator[int]:
    size = _LEAST
    yield size
    while size < min(num_samples, _MOST):
        size *= 2
        yield size


def _rate(seconds: float, size: int, num_samples: int) -> float:
    """Images of a cell per second: padding makes none."""
    return num_samples / (ceil(num_samples / size) * seconds)


def _said(gain: float) -> str:
    percent = round(100 * gain)
    if percent < 0:
        return f"gives {-percent} % less"
    return f"gives {percent} % more" if percent else "gives no more"
