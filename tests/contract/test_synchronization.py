"""No step waits for the device: what a sampler decides, it decides on the host, by its grid."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from samplebench import registry
from samplebench.models.bound import Bound
from samplebench.sampling.setting import prepare
from samplebench.sampling.solver import Solver
from samplebench.timelines import choice
from samplebench.timelines.ends import RULES
from tests.contract.registered import adaptive, takes_final, with_noise, without_noise

# Read by the host, or with a shape that the values decide.
WAITS = {
    "item", "tolist", "numpy", "cpu", "is_nonzero", "equal", "allclose", "nonzero", "argwhere",
    "masked_select", "unique", "__bool__", "__float__", "__int__", "__index__", "__array__",
    "__contains__", "__complex__",
}  # fmt: skip


class OnDevice(torch.Tensor):
    """A tensor of which, and of all that is made of it, the host may not read a number."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        masks = [a for a in _flat(args[1:]) if isinstance(a, cls) and a.dtype == torch.bool]
        if name in WAITS or (name == "__getitem__" and masks):
            raise AssertionError(f"{name} waits for the device")
        to = [*args[1:], *(kwargs or {}).values()] if name == "to" else []
        if any(isinstance(a, str | torch.device) for a in to) and str(to[0]).startswith("cpu"):
            raise AssertionError("a copy to the host waits for the device")
        return super().__torch_function__(func, types, args, kwargs or {})


def _flat(values: Any) -> list[Any]:
    return [w for v in values for w in (_flat(v) if isinstance(v, tuple | list) else [v])]


def on_device(x: torch.Tensor) -> OnDevice:
    return x.as_subclass(OnDevice)


def solvers():
    """Every registered sampler on every timeline that its name may mean."""
    for entry in registry.samplers:
        yield Solver.of(entry.name)
        for timeline, name in entry.on.items():
            yield Solver.of(name, timeline=choice.timeline(timeline))


def settings():
    found = {}
    for solver in solvers():
        # Its next step depends on the error of the last, and which samples go on, too.
        if adaptive(solver) or not (solver.timeline.evaluates and solver.entry.builtin):
            continue
        for params in (without_noise(solver), with_noise(solver)):
            if params is not None:
                where = choice.registered(solver.timeline).name
                found[f"{solver.name}-{where}-{params}"] = (solver, params)
    return found


SETTINGS = settings()


@pytest.fixture(params=SETTINGS, ids=str)
def case(request):
    return SETTINGS[request.param]


def run(solver, params, **ends):
    model = solver.timeline.toy(8).toy_model()
    setting = prepare(model, solver, steps=max(8, solver.least(params)), params={**params, **ends})
    shape = setting.timeline.latent_shape(model.shape)
    latents = on_device(torch.ones(3, *shape, dtype=torch.float64) / 2)
    with torch.no_grad():
        x = setting.run(Bound(model, None, 3), latents, lambda x: on_device(torch.ones_like(x)))
    assert isinstance(x, OnDevice)  # else nothing was watched


def test_no_step_waits_for_the_device(case):
    solver, params = case
    run(solver, params)


@pytest.mark.parametrize("rule", RULES)
def test_nor_does_an_end_rule(rule):
    assert takes_final(Solver.of("euler"))
    run(Solver.of("euler"), {}, final="sigma_min", **{rule: True})


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(x.max()), lambda x: bool((x > 0).any()), lambda x: (x + 1).sum().item(),
        lambda x: x[x > 0], lambda x: x.mean(0).tolist(), lambda x: x.to("cpu"),
        lambda x: (2 * x).cpu(), lambda x: 0 if x.sum() > 0 else 1, lambda x: x.numpy(),
        lambda x: torch.nonzero(x), lambda x: x.to(device=torch.device("cpu")),
    ],
)  # fmt: skip
def test_every_way_of_waiting_is_seen(read):
    with pytest.raises(AssertionError, match="waits for the device"):
        read(on_device(torch.ones(2, 3)))
